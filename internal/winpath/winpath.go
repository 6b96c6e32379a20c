// Package winpath says what a path of a Unix system is called in a Windows program that runs there, by Wine, and the other way round.
// Drive Z: is the root there: /srv/www/a is Z:\srv\www\a.
//
// What Windows cannot have in a name is told by characters of the private use area, as others do who have this problem: a byte b by
// U+F000+b. Those are the control characters and \ : * ? " < > |, dots and spaces at the end of a name, the first letter of a name that is
// a device (con, nul, com1), bytes that are no UTF-8, and these characters themselves. A Windows program cannot open a file by such a name;
// but none is mistaken for another one, and every path comes back as it was.
package winpath

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// drive is where the root of the Unix system is.
const drive = 'Z'

// private is what is added to a byte that cannot be in a name.
const private = 0xF000

// FromUnix is what a Unix path is called in a Windows program. One that is not absolute stays so. The answer for a folder is the
// beginning of that for what is in it.
func FromUnix(path string) string {
	if path == "" {
		return ""
	}
	b := make([]byte, 0, len(path)+2)
	if path[0] == '/' {
		b = append(b, drive, ':')
	}
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		b = appendName(b, name)
		if more {
			b = append(b, '\\')
		}
	}
	return string(b)
}

// appendName appends one name of a path.
func appendName(b []byte, name string) []byte {
	if name == "." || name == ".." {
		return append(b, name...)
	}
	fine := len(strings.TrimRight(name, ". "))
	if device(name) {
		b = utf8.AppendRune(b, private+rune(name[0]))
		name, fine = name[1:], fine-1
	}
	for i, r := range name {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError && !strings.HasPrefix(name[i:], string(utf8.RuneError)) {
			size = 1
		}
		if i < fine && possible(r) && (size > 1 || r < utf8.RuneSelf) {
			b = utf8.AppendRune(b, r)
			continue
		}
		for _, c := range []byte(name[i : i+size]) {
			b = utf8.AppendRune(b, private+rune(c))
		}
	}
	return b
}

// possible says whether Windows can have r in a name, and it does not stand for something else.
func possible(r rune) bool {
	return r >= ' ' && !strings.ContainsRune(`\:*?"<>|`, r) && r&^0xFF != private
}

// device says whether Windows takes a name for a device, whatever follows a dot in it.
func device(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	name = strings.ToLower(strings.TrimRight(name, " "))
	switch name {
	case "con", "prn", "aux", "nul", "conin$", "conout$":
		return true
	}
	port := strings.TrimPrefix(strings.TrimPrefix(name, "com"), "lpt")
	return len(name) > 3 && len(port) == len(name)-3 && (strings.ContainsAny(port, "0123456789") && len(port) == 1 || port == "¹" || port == "²" || port == "³")
}

// ToUnix is the Unix path that a Windows program calls so. It may be written with / and \, and after \\?\ as well; without a drive it is
// taken for one of Z:, where such a program works. What is elsewhere has no Unix path that could be known here: an error says so.
func ToUnix(path string) (string, error) {
	rest := path
	for _, prefix := range []string{`\\?\`, `\??\`, `\\.\`} {
		if after, ok := strings.CutPrefix(rest, prefix); ok {
			rest = after
			if len(rest) < 2 || rest[1] != ':' {
				return "", fmt.Errorf("path %q is on no drive", path)
			}
			break
		}
	}
	if len(rest) >= 2 && rest[1] == ':' {
		switch {
		case rest[0]|0x20 != drive|0x20:
			return "", fmt.Errorf("path %q is on drive %c:, which only Windows programs know: drive %c: has the files of this system", path, rest[0]&^0x20, drive)
		case len(rest) == 2 || !separator(rest[2]):
			return "", fmt.Errorf("path %q is not absolute", path)
		}
		rest = rest[2:]
	} else if len(rest) >= 2 && separator(rest[0]) && separator(rest[1]) {
		return "", fmt.Errorf("path %q is on another computer", path)
	}
	b := make([]byte, 0, len(rest))
	for _, r := range rest {
		switch {
		case r == '\\' || r == '/':
			b = append(b, '/')
		case r == ':':
			return "", fmt.Errorf("path %q names a stream of a file, which there are none of", path)
		case r&^0xFF == private:
			b = append(b, byte(r))
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	if i := strings.IndexByte(string(b), 0); i >= 0 {
		return "", fmt.Errorf("path %q has a zero byte", path)
	}
	return string(b), nil
}

func separator(c byte) bool { return c == '\\' || c == '/' }
