package isapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
)

// host is the probe behind a real server. It keeps what the executor said of each request.
type host struct {
	*httptest.Server
	ex   executor.Executor
	root string

	mu      sync.Mutex
	results []executor.Result
}

// startHost puts a server in front of the one probe that the tests share: each loaded copy is one more Go runtime, and
// stays until the process ends.
func startHost(t *testing.T) *host {
	t.Helper()
	shared.Do(func() { shared.ex = open(t) })
	if shared.ex == nil {
		t.Fatal("the probe could not be loaded")
	}
	return newHost(t, shared.ex)
}

var shared struct {
	sync.Once
	ex executor.Executor
}

// newHost runs ex at /app.so. The test's end closes the server, not the executor.
func newHost(t *testing.T, ex executor.Executor) *host {
	h := &host{ex: ex, root: t.TempDir()}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Server.Close)
	return h
}

func open(t *testing.T) executor.Executor {
	t.Helper()
	ex, err := extension.Open(probe(t), executor.Options{Staging: built.dir, Count: counted.add})
	if err != nil {
		t.Fatal(err)
	}
	return ex
}

// counted is what the probe has counted.
var counted counts

type counts struct {
	mu  sync.Mutex
	all []string
}

func (c *counts) add(name string, labels []string, delta float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, fmt.Sprintf("%s%q+%g", name, labels, delta))
}

func (c *counts) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := strings.Join(c.all, " ")
	c.all = nil
	return all
}

// closeExecutor fails the test, if there is one, when something still runs. That the image stays mapped is no news for
// a Go library.
func closeExecutor(t *testing.T, ex executor.Executor) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := ex.Close(ctx); err != nil && ctx.Err() != nil {
		t.Error(err)
	}
}

func (h *host) serve(w http.ResponseWriter, r *http.Request) {
	info := strings.TrimPrefix(r.URL.Path, "/app.so")
	res := executor.Result{}
	defer func() { // also when Execute breaks the connection with a panic
		h.mu.Lock()
		defer h.mu.Unlock()
		h.results = append(h.results, res)
	}()
	res = h.ex.Execute(w, r, &executor.Target{
		ScriptName: "/app.so", PathInfo: info, PathTranslated: filepath.Join(h.root, info),
		ScriptTranslated: filepath.Join(h.root, "app.so"),
		App:              &executor.App{SiteID: 1, SiteName: "test", DocumentRoot: h.root, Path: "/", PhysicalPath: h.root},
		Host:             h,
	})
	res.Check()
}

// last waits for the server to be done with its requests and returns the result of the last one.
func (h *host) last() executor.Result {
	h.Server.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.results[len(h.results)-1]
}

func (h *host) Map(urlPath string) (executor.Mapping, error) {
	return executor.Mapping{Path: filepath.Join(h.root, urlPath)}, nil
}

func (h *host) Exec(w http.ResponseWriter, _ *http.Request, _ bool) { http.Error(w, "no child", 500) }

func (h *host) Error(w http.ResponseWriter, _ *http.Request, status, substatus int) {
	http.Error(w, fmt.Sprintf("host page %d.%d", status, substatus), status)
}

// do sends a request and returns response and body.
func (h *host) do(t *testing.T, method, path string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := h.Client().Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: body after %d bytes: %v", method, path, len(text), err)
	}
	return resp, string(text)
}

func (h *host) get(t *testing.T, path string) string {
	t.Helper()
	_, body := h.do(t, http.MethodGet, path, nil)
	return body
}
