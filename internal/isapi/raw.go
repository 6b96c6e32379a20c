package isapi

import "bytes"

// RawKind is what the first bytes an extension wrote without a header call turn out to be.
type RawKind int

const (
	RawMore RawKind = iota // undecided: more bytes are needed
	RawHead                // a complete head
	RawBody                // no head at all: a body
)

// MaxRawHead bounds what is collected while looking for the end of a raw head.
const MaxRawHead = 64 << 10

// ParseRaw looks at the first bytes an extension wrote with WriteClient (or as pHead of TRANSMIT_FILE) without having sent a
// header. They can be a whole HTTP head, "HTTP/1.1 200 OK…", or CGI-style header lines; anything else is a body, and so is
// what is still RawMore at the end of the response. The head ends at the first blank line; Head.Body stays empty and n bytes
// of b were the head.
func ParseRaw(b []byte) (kind RawKind, h Head, n int) {
	kind, end := rawExtent(b)
	if kind == RawMore && len(b) < MaxRawHead {
		return RawMore, h, 0
	}
	if kind != RawHead {
		return RawBody, h, 0
	}
	h, err := ParseHead("", string(b[:end]))
	if err != nil {
		return RawBody, h, 0
	}
	h.Body = ""
	return RawHead, h, end
}

// rawExtent scans line by line: every line must look like a header line, the first may be a status line.
func rawExtent(b []byte) (kind RawKind, end int) {
	for pos := 0; ; {
		rest := b[pos:]
		nl := bytes.IndexByte(rest, '\n')
		if nl < 0 {
			if pos == 0 && isStatusPrefix(rest) || isFieldPrefix(rest) {
				return RawMore, 0
			}
			return RawBody, 0
		}
		line := bytes.TrimSuffix(rest[:nl], []byte{'\r'})
		switch {
		case len(line) == 0 && pos > 0:
			return RawHead, pos + nl + 1
		case pos == 0 && bytes.HasPrefix(line, []byte("HTTP/")):
		case pos > 0 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t'):
		case !isFieldLine(string(line)):
			return RawBody, 0
		}
		pos += nl + 1
	}
}

// isStatusPrefix: b can still become "HTTP/1.1 200 OK".
func isStatusPrefix(b []byte) bool {
	const p = "HTTP/"
	return len(b) < len(p) && p[:len(b)] == string(b) || bytes.HasPrefix(b, []byte(p))
}

// isFieldPrefix: b can still become a header line, or the blank line.
func isFieldPrefix(b []byte) bool {
	if len(b) == 0 || b[0] == '\r' || b[0] == ' ' || b[0] == '\t' {
		return len(b) <= 1 || b[0] != '\r'
	}
	name, _, colon := bytes.Cut(b, []byte{':'})
	return IsToken(string(bytes.TrimRight(name, " \t"))) || colon && len(name) == 0
}
