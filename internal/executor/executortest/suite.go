// Package executortest is the conformance suite: it defines what an executor is by running real extensions, compiled
// from testdata/ext, behind a real HTTP server. Every executor passes the same suite:
//
//	func TestConformance(t *testing.T) { executortest.Run(t, open) }
//
// A test is a function of a *suite in the file of its subject; [Run] lists the subjects. A fixture is one small C file with
// one behaviour (or a family of them, chosen by the query string), named by it.
package executortest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/testlog"
	"github.com/isapid/isapid/internal/testwait"
)

// Open loads an image with the executor under test.
type Open func(image string, o executor.Options) (executor.Executor, error)

// suite is what every test of it gets.
type suite struct {
	open Open
	Images
}

// subjects are the parts of the suite. docs/conformance.md names them, and what each shows.
var subjects = []struct {
	name string
	run  func(*testing.T, *suite)
}{
	{"Basics", testBasics},
	{"Responses", testResponses},
	{"Raw", testRaw},
	{"Framing", testFraming},
	{"Body", testBody},
	{"Smuggling", testSmuggling},
	{"Writes", testWrites},
	{"Returns", testReturns},
	{"HTTP2", testHTTP2},
	{"Bulk", testBulk},
	{"SupportCodes", testSupportCodes},
	{"Tokens", testTokens},
	{"Async", testAsync},
	{"MapURL", testMapURL},
	{"TransmitFile", testTransmitFile},
	{"VectorSend", testVectorSend},
	{"ExecURL", testExecURL},
	{"Threads", testThreads},
	{"Faults", testFaults},
	{"Fork", testFork},
	{"Beside", testBeside},
	{"Hostile", testHostile},
	{"Stale", testStale},
	{"Lifecycle", testLifecycle},
	{"DllMain", testDllMain},
	{"DLL", testDLL},
	{"Pascal", testPascal},
	{"ControlBlock", testControlBlock},
	{"Variables", testVariables},
	{"TLS", testTLS},
}

// Run runs the whole suite against the executor that open opens, with libraries of this system.
func Run(t *testing.T, open Open) { Images{}.Run(t, open) }

// Run runs the whole suite with these images.
func (i Images) Run(t *testing.T, open Open) {
	s := &suite{open: open, Images: i}
	for _, sub := range subjects {
		t.Run(sub.name, func(t *testing.T) { sub.run(t, s) })
	}
}

// server is one fixture behind the HTTP server of package server on loopback, with a document root of its own.
type server struct {
	t      *testing.T
	ex     executor.Executor
	URL    string // http://127.0.0.1:port
	addr   string
	root   string // physical root; the host maps every URL below it
	images Images
	log    *testlog.Buffer
	host   *testHost

	once     sync.Once // guards closeErr
	closeErr error

	mu      sync.Mutex
	results []executor.Result
}

// serve compiles and opens a fixture of testdata/ext and serves it at every path but /child, which is the host's own. Everything ends
// with the test; a Close that fails, fails it.
func (s *suite) serve(t *testing.T, fixture string, o executor.Options) *server {
	t.Helper()
	return s.serveImage(t, s.fixture(t, fixture), o, hosting.Binding{})
}

// serveImage is serve for a library. b says how it is reached; the address is a free port of loopback unless it has one.
func (s *suite) serveImage(t *testing.T, image string, o executor.Options, b hosting.Binding) *server {
	t.Helper()
	return s.serveBehind(t, image, o, b, nil)
}

// serveBehind is serveImage with a handler around the server's own, unless around is nil.
func (s *suite) serveBehind(t *testing.T, image string, o executor.Options, b hosting.Binding, around func(http.Handler) http.Handler) *server {
	t.Helper()
	srv := &server{t: t, images: s.Images, log: &testlog.Buffer{}, root: t.TempDir()}
	o.Logger = newLogger(srv.log)
	ex, err := s.open(image, o)
	if err != nil {
		t.Fatalf("open %s: %v", filepath.Base(image), err)
	}
	srv.ex = ex
	srv.host = &testHost{srv: srv}
	handler := http.Handler(srv)
	if around != nil {
		handler = around(srv)
	}
	stop := srv.listen(b, handler, o.Logger)
	t.Cleanup(func() {
		stop()
		if err := srv.close(); err != nil {
			t.Errorf("close %s: %v", filepath.Base(image), err)
		}
		if t.Failed() {
			t.Logf("log of the executor:\n%s", srv.log)
		}
	})
	return srv
}

// close closes the executor, once. The end of the test does it if nobody else did.
func (s *server) close() error {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		s.closeErr = s.ex.Close(ctx)
	})
	return s.closeErr
}

// noLimits: what clients may do is not what is tested here.
var noLimits = hosting.Limits{Header: -1, Body: -1, HeaderTimeout: -1, BodyTimeout: -1, IdleTimeout: -1, WriteTimeout: -1, Concurrent: -1, URL: -1, Query: -1}

// listen serves until stop is called, which cuts requests that still run.
func (s *server) listen(b hosting.Binding, handler http.Handler, log *slog.Logger) (stop func()) {
	s.t.Helper()
	if b.Addr == "" {
		b.Addr = "127.0.0.1:0"
	}
	hs, err := hosting.New([]hosting.Site{{Name: "test", Bindings: []hosting.Binding{b}, Handler: handler}}, noLimits, log)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := hs.Listen(); err != nil {
		s.t.Fatal(err)
	}
	s.addr = hs.Addrs()[0].String()
	s.URL = "http://" + s.addr
	if b.TLS {
		s.URL = "https://" + s.addr
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve() }()
	return func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = hs.Shutdown(now) // tells of requests that were cut
		if err := <-served; !errors.Is(err, hosting.ErrClosed) {
			s.t.Errorf("serve: %v", err)
		}
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.run(w, r) }

func (s *server) run(w http.ResponseWriter, r *http.Request) {
	res := s.ex.Execute(w, r, &executor.Target{
		ScriptName: "/app.dll", PathInfo: strings.TrimPrefix(r.URL.Path, "/app.dll"),
		PathTranslated:   filepath.Join(s.root, strings.TrimPrefix(r.URL.Path, "/app.dll")),
		ScriptTranslated: filepath.Join(s.root, "app.dll"),
		App:              &executor.App{SiteID: 7, SiteName: "test", DocumentRoot: s.root, Path: "/", PhysicalPath: s.root, Pool: "pool"},
		Host:             s.host,
	})
	s.mu.Lock()
	s.results = append(s.results, res)
	s.mu.Unlock()
	res.Check()
}

// result returns what Execute said of the i-th finished request. It waits for it.
func (s *server) result(i int) executor.Result {
	s.t.Helper()
	var got executor.Result
	testwait.Until(s.t, fmt.Sprintf("result %d", i), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.results) > i {
			got = s.results[i]
		}
		return len(s.results) > i
	})
	return got
}

// testHost is the server around the executor: a root folder, a page for every error, and /child for child requests.
type testHost struct{ srv *server }

func (h *testHost) Map(p string) (executor.Mapping, error) {
	if strings.Contains(p, "unmapped") {
		return executor.Mapping{}, os.ErrNotExist
	}
	return executor.Mapping{Path: filepath.Join(h.srv.root, p), Flags: 0x205, MatchedPath: len(h.srv.root), MatchedURL: 1}, nil
}

// Exec answers /child with what it got; every other URL is the extension again.
func (h *testHost) Exec(w http.ResponseWriter, r *http.Request, skipCurrent bool) {
	if !strings.HasPrefix(r.URL.Path, "/child") {
		h.srv.run(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Child", "yes")
	w.Header().Set("Content-Type", "text/plain")
	if r.URL.Path == "/child/404" {
		w.WriteHeader(404)
	}
	fmt.Fprintf(w, "child %s %s skip=%v body=%q x=%q", r.Method, r.URL.RequestURI(), skipCurrent, body, r.Header.Get("X-Test"))
}

func (h *testHost) Error(w http.ResponseWriter, r *http.Request, status, substatus int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, "error page %d.%d", status, substatus)
	}
}

// response is a whole answer.
type response struct {
	*http.Response
	Body string
}

// do sends one request on a connection of its own. Redirects are not followed.
func (s *server) do(method, target string, body io.Reader, header ...string) response {
	s.t.Helper()
	res, err := s.try(method, target, body, header...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	return res
}

func (s *server) try(method, target string, body io.Reader, header ...string) (response, error) {
	req, err := http.NewRequest(method, s.URL+target, body)
	if err != nil {
		return response{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return response{res, string(b)}, err
}

// get is do for GET with only a query, which chooses the behaviour of most fixtures.
func (s *server) get(query string) response {
	s.t.Helper()
	return s.do("GET", "/app.dll/x?"+query, nil)
}

// raw sends text as it is and returns all that comes back until the server closes the connection.
func (s *server) raw(text string) string {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	b, _ := io.ReadAll(c)
	return string(b)
}

// dial opens a connection that fails after 30 s without progress.
func (s *server) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

func newLogger(l *testlog.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
