package extension_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/testext"
)

// FuzzRequest sends requests of random bytes to a real server; the fixture selfcheck looks at all it is handed and answers
// what is wrong with it.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a%20b?x=1&y", "X-Fuzz: 1", []byte(nil))
	f.Add("POST", "/", "Content-Type: text/plain\r\nCookie: a=b", []byte("body"))
	f.Add("PUT", "*", "Transfer-Encoding: chunked", []byte("3\r\nabc\r\n0\r\n\r\n"))
	f.Add("HEAD", "http://other/%00%ff//..?%", "Content-Length: 5\r\nExpect: 100-continue", []byte("12345"))
	f.Add("M\tX", "/?UNICODE_URL", "X_Fuzz : \x01\xff\r\n folded", []byte(strings.Repeat("b", 60000)))
	ex, err := extension.Open(testext.Fixture(f, "selfcheck"), executor.Options{ReadAhead: 1024, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := ex.Close(context.Background()); err != nil {
			f.Error(err)
		}
	})
	addr := serveFuzz(f, ex)
	if answer := exchange(f, addr, "GET", "/", "", nil); !strings.HasSuffix(answer, "\r\n\r\nok") {
		f.Fatalf("a plain request got %q, want ok", answer)
	}
	f.Fuzz(func(t *testing.T, method, target, header string, body []byte) {
		answer := exchange(t, addr, method, target, header, body)
		if strings.Contains(answer, "bad:") {
			t.Errorf("the extension was handed what it should not: %s", answer)
		}
		if n := ex.Faults(); n > 0 {
			t.Fatalf("%d faults, answer %q", n, answer)
		}
	})
}

// exchange sends one request and answers all that comes back.
func exchange(t testing.TB, addr, method, target, header string, body []byte) string {
	d := net.Dialer{}
	if runtime.GOOS == "linux" { // all of 127.0.0.0/8 is here: the ports of one address do not last for a minute of fuzzing
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, byte(rand.N(256)), byte(rand.N(256)), 1)}
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	if len(body) == 0 || strings.Contains(strings.ToLower(header), "transfer-encoding") || strings.Contains(strings.ToLower(header), "content-length") {
		length = ""
	}
	if header != "" {
		header += "\r\n"
	}
	_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: fuzz\r\nConnection: close\r\n%s%s\r\n%s", method, target, length, header, body) // the server may hang up first
	_ = c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		t.Errorf("no end of the answer: %q", answer)
	}
	return string(answer)
}

// serveFuzz serves ex until f ends.
func serveFuzz(f *testing.F, ex *extension.Extension) (addr string) {
	site := server.Site{Name: "fuzz", Bindings: []server.Binding{{Addr: "127.0.0.1:0"}}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ex.Execute(w, r, &executor.Target{ScriptName: "/app.dll", PathInfo: r.URL.Path, PathTranslated: "/srv" + r.URL.Path, Host: plainHost{}})
	})}
	s, err := server.New([]server.Site{site}, server.Limits{}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		f.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve() }() // always server.ErrClosed, checked where it can be another
	f.Cleanup(func() {
		_ = s.Shutdown(context.Background())
		<-served
	})
	return s.Addrs()[0].String()
}

// plainHost is a server that maps nothing and has bare error pages.
type plainHost struct{}

func (plainHost) Map(string) (executor.Mapping, error) {
	return executor.Mapping{}, errors.New("no files")
}

func (plainHost) Exec(w http.ResponseWriter, _ *http.Request, _ bool) {
	w.WriteHeader(http.StatusNotFound)
}

func (plainHost) Error(w http.ResponseWriter, _ *http.Request, status, _ int) { w.WriteHeader(status) }
