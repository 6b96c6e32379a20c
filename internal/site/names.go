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

// The segments IIS hides, and the file this server is configured by.
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
		if strings.EqualFold(segment, name) {
			return &hiddenSegment
		}
	}
	return nil
}

// segments goes through the segments of a path like "/a/b".
func segments(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for path != "" {
			var segment string
			segment, path, _ = strings.Cut(path[1:], "/")
			if path != "" {
				path = "/" + path
			}
			if !yield(segment) {
				return
			}
		}
	}
}
