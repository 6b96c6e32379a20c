package isapi

import (
	"bytes"
	"strings"
)

// Cut is the text up to the first NUL, which need not be there.
func Cut(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// Printable replaces control characters, so that text of an image cannot forge a log line.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
