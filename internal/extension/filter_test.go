package extension_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/testext"
)

// living is an image of the fixture filter_life, and the folder of its copies.
type living struct {
	t       *testing.T
	image   string
	staging string
}

func newLiving(t *testing.T, say string, flags ...string) *living {
	t.Helper()
	dir := t.TempDir()
	l := &living{t: t, image: filepath.Join(dir, "life.so"), staging: dir}
	library, err := os.ReadFile(testext.Fixture(t, "filter_life", flags...))
	if err != nil {
		t.Fatal(err)
	}
	l.write("life.so", string(library))
	l.write("life", "")
	l.write("say", say)
	return l
}

func (l *living) write(name, content string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(l.image), name), []byte(content), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// life is what the image has told, without its threads; threads are on how many it did.
func (l *living) life() (events string, threads int) {
	l.t.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(l.image), "life"))
	if err != nil {
		l.t.Fatal(err)
	}
	var list []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		what, thread, _ := strings.Cut(strings.TrimSpace(line), " ")
		list = append(list, what)
		seen[thread] = true
	}
	return strings.Join(list, " "), len(seen)
}

func (l *living) happens(event string) {
	l.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		events, _ := l.life()
		if strings.Contains(" "+events+" ", " "+event+" ") {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("waited 30 s in vain for %s: %s", event, events)
		}
	}
}

// open opens the image as a filter, and notes the faults that are told of.
func (l *living) open(o executor.Options) (*extension.Extension, *atomic.Int32) {
	l.t.Helper()
	var faults atomic.Int32
	o.Filter, o.Logger = true, slog.New(slog.DiscardHandler)
	o.Faulted = func(error) { faults.Add(1) }
	e, err := extension.Open(l.image, o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		l.write("go", "x")
		_ = e.Close(context.Background())
	})
	return e, &faults
}

// route is a server around an image that is filter and extension.
type route struct {
	plainHost
	e *extension.Extension
}

func (h route) Route(*http.Request) *executor.Route {
	return &executor.Route{App: &executor.App{}, Target: &executor.Target{ScriptName: "/life.so", Host: h}}
}

func (route) Logon(*http.Request, *executor.Route, string, string) (*executor.User, bool) {
	return nil, false
}

func (h route) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	return h.e.Execute(w, r, rt.Target)
}

// TestTwoImagesWithOneThread: each has one thread, and each is a filter of the other's requests, which they are inside at a time.
func TestTwoImagesWithOneThread(t *testing.T) {
	const each = 30
	var images []*extension.Extension
	var chain []filter.Member
	for range 2 {
		l := newLiving(t, "")
		e, _ := l.open(executor.Options{Threads: 1})
		images, chain = append(images, e), append(chain, filter.Member{Filter: e.Filter()})
	}
	var clients sync.WaitGroup
	for _, e := range images {
		for range 2 {
			clients.Go(func() {
				c := filter.NewConnection(false)
				defer c.End()
				for range each {
					w := httptest.NewRecorder()
					filter.Serve(w, httptest.NewRequest("GET", "/life.so", nil), c, chain, route{e: e}, nil, slog.New(slog.DiscardHandler))
					if w.Code != 200 {
						t.Errorf("status %d", w.Code)
					}
				}
			})
		}
	}
	clients.Wait()
}

// get takes a request on a connection through the filter half, and answers its status.
func get(e *extension.Extension, c *filter.Connection, query string) int {
	w := httptest.NewRecorder()
	if !e.Enter() {
		return 0
	}
	defer e.Leave()
	log := slog.New(slog.DiscardHandler)
	filter.Serve(w, httptest.NewRequest("GET", "/life.so?"+query, nil), c, []filter.Member{{Filter: e.Filter()}}, route{e: e}, nil, log)
	return w.Code
}

// modes are the ways an image gets its threads.
var modes = []struct {
	name    string
	options executor.Options
	flags   []string
	one     bool // thread for all
}{
	{"shared threads", executor.Options{}, nil, false},
	{"one thread", executor.Options{Threads: 1}, nil, true},
	{"threads of its own", executor.Options{Threads: 3, Stack: 1 << 20}, nil, false},
	{"DllMain", executor.Options{Threads: 1}, []string{"-DDLLMAIN"}, runtime.GOOS != "windows"}, // where the loader calls it, on its own
}

// TestHalves: the filter comes before the extension and goes before it; connections that are open at the end are ended first.
func TestHalves(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			l := newLiving(t, "", m.flags...)
			e, faults := l.open(m.options)
			if got := e.Description(); got != "life of an image" || e.Filter().Description() != "life of a filter" {
				t.Errorf("descriptions %q and %q", got, e.Filter().Description())
			}
			open, ended := filter.NewConnection(false), filter.NewConnection(false)
			for _, c := range []*filter.Connection{ended, open} {
				if status := get(e, c, ""); status != 200 {
					t.Errorf("status %d", status)
				}
			}
			ended.End()
			if err := e.Close(t.Context()); err != nil {
				t.Error(err)
			}
			open.End()
			want := "GetFilterVersion GetExtensionVersion PREPROC_HEADERS request SEND_RESPONSE answered PREPROC_HEADERS request SEND_RESPONSE answered " +
				"END_OF_NET_SESSION END_OF_NET_SESSION TerminateFilter TerminateExtension"
			if m.flags != nil {
				want = "process-attach " + want + " process-detach"
			}
			events, threads := l.life()
			if events != want {
				t.Errorf("got  %s\nwant %s", events, want)
			}
			if m.one && threads != 1 {
				t.Errorf("it ran on %d threads, want 1", threads)
			}
			if n := faults.Load(); n != 0 || e.Faults() != 0 {
				t.Errorf("%d faults", n)
			}
		})
	}
}

// TestFilterOnly: an image without an extension half is a filter. A request for it gets a page, and a thread answers.
func TestFilterOnly(t *testing.T) {
	l := newLiving(t, "", "-DFILTER_ONLY")
	var log bytes.Buffer
	e, err := extension.Open(l.image, executor.Options{Filter: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	res, reached := e.Run(w, httptest.NewRequest("GET", "/life.so", nil), &executor.Target{})
	if w.Code != 500 || res.Status != 500 || reached || !strings.Contains(log.String(), "the image is a filter only") {
		t.Errorf("answered %d, %+v, reached %v, log %s", w.Code, res, reached, log.String())
	}
	if got := e.Description(); got != "life of a filter" {
		t.Errorf("description %q", got)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got, _ := l.life(); got != "GetFilterVersion TerminateFilter" {
		t.Errorf("its life: %s", got)
	}
}

// TestNotAsked: without Options.Filter the filter half sleeps.
func TestNotAsked(t *testing.T) {
	l := newLiving(t, "")
	e, err := extension.Open(l.image, quiet(executor.Version{}))
	if err != nil {
		t.Fatal(err)
	}
	if e.Filter() != nil {
		t.Error("it has a filter")
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got, _ := l.life(); got != "GetExtensionVersion TerminateExtension" {
		t.Errorf("its life: %s", got)
	}
}

// segv is what a write to a bad address is called here.
var segv = executortest.Images{}.Said("SIGSEGV")

// TestRefusedHalves: an image that lacks an export, or one of whose halves says no, is not loaded. What had begun is ended.
func TestRefusedHalves(t *testing.T) {
	for _, c := range []struct {
		name, say string
		flags     []string
		asFilter  bool
		want      string // in the error
		life      string
	}{
		{"a filter as an extension", "", []string{"-DFILTER_ONLY"}, false, "it is a filter: list it under filters", ""},
		{"no GetFilterVersion", "", []string{"-DNOVERSION"}, true, "it does not export GetFilterVersion, which every filter must", ""},
		{"no HttpFilterProc", "", []string{"-DNOFILTERPROC"}, true, "it does not export HttpFilterProc, which every filter must", ""},
		{"neither", "", []string{"-DNOFILTERPROC", "-DNOVERSION"}, true, "it does not export GetFilterVersion and HttpFilterProc, which every filter must", ""},
		{"FALSE", "filter-false", nil, true, "GetFilterVersion returned FALSE", "GetFilterVersion"},
		{"no event", "filter-nothing", nil, true, "asks for no event", "GetFilterVersion"},
		{"crash", "filter-crashes", nil, true, "GetFilterVersion: " + segv, "GetFilterVersion"},
		{"extension says FALSE", "version-false", nil, true, "GetExtensionVersion returned FALSE", "GetFilterVersion GetExtensionVersion TerminateFilter"},
		{"extension says FALSE, with DllMain", "version-false", []string{"-DDLLMAIN"}, true, "GetExtensionVersion returned FALSE",
			"process-attach GetFilterVersion GetExtensionVersion TerminateFilter process-detach"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLiving(t, c.say, c.flags...)
			o := quiet(executor.Version{})
			o.Filter = c.asFilter
			e, err := extension.Open(l.image, o)
			if err == nil {
				_ = e.Close(context.Background())
				t.Fatal("it was loaded")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want %q in it", err, c.want)
			}
			if got, _ := l.life(); got != c.life {
				t.Errorf("its life: %s; want %s", got, c.life)
			}
		})
	}
}

// TestFaultsOfTheFilter: faults at its end are counted and do not keep anything from ending.
func TestFaultsOfTheFilter(t *testing.T) {
	for _, say := range []string{"filter-end-crashes", "session-crashes"} {
		for _, m := range modes {
			t.Run(say+", "+m.name, func(t *testing.T) {
				l := newLiving(t, say, m.flags...)
				e, faults := l.open(m.options)
				c := filter.NewConnection(false)
				get(e, c, "")
				err := e.Close(t.Context())
				if say == "filter-end-crashes" && (err == nil || !strings.Contains(err.Error(), "TerminateFilter: "+segv)) {
					t.Errorf("close: %v", err)
				}
				if n := faults.Load(); n != 1 || e.Faults() != 1 {
					t.Errorf("%d faults were told of, %d counted; want 1", n, e.Faults())
				}
				c.End()
				if got, _ := l.life(); !strings.Contains(got, "END_OF_NET_SESSION TerminateFilter TerminateExtension") {
					t.Errorf("its life: %s", got)
				}
			})
		}
	}
}

// TestRefusingFilter: after a fault of the filter half an image whose policy is to refuse takes no more requests.
func TestRefusingFilter(t *testing.T) {
	l := newLiving(t, "")
	e, _ := l.open(executor.Options{OnFault: executor.FaultRefuse})
	c := filter.NewConnection(false)
	defer c.End()
	if status := get(e, c, "crash"); status != 500 {
		t.Errorf("the request with the fault: %d, want 500", status)
	}
	if e.Enter() {
		t.Error("another request came in")
		e.Leave()
	}
}

// TestCloseWaitsForTheFilter: a request that goes through the filter half keeps the image loaded; another does not come in any more.
func TestCloseWaitsForTheFilter(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			l := newLiving(t, "", m.flags...)
			l.write("go", "")
			e, _ := l.open(m.options)
			c := filter.NewConnection(false)
			status := make(chan int, 1)
			go func() { status <- get(e, c, "stay") }()
			l.happens("stays")
			over, cancel := context.WithCancel(t.Context())
			cancel()
			if err := e.Close(over); err == nil || !strings.Contains(err.Error(), "1 requests are still inside it") {
				t.Errorf("close with a request inside: %v", err)
			}
			if e.Enter() {
				t.Error("a request came in after the close began")
				e.Leave()
			}
			l.write("go", "x")
			// Its extension half is closed already, so it ends with a page.
			if got := <-status; got != 503 {
				t.Errorf("the request that was inside: %d, want 503", got)
			}
			ended := make(chan struct{})
			go func() { defer close(ended); c.End() }() // at the same time
			if err := e.Close(t.Context()); err != nil {
				t.Error(err)
			}
			<-ended
			events, _ := l.life()
			if strings.Count(events, "END_OF_NET_SESSION") != 1 || !strings.Contains(events, "END_OF_NET_SESSION TerminateFilter TerminateExtension") {
				t.Errorf("its life: %s", events)
			}
		})
	}
}
