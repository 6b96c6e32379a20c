package spans

import (
	"net/http"
	"strings"

	"github.com/isapid/isapid/internal/executor"
)

// Context is the trace context that a client sent (W3C Trace Context): the zero value if it sent none, or one that is not right. A tracestate
// that is not right is left out.
func Context(h http.Header) executor.TraceContext {
	parents := h["Traceparent"]
	if len(parents) != 1 {
		return executor.TraceContext{}
	}
	c, ok := executor.ParseTraceparent(strings.Trim(parents[0], " \t"))
	if !ok {
		return executor.TraceContext{}
	}
	if states := h["Tracestate"]; len(states) > 0 {
		if s := strings.Join(states, ","); validState(s) {
			c.State = s
		}
	}
	return c
}

// The bounds of a tracestate.
const (
	mostMembers  = 32
	longestState = 4096 // bytes; 512 are to be taken at least
)

// validState tells whether s is a list of members key=value, of which no key is there twice. Members may be empty.
func validState(s string) bool {
	if len(s) > longestState {
		return false
	}
	seen := map[string]bool{}
	for m := range strings.SplitSeq(s, ",") {
		if m = strings.Trim(m, " \t"); m == "" {
			continue
		}
		k, v, ok := strings.Cut(m, "=")
		if !ok || seen[k] || !validKey(k) || !validValue(v) {
			return false
		}
		if seen[k] = true; len(seen) > mostMembers {
			return false
		}
	}
	return len(seen) > 0
}

// validKey: a name that begins with a small letter, or tenant@system, where the tenant may begin with a digit.
func validKey(k string) bool {
	tenant, system, multi := strings.Cut(k, "@")
	if !multi {
		return len(k) <= 256 && keyPart(k) && !digit(k[0])
	}
	return len(tenant) <= 241 && keyPart(tenant) && len(system) <= 14 && keyPart(system) && !digit(system[0])
}

func keyPart(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || digit(c) || i > 0 && strings.IndexByte("_-*/", c) >= 0) {
			return false
		}
	}
	return s != ""
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// validValue: up to 256 printable characters, without "," and "=", and without a blank at the end.
func validValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return v != "" && len(v) <= 256 && v[len(v)-1] != ' '
}
