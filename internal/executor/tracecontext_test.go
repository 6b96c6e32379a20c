package executor

import (
	"strings"
	"testing"
)

func TestParseTraceparent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, c := range []struct {
		name, header string
		ok, sampled  bool
	}{
		{"sampled", good, true, true},
		{"not sampled", strings.TrimSuffix(good, "1") + "0", true, false},
		{"a flag that is not known, and sampled", strings.TrimSuffix(good, "01") + "ff", true, true},
		{"a flag that is not known", strings.TrimSuffix(good, "01") + "fe", true, false},
		{"version to come", "cc" + good[2:], true, true},
		{"version to come, with more", "cc" + good[2:] + "-what", true, true},
		{"version to come, with more and no dash", "cc" + good[2:] + "what", false, false},
		{"version 00 with more", good + "-00", false, false},
		{"version ff", "ff" + good[2:], false, false},
		{"capital letters", strings.ToUpper(good), false, false},
		{"no digits", strings.Replace(good, "4bf9", "4bg9", 1), false, false},
		{"version no digits", "0x" + good[2:], false, false},
		{"flags no digits", good[:53] + "0x", false, false},
		{"no trace id", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false, false},
		{"no span id", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false, false},
		{"no dash", strings.Replace(good, "-", "_", 1), false, false},
		{"too short", good[:54], false, false},
		{"blank before", " " + good, false, false},
		{"blank after", good + " ", false, false},
		{"empty", "", false, false},
	} {
		got, ok := ParseTraceparent(c.header)
		if ok != c.ok || got.Sampled != c.sampled || got.Valid() != c.ok {
			t.Errorf("%s: %q is %+v, %v", c.name, c.header, got, ok)
		}
	}
	c, _ := ParseTraceparent(good)
	if c.Traceparent() != good {
		t.Errorf("written again it is %q", c.Traceparent())
	}
	c.Sampled = false
	if want := good[:53] + "00"; c.Traceparent() != want {
		t.Errorf("not sampled it is %q", c.Traceparent())
	}
	if s := (TraceContext{}).Traceparent(); s != "" {
		t.Errorf("none is written as %q", s)
	}
}
