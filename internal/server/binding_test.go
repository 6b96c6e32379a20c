package server

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

func TestHosts(t *testing.T) {
	named := func(name string, hosts ...string) Site {
		s := site(name, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(name)) })
		s.Bindings = nil
		for _, h := range hosts {
			s.Bindings = append(s.Bindings, Binding{Addr: "127.0.0.1:0", Host: h})
		}
		return s
	}
	table := func(s *Server, hosts map[string]string) {
		t.Helper()
		for host, want := range hosts {
			status, got := ask(t, s.Addrs()[0].String(), get("/", host))
			if want == "" && (status != http.StatusNotFound || !strings.HasPrefix(got, "no site here")) {
				t.Errorf("host %q: got %d %q, want no site", host, status, got)
			}
			if want != "" && got != want {
				t.Errorf("host %q: got %q, want %q", host, got, want)
			}
		}
	}
	s := start(t, Limits{}, named("a", "A.example", "b.test"), named("w", "*.example"), named("ww", "*.sub.example"))
	if n := len(s.Addrs()); n != 1 {
		t.Errorf("addresses: got %d, want one that all share", n)
	}
	table(s, map[string]string{
		"a.example": "a", "A.EXAMPLE": "a", "a.example.": "a", "a.example:8080": "a", "b.test": "a",
		"x.example": "w", "x.y.example": "w", "x.sub.example": "ww", "sub.example": "w",
		"example": "", "c.test": "", "*.example": "w", "[::1]": "", "": "",
	})
	table(start(t, Limits{}, named("all", ""), named("a", "a.example")), map[string]string{
		"a.example": "a", "b": "all", "": "all", "[::1]:80": "all", "1.2.3.4": "all",
	})
	table(start(t, Limits{}, named("only", "")), map[string]string{"any": "only", "": "only"})
}

func TestNewErrors(t *testing.T) {
	ok := http.HandlerFunc(hello)
	tests := []struct {
		name  string
		sites []Site
		want  []string
	}{
		{"no sites", nil, []string{"no site has a binding"}},
		{"no bindings", []Site{{Name: "a", Handler: ok}}, []string{`"a"`, "no bindings"}},
		{"no handler", []Site{{Name: "a", Bindings: []Binding{{Addr: ":80"}}}}, []string{`"a"`, "no handler"}},
		{"no port", []Site{site("a", ok, Binding{Addr: "localhost"})}, []string{`"localhost"`, "host:port"}},
		{"bad port", []Site{site("a", ok, Binding{Addr: ":99999"})}, []string{`"99999"`, "65535"}},
		{"bad star", []Site{site("a", ok, Binding{Addr: ":80", Host: "a*.b"})}, []string{`"a*.b"`, "star"}},
		{"host twice", []Site{site("a", ok, Binding{Addr: ":80", Host: "h"}), site("b", ok, Binding{Addr: "*:80", Host: "H."})}, []string{`site "b"`, `site "a"`, `"H."`}},
		{"certificate without https", []Site{site("a", ok, Binding{Addr: ":80", CertFile: "x"})}, []string{"not https"}},
		{"https without certificate", []Site{site("a", ok, Binding{Addr: ":443", TLS: true})}, []string{"certificate file"}},
		{"unreadable", []Site{site("a", ok, Binding{Addr: ":443", TLS: true, CertFile: "/no/cert", KeyFile: "/no/key"})}, []string{"/no/cert", syscall.ENOENT.Error()}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.sites, Limits{}, nil)
			contains(t, err, test.want...)
		})
	}
}

// All addresses or none.
func TestListenInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s, err := New([]Site{site("a", hello, Binding{Addr: "127.0.0.1:0"}, Binding{Addr: taken.Addr().String()})}, Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, s.Listen(), taken.Addr().String(), "in use")
	if got := s.Addrs(); len(got) != 0 {
		t.Errorf("after a failed Listen: got addresses %v, want none", got)
	}
	contains(t, s.Serve(), "not listening")
	taken.Close()
	if err := s.Listen(); err != nil {
		t.Errorf("second try: %v", err)
	}
	if got := len(s.Addrs()); got != 2 {
		t.Errorf("addresses: got %d, want 2", got)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", taken.Addr().String()); err == nil {
		t.Error("after Shutdown without Serve: still listening")
	}
}
