//go:build unix && cgo

package extension_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/trace/tracetest"
)

// TestConformanceListened: everything is as it is when nobody listens, and every function is seen.
func TestConformanceListened(t *testing.T) {
	if testing.Short() {
		t.Skip("it is the whole suite once more")
	}
	tap, l := tracetest.New(t, trace.Filter{Body: 100})
	executortest.Run(t, func(image string, o executor.Options) (executor.Executor, error) {
		o.Tap = tap
		return extension.Open(image, o)
	})
	called := map[trace.Func]bool{}
	for _, e := range l.Events() {
		if e.Kind != trace.Enter {
			called[e.Func] = true
		}
	}
	for _, f := range []trace.Func{
		trace.DllMain, trace.GetExtensionVersion, trace.HttpExtensionProc, trace.TerminateExtension, trace.Completion,
		trace.GetServerVariable, trace.WriteClient, trace.ReadClient, trace.ServerSupportFunction,
	} {
		if !called[f] {
			t.Errorf("%s was never seen", f)
		}
	}
}

// seen is the fixture "watched", which somebody listens to.
type seen struct {
	e   *extension.Extension
	tap *trace.Tap
	l   *tracetest.Listener
}

func watchFixture(t testing.TB, f trace.Filter, o executor.Options) *seen {
	t.Helper()
	tap, l := tracetest.New(t, f)
	o.Tap, o.Logger, o.ImageID = tap, slog.New(slog.DiscardHandler), 5
	e, err := extension.Open(testext.Fixture(t, "watched"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return &seen{e, tap, l}
}

// ask sends a request with secrets in it.
func (w *seen) ask(query, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/app.so?"+query, nil)
	if body != "" {
		r = httptest.NewRequest("POST", "/app.so?"+query, strings.NewReader(body))
	}
	r.Header.Set("Authorization", "Basic s3cr3t")
	r.Header.Set("Cookie", "s3cr3t=s3cr3t")
	r.Header.Set("X-Evil", "\x1b[2J")
	answer := httptest.NewRecorder()
	w.e.Execute(answer, r, &executor.Target{
		ScriptName: "/app.so", App: &executor.App{}, Host: mapHost{}, Trail: &executor.Trail{ID: 7},
		User: &executor.User{Name: "ann", Password: "s3cr3t", Type: "Basic"},
	})
	return answer
}

// mapHost maps everything below /srv.
type mapHost struct{}

func (mapHost) Map(urlPath string) (executor.Mapping, error) {
	return executor.Mapping{Path: "/srv" + urlPath, Flags: isapi.URLRead | isapi.URLScript, MatchedPath: 4, MatchedURL: 1}, nil
}

func (mapHost) Exec(w http.ResponseWriter, _ *http.Request, _ bool) { w.WriteHeader(http.StatusOK) }

func (mapHost) Error(w http.ResponseWriter, _ *http.Request, status, _ int) { w.WriteHeader(status) }

// TestTraced: what the fixture calls is seen with its arguments. With ISAPID_TEST_UPDATE in the environment
// the files are written anew.
func TestTraced(t *testing.T) {
	const update = "ISAPID_TEST_UPDATE"
	for _, one := range []struct{ name, query, body string }{ // async and thread: in any order
		{"variables", "variables", ""},
		{"codes", "codes", ""},
		{"header", "header", ""},
		{"body", "body", "read ahead and beyond"},
		{"bad", "bad", "read ahead"},
		{"crash", "crash", ""},
		{"async", "async", ""},
		{"thread", "thread", ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			w := watchFixture(t, trace.Filter{Body: 100}, executor.Options{ReadAhead: 4})
			w.ask(one.query, one.body)
			_ = w.e.Close(context.Background())
			file := "testdata/traced/" + one.name + ".txt"
			want, err := os.ReadFile(file)
			if err != nil && os.Getenv(update) == "" {
				t.Fatal(err)
			}
			b := w.l.Bytes()
			// A thread of the extension's own may still be on its way out of the call that ended the request.
			for end := time.Now().Add(10 * time.Second); len(tracetest.Lines(tracetest.Decode(t, b))) < bytes.Count(want, []byte("\n")) && time.Now().Before(end); b = w.l.Bytes() {
				time.Sleep(time.Millisecond)
			}
			if bytes.Contains(b, []byte("s3cr3t")) {
				t.Error("a secret has left the process")
			}
			list := tracetest.Decode(t, b)
			for _, e := range list {
				outside := e.Func == trace.GetExtensionVersion || e.Func == trace.TerminateExtension
				if e.Image != 5 || outside != (e.Request == 0) || e.Thread == 0 && runtime.GOOS == "linux" {
					t.Errorf("%s: image %d, request %d, thread %d", e.Func, e.Image, e.Request, e.Thread)
				}
			}
			lines := tracetest.Lines(list)
			if one.name == "async" || one.name == "thread" {
				for i := range lines {
					lines[i] = strings.TrimSpace(lines[i])
				}
				slices.Sort(lines)
			}
			got := strings.Join(lines, "\n") + "\n"
			if os.Getenv(update) != "" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("events:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestAttachUnderLoad: somebody comes and goes while requests run, some of them with threads of their own; all are answered as ever.
func TestAttachUnderLoad(t *testing.T) {
	w := watchFixture(t, trace.Filter{}, executor.Options{})
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for _, query := range []string{"variables", "codes", "async", "thread"} {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := w.ask(query, ""); got.Code != http.StatusOK {
					t.Errorf("%s: status %d", query, got.Code)
					return
				}
			}
		})
	}
	for i := range uint32(1000) {
		if err := w.tap.Set([]trace.Subscription{{ID: i + 2, Filter: trace.Filter{Body: 10}}}, w.l); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			time.Sleep(time.Millisecond) // let some requests begin
		}
		if err := w.tap.Set(nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	clients.Wait()
	if b := w.l.Bytes(); len(b) == 0 || bytes.Contains(b, []byte("s3cr3t")) {
		t.Errorf("%d bytes were seen, perhaps with a secret", len(b))
	}
}

// TestTracedNesting: filters of a request and its extension are seen together, and a filter that sees a response inside of the call that sent
// it, on whatever threads they run.
func TestTracedNesting(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := watchFixture(t, trace.Filter{Calls: []string{"HttpExtensionProc", "HttpFilterProc", "HSE_REQ_SEND_RESPONSE_HEADER_EX", "WriteClient", "SetHeader"}}, m.options)
			o := m.options
			o.Tap, o.Logger, o.ImageID, o.Filter = w.tap, slog.New(slog.DiscardHandler), 6, true
			f, err := extension.Open(testext.Fixture(t, "filter_watched"), o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close(context.Background()) }()
			w.l.Bytes()
			chain := []filter.Member{{Filter: f.Filter()}}
			c := filter.NewConnection(false)
			h := &trailHost{route: route{e: w.e}, trail: &executor.Trail{ID: 7}}
			filter.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/app.so?body", nil), c, chain, h, nil, slog.New(slog.DiscardHandler))
			c.End()
			list := w.l.Events()
			for _, e := range list {
				between := e.Code == isapi.NotifyEndOfNetSession
				if between != (e.Request == 0) || e.Image != 5 && e.Image != 6 {
					t.Errorf("%s: request %d, image %d", trace.Name(e.Func, e.Code), e.Request, e.Image)
				}
			}
			want := []string{
				`app.so:HttpFilterProc(SF_NOTIFY_PREPROC_HEADERS) {`,
				`  SetHeader("Authorization:", value="***") = TRUE`,
				`} HttpFilterProc = SF_STATUS_REQ_NEXT_NOTIFICATION`,
				`app.so:HttpFilterProc(SF_NOTIFY_AUTHENTICATION, user="alice", password="***") = SF_STATUS_REQ_NEXT_NOTIFICATION user="alice" password="***"`,
				`app.so:HttpFilterProc(SF_NOTIFY_AUTH_COMPLETE, status=200) = SF_STATUS_REQ_NEXT_NOTIFICATION status=200 reset_auth=0`,
				`app.so:HttpExtensionProc(method="GET", query="body", path_info="", path_translated="", content_type="", total_bytes=0, available=0) {`,
				`  HSE_REQ_SEND_RESPONSE_HEADER_EX(status="200 OK", header="Content-Type: text/plain\r\nContent-Length: 28\r\n\r\n", status_length=0, header_length=0, keep_conn=1) {`,
				`    app.so:HttpFilterProc(SF_NOTIFY_SEND_RESPONSE, status=200) {`,
				`      SetHeader("X-Seen:", value="yes") = TRUE`,
				`    } HttpFilterProc = SF_STATUS_REQ_NEXT_NOTIFICATION`,
				`  } HSE_REQ_SEND_RESPONSE_HEADER_EX = TRUE`,
				`  WriteClient(size=28, flags=HSE_IO_SYNC) = TRUE size=28`,
				`} HttpExtensionProc = HSE_STATUS_SUCCESS http_status=200`,
				`app.so:HttpFilterProc(SF_NOTIFY_END_OF_REQUEST) = SF_STATUS_REQ_NEXT_NOTIFICATION`,
			}
			got := tracetest.Lines(list)
			if n := len(want); len(got) < n || !slices.Equal(got[:n], want) {
				t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if h.trail.Recorder != nil {
				t.Error("a recorder that has ended is left behind")
			}
		})
	}
}

// trailHost has a trail, as that of the server.
type trailHost struct {
	route
	trail *executor.Trail
}

func (h *trailHost) Trail() *executor.Trail { return h.trail }

func (h *trailHost) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	rt.Target.Trail = h.trail
	return h.route.Answer(w, r, rt)
}
