package site

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testlog"
)

// fixture is a site with a folder of its own, served over real HTTP.
type fixture struct {
	t      *testing.T
	dir    string // the site's root
	conf   *config.Config
	site   *Site
	server *httptest.Server
	log    testlog.Buffer
	run    func(w http.ResponseWriter, r *http.Request, t *executor.Target) // nil: tell the target as JSON
	fail   error                                                            // of opening an image

	filter     func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result // nil: let everything through
	failFilter error                                                                               // of loading filters
	filters    []executor.FilterRef                                                                // that were wanted last
}

// landed is what the executor of the tests answers: where the request landed.
type landed struct {
	Image, Method, URL, Query                              string
	ScriptName, PathInfo, PathTranslated, ScriptTranslated string
	App                                                    executor.App
}

// start serves a site. files are made below the root: "a/" is a folder, "a>b" a symbolic link from a to b, "a=b" a file that
// holds b, the rest hold their own name. yaml belongs to the site; ROOT stands for the folder above its root.
func start(t *testing.T, files []string, yaml string) *fixture {
	t.Helper()
	return startWith(t, files, yaml, "")
}

func startWith(t *testing.T, files []string, yaml, top string) *fixture {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, dir: filepath.Join(base, "www")}
	must(t, os.MkdirAll(f.dir, 0o755))
	for _, name := range files {
		f.make(name)
	}
	text := "sites:\n  - name: shop\n    id: 3\n    root: www\n" + indent(yaml) + top
	if f.conf, err = config.Parse(filepath.Join(base, "isapid.yaml"), []byte(text)); err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	if f.site, err = New(f.conf, &f.conf.Sites[0], f.open, f.chains, slog.New(slog.NewTextHandler(&f.log, nil))); err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewUnstartedServer(f.site)
	f.server.Config.DisableGeneralOptionsHandler = true
	f.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	f.server.Start()
	t.Cleanup(f.server.Close)
	return f
}

func indent(yaml string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimLeft(yaml, "\n")) {
		b.WriteString("    " + line)
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// links tells whether symbolic links can be made: not by everybody on Windows, and not under Wine.
func links(t *testing.T) bool {
	t.Helper()
	if runtime.GOOS != "windows" {
		return true
	}
	name := filepath.Join(t.TempDir(), "link")
	err := os.Symlink("x", name)
	if _, there := os.Lstat(name); there != nil { // Wine says that it has made one
		err = there
	}
	return err == nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) make(name string) {
	f.t.Helper()
	if link, to, ok := strings.Cut(name, ">"); ok {
		if links(f.t) {
			must(f.t, os.Symlink(to, filepath.Join(f.dir, link)))
		}
		return
	}
	name, content, ok := strings.Cut(name, "=")
	if !ok {
		content = name
	}
	path := filepath.Join(f.dir, name)
	if strings.HasSuffix(name, "/") {
		must(f.t, os.MkdirAll(path, 0o755))
		return
	}
	must(f.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(f.t, os.WriteFile(path, []byte(content), 0o644))
}

func (f *fixture) open(image string, app *executor.App) (executor.Executor, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	return recorder{f, image}, nil
}

func (f *fixture) chains(_ *executor.App, filters []executor.FilterRef) (executor.Chain, error) {
	f.filters = filters
	return fakeChain{f, filters}, f.failFilter
}

// fakeChain is what the filter of a fixture does.
type fakeChain struct {
	f       *fixture
	filters []executor.FilterRef
}

func (c fakeChain) Inside() bool { return true }

func (c fakeChain) Serve(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
	c.f.filters = c.filters
	if c.f.filter != nil {
		return c.f.filter(w, r, h)
	}
	return h.Answer(w, r, h.Route(r))
}

// recorder is an executor that runs no extension: it tells where the request landed.
type recorder struct {
	f     *fixture
	image string
}

func (x recorder) Description() string         { return "recorder" }
func (x recorder) Close(context.Context) error { return nil }

func (x recorder) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	if x.f.run != nil {
		x.f.run(w, r, t)
		return executor.Result{Status: 200}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(landed{
		Image: x.image, Method: r.Method, URL: r.RequestURI, Query: r.URL.RawQuery, ScriptName: t.ScriptName,
		PathInfo: t.PathInfo, PathTranslated: t.PathTranslated, ScriptTranslated: t.ScriptTranslated, App: *t.App,
	})
	return executor.Result{Status: 200}
}

// quiet is an executor that does nothing.
type quiet struct{ recorder }

func (quiet) Execute(http.ResponseWriter, *http.Request, *executor.Target) executor.Result {
	return executor.Result{}
}

func writeFile(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
		t.Fatal(err)
	}
}

// response is a response with its body read.
type response struct {
	*http.Response
	body string
}

// raw sends a request target as it is: Go's client would clean it.
func (f *fixture) raw(method, target string, header ...string) response {
	f.t.Helper()
	c, err := net.Dial("tcp", f.server.Listener.Addr().String())
	must(f.t, err)
	defer c.Close()
	head := append([]string{method + " " + target + " HTTP/1.1", "Host: shop.example", "Connection: close"}, header...)
	// In one piece: net/http closes at the first bad line, and what came later would turn its answer into a reset.
	_, err = io.WriteString(c, strings.Join(head, "\r\n")+"\r\n\r\n")
	must(f.t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		f.t.Fatalf("%s %q: %v", method, target, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		f.t.Fatalf("%s %q: %v", method, target, err)
	}
	return response{resp, string(body)}
}

func (f *fixture) get(target string, header ...string) response {
	f.t.Helper()
	return f.raw("GET", target, header...)
}

// landed sends a request that must reach the recorder.
func (f *fixture) landed(method, target string) landed {
	f.t.Helper()
	resp := f.raw(method, target)
	var l landed
	if err := json.Unmarshal([]byte(resp.body), &l); err != nil {
		f.t.Fatalf("%s %s did not land: %s\n%s", method, target, resp.Status, resp.body)
	}
	return l
}

// code is the status with the sub-status that a built-in page shows: "404.8".
func (r response) code() string {
	_, title, _ := strings.Cut(r.body, "<title>")
	code, _, _ := strings.Cut(title, " ")
	if !strings.HasPrefix(code, fmt.Sprint(r.StatusCode)) {
		return fmt.Sprint(r.StatusCode)
	}
	return code
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	must(t, err)
	return u
}

const dllApp = `
applications:
  - path: /
    handlers:
      - {path: "*.dll", isapi: true}
`
