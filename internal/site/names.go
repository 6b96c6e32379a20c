package site

import (
	"iter"
	"strings"
)

// plainName refuses a segment that is not simply the name of a file or folder on every system.
func plainName(segment string) *refusal {
	switch {
	case segment == "." || segment == ".." || len(segment) > maxSegment:
		return &badRequest
	case strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " "):
		return &notFound // Windows drops them: "a.asp." would be a.asp
	case strings.Contains(segment, ":"):
		return &notFound // drives and streams: "a.asp::$DATA" would be the source of a.asp
	case isDevice(segment):
		return &notFound
	}
	return nil
}

var devices = map[string]bool{"CON": true, "PRN": true, "AUX": true, "NUL": true, "CLOCK$": true, "CONIN$": true, "CONOUT$": true}

// isDevice says whether Windows takes the name for a device: also with an extension ("nul.txt") and with spaces before it.
func isDevice(name string) bool {
	if len(name) < 3 || !beginsDevice(name[0], name[1], name[2]) {
		return false
	}
	name, _, _ = strings.Cut(name, ".")
	name = strings.ToUpper(strings.TrimRight(name, " "))
	if devices[name] {
		return true
	}
	number, ok := strings.CutPrefix(name, "COM")
	if !ok {
		number, ok = strings.CutPrefix(name, "LPT")
	}
	return ok && len([]rune(number)) == 1 && strings.Contains("0123456789¹²³", number)
}

// beginsDevice says whether the name of a device can begin with three bytes. It is asked first, because that costs little and most cannot.
func beginsDevice(a, b, c byte) bool {
	switch [3]byte{a &^ 0x20, b &^ 0x20, c &^ 0x20} { // in capitals, if they are letters
	case [3]byte{'C', 'O', 'N'}, [3]byte{'P', 'R', 'N'}, [3]byte{'A', 'U', 'X'}, [3]byte{'N', 'U', 'L'}, [3]byte{'C', 'L', 'O'},
		[3]byte{'C', 'O', 'M'}, [3]byte{'L', 'P', 'T'}:
		return true
	}
	return false
}

// The segments IIS hides, and the file this server is configured by. None begins with k or s, which are letters besides those of ASCII in
// another case.
var hiddenNames = []string{
	"bin", "web.config", "App_Browsers", "App_Code", "App_Data", "App_GlobalResources", "App_LocalResources",
	"App_WebReferences", "global.asax", "global.asa", "isapid.yaml",
}

// hidden refuses the segments no client may ask for. Dot files are hidden but for /.well-known, which is made to be
// asked for.
func hidden(segment, path string) *refusal {
	if strings.HasPrefix(segment, ".") && (segment != ".well-known" || !below(path, "/.well-known")) {
		return &hiddenFile
	}
	for _, name := range hiddenNames {
		// The first letters, none of which is any but an ASCII letter in another case, tell most apart.
		if segment[0]|0x20 == name[0]|0x20 && strings.EqualFold(segment, name) {
			return &hiddenSegment
		}
	}
	return nil
}

// segments goes through the segments of a path like "/a/b", which has no slash at its end.
func segments(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for path != "" {
			segment, _, _ := strings.Cut(path[1:], "/")
			path = path[1+len(segment):]
			if !yield(segment) {
				return
			}
		}
	}
}
