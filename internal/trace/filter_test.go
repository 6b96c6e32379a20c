package trace

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/isapi"
)

func TestFilterRequests(t *testing.T) {
	a := About{Request: 7, Site: "shop", App: "/cart", Pool: "legacy", Image: "/srv/isapi/counter.so", Client: "10.1.2.3:4711", URL: "/cart/app.dll/x", Method: "GET"}
	v6 := a
	v6.Client = "[2001:db8::1%eth0]:80"
	mapped := a
	mapped.Client = "[::ffff:10.1.2.3]:80"
	none := About{Image: a.Image}
	many := a
	many.Image = ""
	for _, c := range []struct {
		name string
		f    Filter
		a    About
		want bool
	}{
		{"all", Filter{}, a, true},
		{"all of none", Filter{}, none, true},
		{"site", Filter{Site: "shop"}, a, true},
		{"other site", Filter{Site: "shops"}, a, false},
		{"site of none", Filter{Site: "shop"}, none, false},
		{"application", Filter{App: "/cart"}, a, true},
		{"other application", Filter{App: "/"}, a, false},
		{"pool", Filter{Pool: "legacy"}, a, true},
		{"other pool", Filter{Pool: "new"}, a, false},
		{"pool of none", Filter{Pool: "new"}, none, true},
		{"image by path", Filter{Image: "/srv/isapi/counter.so"}, a, true},
		{"image by file", Filter{Image: "counter.so"}, a, true},
		{"image by name", Filter{Image: "counter"}, a, true},
		{"other image", Filter{Image: "count"}, a, false},
		{"image of many", Filter{Image: "other.so"}, many, true},
		{"request", Filter{Request: 7}, a, true},
		{"other request", Filter{Request: 8}, a, false},
		{"request of none", Filter{Request: 8}, none, false},
		{"client", Filter{Client: "10.1.2.3"}, a, true},
		{"client in IPv6's clothes", Filter{Client: "10.1.2.3"}, mapped, true},
		{"network", Filter{Client: "10.0.0.0/8"}, a, true},
		{"network with bits below", Filter{Client: "10.9.9.9/8"}, a, true},
		{"mapped network", Filter{Client: "::ffff:10.0.0.0/104"}, a, true},
		{"other network", Filter{Client: "11.0.0.0/8"}, a, false},
		{"v6", Filter{Client: "2001:db8::/32"}, v6, true},
		{"v6 alone", Filter{Client: "2001:db8::1"}, v6, true},
		{"other v6", Filter{Client: "2001:db9::/32"}, v6, false},
		{"client of none", Filter{Client: "0.0.0.0/0"}, none, false},
		{"url", Filter{URL: "/cart/app.dll/x"}, a, true},
		{"url with stars", Filter{URL: "/c*t/*.dll/*"}, a, true},
		{"url begun", Filter{URL: "/cart"}, a, false},
		{"all urls", Filter{URL: "*"}, a, true},
		{"all at once", Filter{Site: "shop", App: "/cart", Pool: "legacy", Image: "counter", Client: "10.0.0.0/8", URL: "/cart/*", Request: 7, Sample: 1}, a, true},
	} {
		got, err := compile(Subscription{Filter: c.f})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got.request(&c.a) != c.want {
			t.Errorf("%s: %v, want %v", c.name, !c.want, c.want)
		}
	}
}

func TestFilterSample(t *testing.T) {
	for _, part := range []float64{0.001, 0.1, 0.5, 0.9} {
		c, err := compile(Subscription{Filter: Filter{Sample: part}})
		if err != nil {
			t.Fatal(err)
		}
		const all = 100_000
		n := 0
		for i := range uint64(all) {
			if c.request(&About{Request: 1<<60 + i}) {
				n++
			}
		}
		if got := float64(n) / all; math.Abs(got-part) > 0.01 {
			t.Errorf("%v of requests, want %v", got, part)
		}
		if !c.request(&About{}) {
			t.Error("what is of no request is never seen")
		}
	}
}

func TestFilterCalls(t *testing.T) {
	image := &Image{Number: 1, Path: "/srv/counter.so", Pool: "legacy"}
	for _, c := range []struct {
		names []string
		f     Func
		code  uint32
		want  bool
	}{
		{nil, WriteClient, 0, true},
		{[]string{"WriteClient"}, WriteClient, 0, true},
		{[]string{"writeclient"}, FilterWriteClient, 0, true},
		{[]string{"WriteClient"}, ReadClient, 0, false},
		{[]string{"ReadClient", "GetHeader"}, FilterGetHeader, 0, true},
		{[]string{"HSE_REQ_SEND_URL"}, ServerSupportFunction, uint32(isapi.SendURL), true},
		{[]string{"send_url"}, ServerSupportFunction, uint32(isapi.SendURL), true},
		{[]string{"append_log_parameter"}, ServerSupportFunction, uint32(isapi.AppendLogParameter), true},
		{[]string{"HSE_REQ_SEND_URL"}, ServerSupportFunction, uint32(isapi.SendURLEx), false},
		{[]string{"ServerSupportFunction"}, ServerSupportFunction, 99999, true},
		{[]string{"SEND_RESPONSE_HEADER"}, FilterServerSupportFunction, uint32(isapi.SFSendResponseHeader), true},
		{[]string{"SEND_RESPONSE_HEADER"}, ServerSupportFunction, uint32(isapi.SendResponseHeader), true},
		{[]string{"SF_NOTIFY_LOG"}, HttpFilterProc, isapi.NotifyLog, true},
		{[]string{"log"}, HttpFilterProc, isapi.NotifyLog, true},
		{[]string{"log"}, HttpFilterProc, isapi.NotifySendResponse, false},
		{[]string{"HttpFilterProc"}, HttpFilterProc, isapi.NotifySendResponse, true},
		{[]string{"HSE_IO_COMPLETION"}, Completion, 0, true},
	} {
		got, err := compile(Subscription{Filter: Filter{Calls: c.names}})
		if err != nil {
			t.Errorf("%q: %v", c.names, err)
		} else if got.call(image, c.f, c.code) != c.want {
			t.Errorf("%q of %s: %v, want %v", c.names, Name(c.f, c.code), !c.want, c.want)
		}
	}
	for _, c := range []struct {
		f    Filter
		want bool
	}{{Filter{Image: "counter"}, true}, {Filter{Image: "other"}, false}, {Filter{Pool: "legacy"}, true}, {Filter{Pool: "other"}, false}} {
		got, _ := compile(Subscription{Filter: c.f})
		if got.call(image, WriteClient, 0) != c.want {
			t.Errorf("%+v: %v", c.f, !c.want)
		}
	}
}

func TestFilterCheck(t *testing.T) {
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{Client: "10.0.0"}, `"10.0.0" is no address and no network`},
		{Filter{Client: "10.0.0.0/33"}, "no network"},
		{Filter{Calls: []string{"WriteClient", "Write\x1b[2J"}}, `there is no call "Write\x1b[2J"`},
		{Filter{Sample: 1.5}, "from 0 to 1"},
		{Filter{Sample: -1}, "from 0 to 1"},
		{Filter{Sample: math.NaN()}, "from 0 to 1"},
		{Filter{Body: -1}, "-1 bytes"},
		{Filter{Body: MostBody + 1}, "16385 bytes of each body cannot be shown: from 0 to 16384"},
		{Filter{Slower: -time.Second}, "slower than -1s"},
	} {
		if err := c.f.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.f, err, c.want)
		}
	}
	if err := (&Filter{Calls: []string{"send_url", "WriteClient"}, Body: MostBody}).Check(); err != nil {
		t.Error(err)
	}
}

// TestCallNames: every call there is can be asked for by its name.
func TestCallNames(t *testing.T) {
	want := func(name string, f Func, code uint32) {
		t.Helper()
		if list := callsNamed(name); !slices.Contains(list, FuncCode{f, code}) {
			t.Errorf("%q: %v, want %v", name, list, FuncCode{f, code})
		}
	}
	for f := range funcNames {
		want(f.String(), f, anyCode)
	}
	for _, c := range isapi.Codes() {
		want(Name(ServerSupportFunction, uint32(c)), ServerSupportFunction, uint32(c))
	}
	for _, c := range isapi.SFReqs() {
		want(Name(FilterServerSupportFunction, uint32(c)), FilterServerSupportFunction, uint32(c))
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*", "abc", true}, {"*c", "abc", true}, {"a*c", "abc", true},
		{"a*b*c", "axxbxxc", true}, {"a*b*c", "axxbxx", false}, {"**", "x", true}, {"a**", "a", true}, {"*ab", "aab", true}, {"*ab*", "xaabx", true},
		{"abc", "abcd", false}, {"*aaaaaaaaaaaaab", strings.Repeat("a", 5000), false},
	} {
		if got := glob(c.pattern, c.s); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, isapi.Clip(c.s), got)
		}
	}
}
