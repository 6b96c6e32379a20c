package spans

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestContext(t *testing.T) {
	many := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("k%d=v", i))
		}
		return strings.Join(list, ",")
	}
	for _, c := range []struct {
		name   string
		parent []string
		state  []string
		valid  bool
		want   string // of the state
	}{
		{"none", nil, nil, false, ""},
		{"state alone", nil, []string{"a=b"}, false, ""},
		{"two", []string{parent, parent}, nil, false, ""},
		{"empty", []string{""}, nil, false, ""},
		{"one", []string{parent}, nil, true, ""},
		{"blanks around", []string{" " + parent + "\t"}, nil, true, ""},
		{"with a state", []string{parent}, []string{"a=b"}, true, "a=b"},
		{"states are joined", []string{parent}, []string{"a=b", "c=d"}, true, "a=b,c=d"},
		{"a key twice", []string{parent}, []string{"a=b", "a=d"}, true, ""},
		{"blanks and empty members", []string{parent}, []string{" a=b ,, \tc=d"}, true, " a=b ,, \tc=d"},
		{"nothing in it", []string{parent}, []string{" , "}, true, ""},
		{"tenant", []string{parent}, []string{"0x@sys=b"}, true, "0x@sys=b"},
		{"digit first", []string{parent}, []string{"0x=b"}, true, ""},
		{"system with a digit first", []string{parent}, []string{"x@1s=b"}, true, ""},
		{"two systems", []string{parent}, []string{"x@s@s=b"}, true, ""},
		{"no system", []string{parent}, []string{"x@=b"}, true, ""},
		{"capital letter", []string{parent}, []string{"A=b"}, true, ""},
		{"signs in a key", []string{parent}, []string{"a_-*/1=b"}, true, "a_-*/1=b"},
		{"no value", []string{parent}, []string{"a="}, true, ""},
		{"no sign", []string{parent}, []string{"a"}, true, ""},
		{"two signs", []string{parent}, []string{"a=b=c"}, true, ""},
		{"blank in a value", []string{parent}, []string{"a= b"}, true, "a= b"},
		{"control character", []string{parent}, []string{"a=\x01b"}, true, ""},
		{"letters beyond ASCII", []string{parent}, []string{"a=ä"}, true, ""},
		{"32 members", []string{parent}, []string{many(32)}, true, many(32)},
		{"33 members", []string{parent}, []string{many(33)}, true, ""},
		{"longest key", []string{parent}, []string{strings.Repeat("k", 256) + "=v"}, true, strings.Repeat("k", 256) + "=v"},
		{"too long a key", []string{parent}, []string{strings.Repeat("k", 257) + "=v"}, true, ""},
		{"too long a tenant", []string{parent}, []string{strings.Repeat("k", 242) + "@s=v"}, true, ""},
		{"too long a system", []string{parent}, []string{"k@" + strings.Repeat("s", 15) + "=v"}, true, ""},
		{"longest value", []string{parent}, []string{"k=" + strings.Repeat("v", 256)}, true, "k=" + strings.Repeat("v", 256)},
		{"too long a value", []string{parent}, []string{"k=" + strings.Repeat("v", 257)}, true, ""},
		{"too long", []string{parent}, []string{strings.Repeat("k=v,", 2000)}, true, ""},
	} {
		got := Context(http.Header{"Traceparent": c.parent, "Tracestate": c.state})
		if got.Valid() != c.valid || got.State != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func FuzzContext(f *testing.F) {
	f.Add(parent, "a=b,c@d=e")
	f.Fuzz(func(t *testing.T, parent, state string) {
		c := Context(http.Header{"Traceparent": {parent}, "Tracestate": {state}})
		if !c.Valid() && c.State != "" || c.Valid() && len(c.Traceparent()) != 55 {
			t.Errorf("%q, %q: %+v", parent, state, c)
		}
	})
}
