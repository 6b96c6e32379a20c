package executor

import "encoding/hex"

// Traceparent is the context as the traceparent header of W3C Trace Context has it, version 00; "" if there is none.
func (c TraceContext) Traceparent() string {
	if !c.Valid() {
		return ""
	}
	b := make([]byte, 0, traceparentLen)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, c.TraceID[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, c.SpanID[:])
	if c.Sampled {
		return string(append(b, "-01"...))
	}
	return string(append(b, "-00"...))
}

// traceparentLen is the length of a traceparent of version 00, in bytes.
const traceparentLen = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

// ParseTraceparent reads a traceparent header. It is strict, as W3C Trace Context wants it: what is not exactly one is none. Of versions to
// come it reads what it knows.
func ParseTraceparent(s string) (c TraceContext, ok bool) {
	if len(s) < traceparentLen || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return TraceContext{}, false
	}
	var version, flags [1]byte
	if !lowerHex(version[:], s[:2]) || !lowerHex(c.TraceID[:], s[3:35]) || !lowerHex(c.SpanID[:], s[36:52]) || !lowerHex(flags[:], s[53:55]) {
		return TraceContext{}, false
	}
	switch more := s[traceparentLen:]; {
	case version[0] == 0xff, version[0] == 0 && more != "", more != "" && more[0] != '-':
		return TraceContext{}, false
	case c.TraceID == [16]byte{}, c.SpanID == [8]byte{}:
		return TraceContext{}, false
	}
	c.Sampled = flags[0]&1 != 0
	return c, true
}

// lowerHex reads digits, of which capital letters are none.
func lowerHex(to []byte, s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(to, []byte(s))
	return err == nil
}
