package mix

import (
	"crypto/x509"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answer is what the extension answers, in parts that a bad server changes.
type answer struct {
	status       int
	version      int // of the header
	line         string
	pad          string
	length       int // that is said; -1: none
	dropped      bool
	left, waited bool // the answer breaks off; never comes
}

// good is the extension in Go.
func good(r *http.Request, version int) *answer {
	h := fnv.New64a()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	size, _ := strconv.Atoi(r.FormValue("size"))
	a := &answer{status: 200, version: version, line: fmt.Sprintf("swapver %d length=%d fnv=%016x\n", version, n, h.Sum64()), pad: string(letters[:size])}
	if a.length = len(a.line) + len(a.pad); r.URL.Query().Has("stream") {
		a.length = -1
	}
	return a
}

func (a *answer) send(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.dropped:
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
			return
		}
		panic(http.ErrAbortHandler) // HTTP/2 has a stream to reset
	case a.waited:
		<-r.Context().Done()
		return
	}
	if a.version != 0 {
		w.Header().Set("X-Version", strconv.Itoa(a.version))
	}
	if a.length >= 0 {
		w.Header().Set("Content-Length", strconv.Itoa(a.length))
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.line[:10]) // the client is gone: it counts that
	if a.length < 0 || a.left {
		_ = http.NewResponseController(w).Flush() // likewise
	}
	if a.left {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, a.line[10:]+a.pad) // likewise
}

// serve answers as change makes it, plain and with TLS. change is given the number of the request, from 1.
func serve(t *testing.T, change func(n int64, r *http.Request, a *answer)) Config {
	t.Helper()
	var requests atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		a := good(r, 1)
		change(n, r, a)
		a.send(w, r)
	})
	plain, secure := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	return Config{Plain: plain.URL + "/x", TLS: secure.URL + "/x", Roots: roots, Version: 1}
}

func run(t *testing.T, cfg Config) *Result {
	t.Helper()
	m, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m.Wait()
}

// expect compares the three counts and looks for text in the problems.
func expect(t *testing.T, r *Result, failed, reset, stale int64, text string) {
	t.Helper()
	if r.Failed != failed || r.Reset != reset || r.Stale != stale {
		t.Errorf("got %s\nwant %d failed, %d reset, %d stale", r, failed, reset, stale)
	}
	if !strings.Contains(r.String(), text) {
		t.Errorf("%s\ndoes not say %q", r, text)
	}
}

func TestGoodServer(t *testing.T) {
	cfg := serve(t, func(int64, *http.Request, *answer) {})
	cfg.Requests = 1000
	r := run(t, cfg)
	if got := r.String(); got != "1,000 requests, 0 failed, 0 reset, 0 stale" || r.Decided != 1000 || r.Bad() != 0 {
		t.Errorf("got %s, %d decided", got, r.Decided)
	}
	if len(r.Kinds) != len(operations)*len(connections) {
		t.Errorf("not every kind was asked:\n%s", r.Details())
	}
	sum := int64(0)
	for _, n := range r.Kinds {
		sum += n
	}
	if v := r.Versions[1]; sum != 1000 || v.Requests != 1000 || !v.First.Before(v.Last) || len(r.Versions) != 1 {
		t.Errorf("kinds and versions do not add up:\n%s", r.Details())
	}
}

// Each server is bad once, on each kind of connection; the mix must see exactly that.
func TestBadServers(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		bad                  func(*answer)
		failed, reset, stale int64
		text                 string
	}{
		{"connection dropped", func(a *answer) { a.dropped = true }, 0, 1, 0, ""},
		{"answer breaks off", func(a *answer) { a.left = true }, 0, 1, 0, ""},
		{"500", func(a *answer) { a.status = 500 }, 1, 0, 0, "500 Internal Server Error"},
		{"503", func(a *answer) { a.status = 503 }, 1, 0, 0, "503 Service Unavailable"},
		{"404", func(a *answer) { a.status = 404 }, 1, 0, 0, "404 Not Found"},
		{"no version", func(a *answer) { a.version = 0 }, 1, 0, 0, `X-Version ""`},
		{"two versions", func(a *answer) { a.version = 2 }, 1, 0, 0, "begins with"},
		{"another body", func(a *answer) { a.line = strings.Replace(a.line, "fnv=", "fnv=0", 1)[:len(a.line)-1] + "\n" }, 1, 0, 0, "begins with"},
		{"length of another body", func(a *answer) { a.line = strings.Replace(a.line, "length=", "length=1", 1); a.length = -1 }, 1, 0, 0, "begins with"},
		{"other letters", func(a *answer) { a.pad += "!"; a.length = -1 }, 1, 0, 0, "not the letters"},
		{"endless", func(a *answer) { a.pad += strings.Repeat("z", 1<<20); a.length = -1 }, 1, 0, 0, "not the letters"},
		{"another version", func(a *answer) { a.version, a.line = 2, strings.Replace(a.line, "swapver 1", "swapver 2", 1) }, 0, 0, 1, "answered by version 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range connections {
				cfg := serve(t, func(n int64, _ *http.Request, a *answer) {
					if n == 9 { // on a connection that has been used, if it is kept
						tt.bad(a)
					}
				})
				if cfg.Clients = 1; c.tls {
					cfg.Plain = ""
				} else {
					cfg.TLS = ""
				}
				cfg.Requests = 60
				var told atomic.Pointer[Problem]
				cfg.Bad = func(p Problem) { told.Store(&p) }
				r := run(t, cfg)
				expect(t, r, tt.failed, tt.reset, tt.stale, tt.text)
				if p := told.Load(); p == nil || p.Reset != (tt.reset > 0) {
					t.Errorf("told of the problem %+v", p)
				}
				if r.Requests != 60 || len(r.Problems) != 1 || r.Problems[0].Ended.Before(r.Problems[0].Began) {
					t.Errorf("got %s with the problems %+v", r, r.Problems)
				}
			}
		})
	}
}

// A GET on a connection that is closed without an answer is what net/http would repeat, and nobody would know.
func TestNothingIsRepeated(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		seen := atomic.Int64{}
		cfg := serve(t, func(_ int64, r *http.Request, a *answer) {
			if r.Method == method {
				a.dropped = seen.Add(1)%2 == 0
			}
		})
		cfg.Requests = 200
		r := run(t, cfg)
		if r.Reset != seen.Load()/2 || r.Failed+r.Stale != 0 {
			t.Errorf("%s: got %s\nwant %d reset", method, r, seen.Load()/2)
		}
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String() + "/"
	l.Close()
	expect(t, run(t, Config{Plain: url, Requests: 20}), 0, 20, 0, "refused")
}

func TestNoAnswer(t *testing.T) {
	cfg := serve(t, func(n int64, _ *http.Request, a *answer) { a.waited = n == 3 })
	cfg.Requests, cfg.Limit = 50, 2*time.Second
	r := run(t, cfg)
	expect(t, r, 1, 0, 0, "no answer within 2s")
	if r.Longest < cfg.Limit {
		t.Errorf("the longest took %v", r.Longest)
	}
}

func TestCertificateIsChecked(t *testing.T) {
	cfg := serve(t, func(int64, *http.Request, *answer) {})
	cfg.Plain, cfg.Roots, cfg.Requests = "", nil, 10
	expect(t, run(t, cfg), 0, 10, 0, "certificate")
}

func TestNoURL(t *testing.T) {
	if _, err := Start(t.Context(), Config{}); err == nil {
		t.Error("a mix without a URL began")
	}
}

// The server changes its version for real, between what is said of it; then once it lies.
func TestSwaps(t *testing.T) {
	var version, lie atomic.Int64
	version.Store(1)
	cfg := serve(t, func(_ int64, _ *http.Request, a *answer) {
		v := int(version.Load())
		if lie.CompareAndSwap(1, 0) {
			v = 3 - v
		}
		a.version, a.line = v, strings.Replace(a.line, "swapver 1", fmt.Sprintf("swapver %d", v), 1)
	})
	m, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	grow := func(n int64) {
		for want := m.Requests() + n; m.Requests() < want && t.Context().Err() == nil; {
			time.Sleep(time.Millisecond)
		}
	}
	for i := range 100 {
		next := 2 - i%2
		m.Swapping(next)
		if grow(5); i%10 == 9 { // this one is not taken
			m.Committed(3 - next)
			m.Swapping(next)
		}
		version.Store(int64(next))
		grow(5)
		m.Committed(next)
		grow(50)
		if i == 50 {
			lie.Store(1)
			grow(50)
		}
	}
	r := m.Stop()
	expect(t, r, 0, 0, 1, "answered by version 1, which was not to answer then")
	if r.Decided < r.Requests/3 || r.Decided > r.Requests-100 || len(r.Versions) != 2 {
		t.Errorf("%d of %d decided, versions %v", r.Decided, r.Requests, r.Versions)
	}
}

func TestTimeline(t *testing.T) {
	var l timeline
	l.only(1) // span 0
	l.also(2) // 1
	l.only(2) // 2
	l.also(1) // 3
	l.only(2) // 4: not taken
	l.also(3) // 5
	for _, tt := range []struct {
		from, version int
		may, decided  bool
	}{
		{0, 1, true, false}, {0, 2, true, false}, {0, 4, false, false}, {2, 1, true, false},
		{4, 1, false, false}, {4, 2, true, false}, {4, 3, true, false}, {5, 3, true, false}, {5, 1, false, false},
	} {
		if may, decided := l.since(tt.from, tt.version); may != tt.may || decided != tt.decided {
			t.Errorf("since %d version %d: %v %v, want %v %v", tt.from, tt.version, may, decided, tt.may, tt.decided)
		}
	}
	l.only(3)
	for version, want := range map[int]bool{1: false, 2: false, 3: true} {
		if may, decided := l.since(l.now(), version); may != want || !decided {
			t.Errorf("now version %d: %v %v", version, may, decided)
		}
	}
}

func TestResultInWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1_000_000: "1,000,000", 12_345_678: "12,345,678"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	r := Result{Requests: 1_000_000, Failed: 1, Problems: []Problem{{Kind: "GET, TLS", Began: at, Ended: at.Add(time.Second), What: "nothing"}}}
	if got, want := r.String(), "1,000,000 requests, 1 failed, 0 reset, 0 stale\n03:04:05.006 to 03:04:06.006, GET, TLS: nothing"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
