//go:build linux && cgo

package extension_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
)

// findings collects what it is told.
type findings struct {
	mu  sync.Mutex
	all []executor.Finding
}

func (f *findings) found(x executor.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, x)
}

func (f *findings) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all) > 0
}

// take answers what there is so far, and forgets it.
func (f *findings) take() (all []executor.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, f.all = f.all, nil
	return all
}

// misuser is a server with the fixture misuse_calls behind it.
type misuser struct {
	*testing.T
	findings
	srv  *httptest.Server
	over chan struct{} // a request has ended for the server
	last uint64        // the ID of the last request
}

func newMisuser(t *testing.T, o executor.Options) *misuser {
	t.Helper()
	w := &misuser{T: t, over: make(chan struct{}, 1)}
	o.Logger, o.Found, o.Pending, o.ReadAhead = slog.New(slog.DiscardHandler), w.found, 50*time.Millisecond, -1
	e, err := extension.Open(testext.Fixture(t, "misuse_calls"), o)
	if err != nil {
		t.Fatal(err)
	}
	app := &executor.App{SiteID: 1, Path: "/"}
	w.srv = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() { w.over <- struct{}{} }()
		w.last++
		trail := &executor.Trail{}
		trail.Reset(w.last, time.Now())
		e.Execute(rw, r, &executor.Target{ScriptName: r.URL.Path, App: app, Trail: trail})
	}))
	t.Cleanup(func() {
		w.srv.Close()
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// release ends the body of a request: at once, or when something was found, for which it waits 10 s.
func (w *misuser) release(hold io.Closer, atOnce bool) {
	for end := time.Now().Add(10 * time.Second); !atOnce && time.Now().Before(end) && !w.any(); time.Sleep(time.Millisecond) {
	}
	_ = hold.Close()
}

// ask runs one request, and answers what was found in it. The body of a POST ends when something was found.
func (w *misuser) ask(t *testing.T, method, query string) []executor.Finding {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		r, hold := io.Pipe()
		body = r
		go w.release(hold, strings.Contains(query, "-ok"))
	}
	r, err := http.NewRequestWithContext(t.Context(), method, w.srv.URL+"/x.dll?"+query, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true // a POST on a connection that the server is about to close would not be sent again, and nobody would answer
	client := *w.srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if res, err := client.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	<-w.over
	return w.take()
}

const ssf = "HSE_REQ_"

var images atomic.Uint64

func TestMisuse(t *testing.T) {
	for _, own := range []bool{false, true} {
		o := executor.Options{Checks: executor.ChecksOn, ImageID: images.Add(1)}
		name := "server's threads"
		if own {
			name, o.Threads, o.Stack = "own threads", 2, 1<<20
		}
		t.Run(name, func(t *testing.T) { testMisuse(newMisuser(t, o)) })
	}
}

func testMisuse(w *misuser) {
	for _, c := range []struct {
		method, query string
		kind          executor.FindingKind
		call          string // with a stack that begins with a function of that name:
		from          string
	}{
		{"GET", "ended", executor.UsedAfterEnd, "GetServerVariable", "call_back"},
		{"GET", "ended-thread", executor.UsedAfterEnd, "GetServerVariable", "call_back"},
		{"GET", "unknown", executor.UnknownConnID, "GetServerVariable", "call_back"},
		{"GET", "done-late", executor.DoubleCompletion, ssf + "DONE_WITH_SESSION", "HttpExtensionProc"},
		{"GET", "done-twice", executor.DoubleCompletion, ssf + "DONE_WITH_SESSION", "done"},
		{"GET", "done-and-success", executor.DoubleCompletion, "HttpExtensionProc", ""},
		{"POST", "pending", executor.DoubleCompletion, "HttpExtensionProc", ""},
		{"POST", "two", executor.TwoAsync, ssf + "ASYNC_READ_CLIENT", "reads"},
		{"GET", "never", executor.Unfinished, "HttpExtensionProc", ""},
		{"GET", "size-null", executor.WrongSize, "WriteClient", "write_n"},
		{"GET", "size-negative", executor.WrongSize, "WriteClient", "write_n"},
		{"GET", "pointer", executor.WrongSize, "WriteClient", "write_n"},
		{"GET", "room", executor.WrongSize, "GetServerVariable", "room"},
		{"GET", "header-length", executor.WrongSize, ssf + "SEND_RESPONSE_HEADER_EX", "header_ex"},
		{"GET", "vector", executor.WrongSize, ssf + "VECTOR_SEND", "vector"},
		{"GET", "inject&value=a%0D%0aX-Evil:%201", executor.HeaderInjection, ssf + "SEND_RESPONSE_HEADER", "head"},
		{"GET", "control", executor.HeaderInjection, ssf + "SEND_RESPONSE_HEADER", "head"},
		{"GET", "redirect", executor.HeaderInjection, ssf + "SEND_URL_REDIRECT_RESP", "redirect"},
		{"GET", "less", executor.Unfinished, "HttpExtensionProc", ""},
		{"GET", "more", executor.WrongSize, "HttpExtensionProc", ""},
		{"GET", "nothing", executor.Unfinished, "HttpExtensionProc", ""},
		{"GET", "block", executor.ECBOverwritten, "HttpExtensionProc", ""},
		{"GET", "inject&value=a%0D%0aX-Evil:+1", executor.HeaderInjection, ssf + "SEND_RESPONSE_HEADER", "head"},
	} {
		w.Run(c.query, func(t *testing.T) {
			w.ask(t, "GET", "keep")
			got := w.ask(t, c.method, c.query)
			if len(got) != 1 || got[0].Kind != c.kind || got[0].Call != c.call || !strings.HasSuffix(got[0].Image, "misuse_calls.so") || got[0].At.IsZero() {
				t.Fatalf("found %+v, want one %s in %s", got, c.kind, c.call)
			}
			f := got[0]
			if c.from == "" && len(f.Stack) > 0 || c.from != "" && (len(f.Stack) == 0 || !strings.HasPrefix(f.Stack[0], c.from+"+")) {
				t.Errorf("the stack is %q, want one that begins with %q", f.Stack, c.from)
			}
			if of := w.last; f.Request != of && f.Request != of-1 && c.kind != executor.UnknownConnID {
				t.Errorf("it is of request %d, want %d or the one before", f.Request, of)
			}
			word, rest, _ := strings.Cut(c.query, "&")
			if c.query == "done-late" {
				return
			}
			if got := w.ask(t, c.method, word+"-ok&"+rest); len(got) > 0 {
				t.Errorf("its proper counterpart was found to be wrong: %+v", got)
			}
		})
	}
}

func TestMisuseIsNotLookedFor(t *testing.T) {
	w := newMisuser(t, executor.Options{Checks: executor.ChecksOff})
	for _, query := range []string{"keep", "ended", "done-twice", "less", "block", "size-null"} {
		if got := w.ask(t, "GET", query); len(got) > 0 {
			t.Errorf("%s: found %+v although checks are off", query, got)
		}
	}
}

// TestMisuseSampled: what costs something is looked at once in a hundred requests, everything else always.
func TestMisuseSampled(t *testing.T) {
	w := newMisuser(t, executor.Options{Checks: executor.ChecksSampled})
	for query, want := range map[string]int{"block": 1, "more": 100} {
		n := 0
		for range 100 {
			n += len(w.ask(t, "GET", query))
		}
		if n != want {
			t.Errorf("%s: %d findings in 100 requests, want %d", query, n, want)
		}
	}
}

func TestLeakedThread(t *testing.T) {
	for name, flags := range map[string][]string{"a thread that ends": nil, "a thread that lives on": {"-DLEAKS"}} {
		t.Run(name, func(t *testing.T) {
			var f findings
			e, err := extension.Open(testext.Fixture(t, "misuse_thread", flags...), executor.Options{
				Logger: slog.New(slog.DiscardHandler), Checks: executor.ChecksSampled, Found: f.found, ImageID: images.Add(1),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := f.take()
			if flags == nil && len(got) > 0 {
				t.Errorf("found %+v", got)
			}
			if flags != nil && (len(got) != 1 || got[0].Kind != executor.LeakedThread || len(got[0].Stack) != 1 || !strings.HasPrefix(got[0].Stack[0], "work+0x0")) {
				t.Errorf("found %+v, want the thread that began with work", got)
			}
		})
	}
}

// TestGoThreadsAreNotLeaked: an image built by Go has threads of its own that never end, and stays in memory with them.
func TestGoThreadsAreNotLeaked(t *testing.T) {
	var f findings
	e, err := extension.Open(testext.Example(t, "go-mux"), executor.Options{
		Logger: slog.New(slog.DiscardHandler), Checks: executor.ChecksOn, Found: f.found, ImageID: images.Add(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.take(); len(got) > 0 {
		t.Errorf("found %+v", got)
	}
}
