package trace

import (
	"bytes"
	"strings"
)

// masked is what stands in the place of a secret.
const masked = "***"

// mask is what is secret of a text.
type mask uint8

const (
	asItIs    mask = iota
	maskLines      // of the lines of a header, the values of those that are secret
	maskAll
)

// secretNames are the fields of a header whose values are secret, as they stand in the names of variables.
var secretNames = [...]string{"AUTHORIZATION", "COOKIE", "COOKIE2", "SET_COOKIE", "SET_COOKIE2", "PROXY_AUTHORIZATION"}

// maskOf is what is secret in the value of a variable, or of a field of a header.
func maskOf(name []byte) mask {
	name = trim(name, " \t:")
	if n := len("UNICODE_"); len(name) > n && sameName(name[:n], "UNICODE_") {
		name = name[n:]
	}
	switch {
	case sameName(name, "AUTH_PASSWORD"):
		return maskAll
	case sameName(name, "ALL_HTTP"), sameName(name, "ALL_RAW"):
		return maskLines
	case isSecret(name):
		return maskAll
	}
	return asItIs
}

// isSecret tells of the name of a field, perhaps with the prefix it has as a variable, whether its values are secret.
func isSecret(name []byte) bool {
	for _, prefix := range [...]string{"HTTP_", "HEADER_"} {
		if len(name) > len(prefix) && sameName(name[:len(prefix)], prefix) {
			name = name[len(prefix):]
			break
		}
	}
	for _, s := range secretNames {
		if sameName(name, s) {
			return true
		}
	}
	return false
}

// sameName compares a name with one in capitals. Case does not count, and - is _.
func sameName(name []byte, capitals string) bool {
	if len(name) != len(capitals) {
		return false
	}
	for i := range len(capitals) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case c == '-':
			c = '_'
		}
		if c != capitals[i] {
			return false
		}
	}
	return true
}

// appendMasked appends the lines of a header without the values of those that are secret, and tells whether there were any. A secret goes
// on until a line that begins with no blank. A carriage return alone does not end it, but a name may follow one.
func appendMasked(dst, text []byte) ([]byte, bool) {
	found := false
	if bytes.IndexByte(text, ':') < 0 {
		return append(dst, text...), false // as most values are
	}
	for len(text) > 0 {
		name := secretAt(text)
		if name == 0 {
			n := lineEnd(text)
			dst, text = append(dst, text[:n]...), text[n:]
			continue
		}
		found = true
		dst = append(append(append(dst, text[:name]...), ' '), masked...)
		end := name
		for end < len(text) && (text[end] != '\n' || end+1 < len(text) && (text[end+1] == ' ' || text[end+1] == '\t')) {
			end++
		}
		if end < len(text) {
			if text[end-1] == '\r' {
				dst = append(dst, '\r')
			}
			dst = append(dst, '\n')
			end++
		}
		text = text[end:]
	}
	return dst, found
}

// lineEnd is the length of the first line, with the one character that ends it.
func lineEnd(text []byte) int {
	n := bytes.IndexByte(text, '\n') + 1
	if n == 0 {
		n = len(text)
	}
	if r := bytes.IndexByte(text[:n], '\r') + 1; r > 0 {
		n = r
	}
	return n
}

// secretAt is the length of the name of a field that is secret, with its colon, where a line may begin; 0 if there is none.
func secretAt(text []byte) int {
	i := bytes.IndexByte(text[:min(len(text), 64)], ':')
	if i < 0 || !isSecret(trim(text[:i], " \t\r\n")) {
		return 0
	}
	return i + 1
}

// trim is bytes.Trim for a few characters, of which a name seldom has any at its ends.
func trim(name []byte, few string) []byte {
	for len(name) > 0 && strings.IndexByte(few, name[0]) >= 0 {
		name = name[1:]
	}
	for len(name) > 0 && strings.IndexByte(few, name[len(name)-1]) >= 0 {
		name = name[:len(name)-1]
	}
	return name
}
