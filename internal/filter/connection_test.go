//go:build windows || (unix && cgo)

package filter_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEnd: the end of a connection waits for its request, and is told once, to those that had an event. What comes after it is on
// a connection of its own.
func TestEnd(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{
		{Filter: s.load(named(t, "a", "(SF_NOTIFY_PREPROC_HEADERS|SF_NOTIFY_END_OF_NET_SESSION)", ""), nil)},
		{Filter: s.load(named(t, "b", "(SF_NOTIFY_ACCESS_DENIED|SF_NOTIFY_END_OF_NET_SESSION)", ""), nil)},
		{Filter: s.load(named(t, "c", "SF_NOTIFY_END_OF_NET_SESSION", ""), nil)},
	}
	c := filter.NewConnection(false)
	h := &waiting{host: s.host, begun: make(chan struct{}), goOn: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		filter.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/nowhere", nil), c, s.chain, h, nil, nil)
	})
	<-h.begun
	var ends sync.WaitGroup
	for range 2 {
		ends.Go(c.End)
	}
	if strings.Contains(readFile(t, s.trace), "END_OF") {
		t.Error("the connection ended while a request ran")
	}
	close(h.goOn)
	wg.Wait()
	ends.Wait()
	c.End()
	expect(t, s.events(), "a#1 PREPROC_HEADERS GET /nowhere\na#1 END_OF_NET_SESSION\nc#1 END_OF_NET_SESSION")
	filter.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/nowhere", nil), c, s.chain, s.host, nil, nil)
	expect(t, s.events(), "a#2 PREPROC_HEADERS GET /nowhere\na#2 END_OF_NET_SESSION\nc#2 END_OF_NET_SESSION")
}

type waiting struct {
	*host
	begun, goOn chan struct{}
}

func (h *waiting) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	close(h.begun)
	<-h.goOn
	return h.host.Answer(w, r, rt)
}

// TestInside: a request that is made while another of the connection runs, as a child through filters would be, is one more on it.
func TestInside(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(named(t, "a", someEvents, ""), nil)}}
	c := filter.NewConnection(false)
	defer c.End()
	h := &nested{host: s.host, serve: func(w http.ResponseWriter) {
		filter.Serve(w, httptest.NewRequest("GET", "/file/page.txt", nil), c, s.chain, s.host, nil, nil)
	}}
	filter.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/outer", nil), c, s.chain, h, nil, nil)
	expect(t, s.events(), `PREPROC_HEADERS GET /outer
		PREPROC_HEADERS GET /file/page.txt
		LOG GET /file/page.txt? "-" 200
		LOG GET /outer? "-" 200`)
}

type nested struct {
	*host
	serve func(http.ResponseWriter)
}

func (h *nested) Answer(w http.ResponseWriter, _ *http.Request, _ *executor.Route) executor.Result {
	h.serve(w)
	return executor.Result{}
}

// TestNothingWritten: whoever answers may leave the head to the server.
func TestNothingWritten(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(named(t, "a", "SF_NOTIFY_SEND_RESPONSE", ""), nil)}}
	w := httptest.NewRecorder()
	h := &nested{host: s.host, serve: func(http.ResponseWriter) {}}
	res := filter.Serve(w, httptest.NewRequest("GET", "/x", nil), nil, s.chain, h, nil, nil)
	if res.Broken || res.Status != 200 || w.Code != 200 {
		t.Errorf("%+v, %d", res, w.Code)
	}
	expect(t, s.events(), "SEND_RESPONSE HTTP/1.1 200 OK")
}

// TestHTTP2: a stream is a connection of its own, and its connection not the filter's to close.
func TestHTTP2(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res := filter.Serve(w, r, nil, s.chain, s.host, nil, nil)
		res.Check()
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	for _, do := range []string{"SEND_RESPONSE=set:Connection:|close", "PREPROC_HEADERS=page:a page;PREPROC_HEADERS=finished", ""} {
		r, err := http.NewRequest("GET", srv.URL+"/file/page.txt", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Do", do)
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.ProtoMajor != 2 || res.StatusCode != 200 || res.Header.Get("Connection") != "" {
			t.Errorf("%s: %s %s %v", do, res.Proto, res.Status, res.Header)
		}
	}
	if n := strings.Count(strings.Join(s.lastEvents("a#3 END_OF_NET_SESSION"), "\n"), "END_OF_NET_SESSION"); n != 3 {
		t.Errorf("%d connections ended, want 3", n)
	}
}
