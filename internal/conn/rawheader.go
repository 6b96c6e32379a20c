package conn

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
)

const (
	headLimit  = 64 << 10 // bytes of a head that are kept
	headPooled = 8 << 10  // larger buffers are left to the collector
)

// head keeps the bytes from which net/http makes a request, because it forgets the order and case of header lines.
// Bytes are only kept between requests' ends and beginnings: bodies never get here, but for what arrived with a head.
type head struct {
	mu   sync.Mutex
	kept *[]byte
	off  bool // a request runs, or too much came: nothing is kept

	// next is the first byte of the next request, read early by net/http's background read, which is the only one
	// that asks for a single byte.
	next     byte
	haveNext bool
}

var headBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// capture is told every byte read, and for how many net/http asked.
func (h *head) capture(p []byte, asked int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.off {
		h.haveNext = asked == 1 && len(p) == 1
		if h.haveNext {
			h.next = p[0]
		}
		return
	}
	if len(p) == 0 {
		return
	}
	if h.kept == nil {
		h.kept = headBuffers.Get().(*[]byte)
	}
	if len(*h.kept)+len(p) > headLimit {
		h.drop()
		h.off = true
		return
	}
	*h.kept = append(*h.kept, p...)
}

// end is called when a head is complete.
func (h *head) end() {
	h.mu.Lock()
	h.off, h.haveNext = true, false
	h.mu.Unlock()
}

// begin is called when the next bytes are a head's.
func (h *head) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
	h.off = false
	if h.haveNext {
		h.haveNext = false
		h.kept = headBuffers.Get().(*[]byte)
		*h.kept = append(*h.kept, h.next)
	}
}

// forget is called when no request follows.
func (h *head) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
	h.off = true
}

func (h *head) drop() {
	if h.kept == nil {
		return
	}
	if cap(*h.kept) <= headPooled {
		*h.kept = (*h.kept)[:0]
		headBuffers.Put(h.kept)
	}
	h.kept = nil
}

// RawHeader returns the header lines of r, the current HTTP/1.x request of this connection, in the order and case in which they were
// received: "Name: value\r\n" each, without request line and final blank line. Exactly one blank follows each colon.
//
// It returns nil when it cannot vouch for every line: HTTP/2, pipelined requests, folded or malformed lines, a head above 64 KiB, and
// when r.Header no longer says the same because somebody changed it.
func (c *Conn) RawHeader(r *http.Request) []byte {
	if lines := c.RawLines(r); lines != nil {
		return MatchHeader(lines, r)
	}
	return nil
}

// RawLines returns what RawHeader has to compare: the header lines as received, unchecked, or nil.
func (c *Conn) RawLines(r *http.Request) []byte {
	if c == nil || r.ProtoMajor != 1 || c.kind.Load() == shared {
		return nil
	}
	c.head.mu.Lock()
	defer c.head.mu.Unlock()
	if c.head.kept == nil {
		return nil
	}
	lines, ok := headerLines(*c.head.kept, r.Method, r.RequestURI)
	if !ok {
		return nil
	}
	return append(make([]byte, 0, len(lines)), lines...)
}

// headerLines finds the header lines in raw, which must begin with that request line. The result ends with CRLF or is empty.
func headerLines(raw []byte, method, uri string) (lines []byte, ok bool) {
	raw = bytes.TrimLeft(raw, "\r\n") // net/http forgives those after a POST
	for _, part := range [...]string{method, " ", uri, " HTTP/1."} {
		if len(raw) < len(part) || string(raw[:len(part)]) != part {
			return nil, false
		}
		raw = raw[len(part):]
	}
	_, raw, ok = bytes.Cut(raw, []byte("\r\n"))
	if !ok {
		return nil, false
	}
	if bytes.HasPrefix(raw, []byte("\r\n")) {
		return nil, true
	}
	end := bytes.Index(raw, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, false
	}
	return raw[:end+2], true
}

// MatchHeader copies lines if together they are the header of r, else it returns nil.
func MatchHeader(lines []byte, r *http.Request) []byte {
	out := make([]byte, 0, len(lines)+16)
	seen := make(map[string]int, len(r.Header))
	for len(lines) > 0 {
		line, rest, _ := bytes.Cut(lines, []byte("\r\n"))
		lines = rest
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t\r\n") || bytes.ContainsAny(value, "\r\n") {
			return nil
		}
		value = bytes.Trim(value, " \t")
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		if !sameValue(r, key, string(value), seen[key]) {
			return nil
		}
		seen[key]++
		out = append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
	}
	for key, values := range r.Header {
		if seen[key] != len(values) && !addedByNetHTTP(r, key, seen[key]) {
			return nil
		}
	}
	if (seen["Host"] > 0) != (r.Host != "") || (seen["Transfer-Encoding"] > 0) != (len(r.TransferEncoding) > 0) {
		return nil
	}
	return out
}

// sameValue tells whether the i-th line called key has that value in r too. Two fields net/http moves out of the header.
func sameValue(r *http.Request, key, value string, i int) bool {
	switch key {
	case "Host":
		return i == 0 && r.Host == value
	case "Transfer-Encoding":
		return i == 0 && len(r.TransferEncoding) == 1 && strings.EqualFold(r.TransferEncoding[0], value)
	}
	values := r.Header[key]
	return i < len(values) && values[i] == value
}

// addedByNetHTTP tells whether key is the Cache-Control that net/http derives from Pragma.
func addedByNetHTTP(r *http.Request, key string, seen int) bool {
	return key == "Cache-Control" && seen == 0 && len(r.Header[key]) == 1 && r.Header[key][0] == "no-cache" &&
		len(r.Header["Pragma"]) > 0 && r.Header["Pragma"][0] == "no-cache"
}
