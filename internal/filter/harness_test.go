//go:build windows || (unix && cgo)

package filter_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/testext"
)

// segv is what a write to a bad address is called in the text of a fault.
var segv = map[bool]string{false: "SIGSEGV", true: "EXCEPTION_ACCESS_VIOLATION"}[runtime.GOOS == "windows"]

// host is a server with a few URLs, as far as filters need one.
type host struct {
	root   string
	realm  string            // of the application; "": none
	users  map[string]string // name: password
	closed bool              // who gives no credentials may not come in
	vouch  bool              // any name may come in that a filter vouches for
	ext    string            // image of the extension that answers; "": something else does

	unmapped bool // no path is mapped on the way
	apps     bool // each folder of the root is an application

	mu     sync.Mutex
	routes int
}

func (h *host) Route(r *http.Request) *executor.Route {
	h.mu.Lock()
	h.routes++
	h.mu.Unlock()
	rt := &executor.Route{App: &executor.App{SiteID: 7, SiteName: "shop", Path: "/"}, Realm: h.realm, Anonymous: !h.closed, Image: h.ext}
	if h.apps {
		folder, _, _ := strings.Cut(r.URL.Path[1:], "/")
		rt.App.Path += folder
	}
	if r.URL.Path != "/nowhere" && !h.unmapped {
		rt.Maps = []executor.URLMap{{What: executor.MapScript, URL: r.URL.Path, Mapping: executor.Mapping{Path: h.root + r.URL.Path, Flags: 1, MatchedPath: len(h.root)}}}
	}
	user, password, ok := r.BasicAuth()
	rt.User, rt.Denied = h.known(user, password, ok)
	if h.ext != "" {
		rt.Target = &executor.Target{ScriptName: r.URL.Path, ScriptTranslated: h.root + r.URL.Path, App: rt.App}
	}
	return rt
}

func (h *host) known(user, password string, given bool) (*executor.User, bool) {
	switch {
	case !given || user == "":
		return nil, h.closed
	case h.users[user] != "" && h.users[user] == password:
		return &executor.User{Name: user, Password: password, Type: "Basic"}, false
	}
	return nil, h.closed
}

func (h *host) Logon(_ *http.Request, _ *executor.Route, user, password string) (*executor.User, bool) {
	if h.vouch && user != "" {
		return &executor.User{Name: user, Password: password, Type: "Basic"}, false
	}
	return h.known(user, password, true)
}

func (h *host) Map(urlPath string) (executor.Mapping, error) {
	return executor.Mapping{Path: h.root + urlPath, MatchedPath: len(h.root)}, nil
}

func (h *host) Exec(w http.ResponseWriter, r *http.Request, _ bool) { h.answer(w, r, h.Route(r)) }

func (h *host) Error(w http.ResponseWriter, _ *http.Request, status, substatus int) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	fmt.Fprintf(w, "page %d.%d", status, substatus)
}

func (h *host) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	if rt.Denied {
		h.Error(w, r, 401, 1)
		return executor.Result{Status: 401, Substatus: 1}
	}
	return h.answer(w, r, rt)
}

// answer answers by the first segment of the path.
func (h *host) answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) (res executor.Result) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch first {
	case "file":
		path := h.root + r.URL.Path
		if len(rt.Maps) > 0 {
			path = rt.Maps[0].Path
		}
		f, err := os.Open(path)
		if err != nil {
			h.Error(w, r, 404, 0)
			return res
		}
		defer f.Close()
		http.ServeContent(w, r, path, time.Time{}, f)
	case "echo":
		body, err := io.ReadAll(r.Body)
		user := "-"
		if rt.User != nil {
			user = rt.User.Name + "/" + rt.User.Unmapped
		}
		fmt.Fprintf(w, "%s %s user=%s body=%s %v", r.Method, r.RequestURI, user, body, err)
		for _, name := range []string{"X-A", "X-B", "Host", "Content-Length"} {
			for _, v := range append(r.Header[name], map[string]string{"Host": r.Host}[name]) {
				if v != "" {
					fmt.Fprintf(w, " %s=%s", name, v)
				}
			}
		}
	case "error":
		status := 500
		fmt.Sscan(rest, &status)
		h.Error(w, r, status, 0)
		res.Status = status
	case "redirect":
		http.Redirect(w, r, "/file/page.txt", http.StatusFound)
	case "empty":
		w.WriteHeader(http.StatusNoContent)
	case "early":
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "after")
	case "stream":
		fmt.Fprint(w, "one")
		if err := http.NewResponseController(w).Flush(); err != nil {
			fmt.Fprint(w, err)
		}
		fmt.Fprint(w, " two")
	case "reason":
		rt.Target.Client.SetReason(404, "Gone Fishing")
		w.WriteHeader(404)
	case "map":
		m, err := rt.Target.Host.Map("/" + rest)
		fmt.Fprintf(w, "%s %v", strings.TrimPrefix(m.Path, h.root), err)
	case "child":
		child := r.Clone(r.Context())
		child.URL.Path = "/" + rest
		rt.Target.Host.Exec(w, child, false)
	case "abort":
		panic(http.ErrAbortHandler)
	case "big":
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100000))
	default:
		h.Error(w, r, 404, 0)
		res.Status = 404
	}
	return res
}

// setup is a server whose requests all go through some filters.
type setup struct {
	t     testing.TB
	host  *host
	srv   *httptest.Server
	trace string
	seen  int // bytes of the trace
	chain []filter.Member
	log   *bytes.Buffer

	mu      sync.Mutex
	results []executor.Result
	faults  []error
}

// buffer is where a log goes.
type buffer struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// load loads a library as a filter, and unloads it at the end of the test.
func (s *setup) load(path string, change func(*filter.Config)) *filter.Filter {
	s.t.Helper()
	f, err := s.tryLoad(path, change)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *setup) tryLoad(path string, change func(*filter.Config)) (*filter.Filter, error) {
	s.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	staged := filepath.Join(s.t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(staged, data, 0o700); err != nil {
		s.t.Fatal(err)
	}
	lib, err := native.Open(staged)
	if err != nil {
		s.t.Fatal(err)
	}
	c := filter.Config{
		Name: filepath.Base(path), Version: lib.Lookup("GetFilterVersion"), Proc: lib.Lookup("HttpFilterProc"), Terminate: lib.Lookup("TerminateFilter"),
		Log: slog.New(slog.NewTextHandler(&buffer{b: s.log}, nil)),
		Tap: tap(s.t),
		Faulted: func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.faults = append(s.faults, err)
		},
	}
	if change != nil {
		change(&c)
	}
	f, err := filter.New(c)
	s.t.Cleanup(func() {
		if err == nil {
			_ = f.Close()
		}
		if _, err := lib.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return f, err
}

type connectionKey struct{}

// start makes a server; its filters are to be put into chain.
func start(t testing.TB) *setup {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "file"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "file", "page.txt"), []byte("a page\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &setup{t: t, host: &host{root: root, users: map[string]string{"alice": "wonderland"}}, trace: filepath.Join(t.TempDir(), "trace"), log: &bytes.Buffer{}}
	t.Setenv("FILTER_TRACE", s.trace)
	log := slog.New(slog.NewTextHandler(&buffer{b: s.log}, nil))
	var connections sync.Map
	s.srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(connectionKey{}).(*filter.Connection)
		res := filter.Serve(w, r, c, s.chain, s.host, &client{}, log)
		s.mu.Lock()
		s.results = append(s.results, res)
		s.mu.Unlock()
		res.Check()
	}))
	s.srv.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&buffer{b: s.log}, nil), slog.LevelError)
	s.srv.Config.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		c := filter.NewConnection(false)
		connections.Store(nc, c)
		return context.WithValue(ctx, connectionKey{}, c)
	}
	var ended sync.WaitGroup
	s.srv.Config.ConnState = func(nc net.Conn, state http.ConnState) {
		if state != http.StateClosed && state != http.StateHijacked {
			return
		}
		if c, ok := connections.LoadAndDelete(nc); ok {
			ended.Go(func() { c.(*filter.Connection).End() })
		}
	}
	s.srv.Start()
	s.srv.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		s.stop()
		ended.Wait()
	})
	return s
}

// stop ends all connections.
func (s *setup) stop() {
	s.srv.CloseClientConnections()
	s.srv.Close()
}

// client is a connection that remembers reason phrases.
type client struct {
	executor.Client
	reasons []string
}

func (c *client) RawHeader(*http.Request) []byte { return nil }
func (c *client) Descriptor() (uintptr, bool)    { return 33, true }
func (c *client) SetReason(status int, text string) bool {
	c.reasons = append(c.reasons, fmt.Sprint(status, " ", text))
	return true
}

// answer is a response, or why there is none.
type answer struct {
	*http.Response
	body string
	err  error
}

func (a answer) String() string {
	if a.err != nil {
		return "broken"
	}
	return fmt.Sprintf("%d %s", a.StatusCode, a.body)
}

// do sends a request; head is "Name: value" lines.
func (s *setup) do(method, target string, head ...string) (a answer) {
	s.t.Helper()
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("a body")
	}
	r, err := http.NewRequest(method, s.srv.URL+target, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, line := range head {
		name, value, _ := strings.Cut(line, ": ")
		if name == "User" {
			user, password, _ := strings.Cut(value, ":")
			r.SetBasicAuth(user, password)
			continue
		}
		r.Header.Add(name, value)
	}
	a.Response, a.err = s.srv.Client().Do(r)
	if a.err != nil {
		return a
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	a.body, a.err = string(text), err
	return a
}

// events are the lines that the trace filters wrote since the last call.
func (s *setup) events() []string {
	s.t.Helper()
	data, err := os.ReadFile(s.trace)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data[s.seen:]), s.host.root, "")
	s.seen = len(data)
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// result is that of the last request, once there are n.
func (s *setup) result(n int) executor.Result {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		if len(s.results) >= n {
			defer s.mu.Unlock()
			return s.results[n-1]
		}
		s.mu.Unlock()
		if time.Now().After(end) {
			s.t.Fatalf("no result of request %d", n)
		}
	}
}

func traceFilter(t testing.TB, flags ...string) string {
	return testext.Fixture(t, "filter_trace", flags...)
}

// lastEvents waits until an event is among those written, and answers all of them.
func (s *setup) lastEvents(event string) (all []string) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		all = append(all, s.events()...)
		if len(all) > 0 && strings.Contains(strings.Join(all, "\n"), event) {
			return all
		}
		if time.Now().After(end) {
			s.t.Fatalf("no %s in %q", event, all)
		}
	}
}
