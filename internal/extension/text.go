package extension

import (
	"bytes"
	"strings"
)

// cut is the text up to the first NUL, which need not be there.
func cut(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// printable replaces control characters, so that text of an extension cannot forge a log line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
