//go:build windows || (unix && cgo)

package filter_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/testext"
)

// TestResponseHead is what filters can do to the head of a response. shown are fields of it, as the client gets them.
func TestResponseHead(t *testing.T) {
	for _, c := range []struct{ name, target, do, answer, shown string }{
		{"status", "/file/page.txt", "SEND_RESPONSE=set:status|HTTP/1.1 404 Nowhere;SEND_RESPONSE=get:status", "404 a page\n", ""},
		{"bare status", "/file/page.txt", "SEND_RESPONSE=set:Status|410", "410 a page\n", ""},
		{"no status", "/file/page.txt", "SEND_RESPONSE=set:status|99;SEND_RESPONSE=set:status|;SEND_RESPONSE=add:status|404", "200 a page\n", ""},
		{"status without a body", "/file/page.txt", "SEND_RESPONSE=set:status|204", "204 ", ""},
		{"set and add", "/file/page.txt", "SEND_RESPONSE=set:X-R:|1;SEND_RESPONSE=add:x-r:|2;SEND_RESPONSE=set:Server|no;SEND_RESPONSE=set:Server:|me", "200 a page\n", "X-R: [1 2] Server: [me]"},
		{"replace all", "/file/page.txt", "SEND_RESPONSE=add:X-R:|1;SEND_RESPONSE=add:X-R:|2;SEND_RESPONSE=set:x-r:|3", "200 a page\n", "X-R: [3]"},
		{"delete", "/file/page.txt", "SEND_RESPONSE=set:content-type:|", "200 a page\n", "Content-Type: []"},
		{"line break", "/file/page.txt", "SEND_RESPONSE=set:X-R:|a\tb", "200 a page\n", "X-R: [a\tb]"},
		{"framing", "/file/page.txt", "SEND_RESPONSE=set:Transfer-Encoding:|gzip;SEND_RESPONSE=set:Transfer-Encoding:|;SEND_RESPONSE=set:Content-Length:|x", "200 a page\n", "Content-Length: [7]"},
		{"no length", "/big", "SEND_RESPONSE=set:Content-Length:|", "200 " + strings.Repeat("x", 100000), "Content-Length: []"},
		{"close", "/file/page.txt", "SEND_RESPONSE=set:Connection:|close", "200 a page\n", ""},
		{"added before", "/file/page.txt", "PREPROC_HEADERS=response:X-R: 1;URL_MAP=response:X-R: 2;PREPROC_HEADERS=response:Content-Length: 1;AUTH_COMPLETE=response:Content-Type: a/b", "200 a page\n",
			"X-R: [1 2] Content-Length: [7] Content-Type: [text/plain; charset=utf-8]"},
		{"added too late", "/file/page.txt", "SEND_RESPONSE=response:X-R: 1;END_OF_REQUEST=response:X-R: 2", "200 a page\n", "X-R: []"},
		{"added to its own", "/nowhere", "PREPROC_HEADERS=response:X-R: 1;PREPROC_HEADERS=page:mine", "200 mine", "X-R: [1] Content-Length: [4]"},
		{"no denial", "/file/page.txt", "PREPROC_HEADERS=denial:X-R: 1", "200 a page\n", "X-R: []"},
		{"denial", "/error/403", "PREPROC_HEADERS=denial:X-R: 1;ACCESS_DENIED=denial:X-R: 2", "403 page 403.0", "X-R: [1 2]"},
		{"challenge", "/error/401", "PREPROC_HEADERS=denial:X-R: 1", "401 page 401.0", `X-R: [1] WWW-Authenticate: [Basic realm="the \"realm\"", charset="UTF-8"]`},
		{"another challenge", "/error/401", "PREPROC_HEADERS=denial:WWW-Authenticate: Mine", "401 page 401.0", "WWW-Authenticate: [Mine]"},
		{"challenge to a filter's own", "/nowhere", "PREPROC_HEADERS=send:401;PREPROC_HEADERS=write:no", "401 no", `WWW-Authenticate: [Basic realm="the \"realm\"", charset="UTF-8"]`},
		{"its own in the place of a file", "/file/page.txt", "SEND_RESPONSE=page:instead", "200 instead", "Last-Modified: [] Accept-Ranges: [] Content-Type: [text/plain]"},
		{"its own in the place of a big one", "/big", "SEND_RESPONSE=page:instead", "200 instead", "Content-Length: [7]"},
		{"its own in the place of a stream", "/stream", "SEND_RESPONSE=page:instead", "200 instead", ""},
		{"big", "/big", "SEND_RESPONSE=set:X-R:|1", "200 " + strings.Repeat("x", 100000), "X-R: [1] Content-Length: [100000]"},
		{"empty", "/empty", "SEND_RESPONSE=set:X-R:|1", "204 ", "X-R: [1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			s.host.realm = `the "realm"`
			s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
			for range 2 {
				a := s.do("GET", c.target, "X-Do: "+c.do)
				if a.String() != c.answer {
					t.Fatalf("answer is %.200q %v, want %.200q", a, a.err, c.answer)
				}
				var shown []string
				for _, want := range strings.SplitAfter(c.shown, "] ") {
					if name, _, ok := strings.Cut(want, ":"); ok {
						shown = append(shown, fmt.Sprintf("%s: %v", name, a.Header[http.CanonicalHeaderKey(name)]))
					}
				}
				if got := strings.Join(shown, " "); got != c.shown {
					t.Errorf("head has %s, want %s", got, c.shown)
				}
			}
		})
	}
}

// TestConnectionAfterwards: FINISHED ends the connection behind a response, FINISHED_KEEP_CONN and the others keep it.
func TestConnectionAfterwards(t *testing.T) {
	for do, kept := range map[string]bool{
		"PREPROC_HEADERS=page:x;PREPROC_HEADERS=finished": false, "PREPROC_HEADERS=page:x;PREPROC_HEADERS=keep": true, "PREPROC_HEADERS=page:x": true,
	} {
		s := start(t)
		s.chain = []filter.Member{{Filter: s.load(named(t, "a", "(SF_NOTIFY_PREPROC_HEADERS|SF_NOTIFY_END_OF_NET_SESSION)", ""), nil)}}
		s.do("GET", "/nowhere", "X-Do: "+do)
		s.result(1)
		if !kept {
			s.lastEvents("END_OF_NET_SESSION") // or the next request might still go there
		}
		s.do("GET", "/nowhere")
		second := strings.Contains(strings.Join(s.lastEvents("PREPROC_HEADERS"), "\n"), "a#2 PREPROC")
		if kept && second {
			t.Errorf("%s: the connection was not kept", do)
		}
	}
}

// TestReason: the reason phrase that a filter gives reaches the connection; without one of ours there is none to reach.
func TestReason(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
	c := &client{}
	serve := func(do string, client executor.Client) {
		r := httptest.NewRequest("GET", "/reason", nil)
		r.Header.Set("X-Do", do)
		filter.Serve(httptest.NewRecorder(), r, nil, s.chain, s.host, client, nil)
	}
	s.host.ext = "ext.so"
	serve("SEND_RESPONSE=set:status|404 Other", c)
	serve("PREPROC_HEADERS=send:299 Odd", c)
	if got := strings.Join(c.reasons, ","); got != "404 Gone Fishing,404 Other,299 Odd" {
		t.Errorf("reasons: %s", got)
	}
	s.host.ext = ""
	serve("PREPROC_HEADERS=send:299 Odd", nil)
}

// readerFrom is a ResponseWriter that takes files.
type readerFrom struct {
	*httptest.ResponseRecorder
	read int
}

func (r *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	r.read++
	b := make([]byte, 1<<16)
	n, _ := src.Read(b)
	_, err := r.Write(b[:n])
	return int64(n), err
}

// TestFilesGoTheirWay: what a server does for files (sendfile) is not lost behind filters.
func TestFilesGoTheirWay(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
	w := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
	res := filter.Serve(w, httptest.NewRequest("GET", "/file/page.txt", nil), nil, s.chain, s.host, &client{}, nil)
	if w.read != 1 || w.Body.String() != "a page\n" || res.Bytes != 7 || res.Status != 200 {
		t.Errorf("read %d times, %q, %+v", w.read, w.Body, res)
	}
}

// TestURLMap: a filter changes the path in place.
func TestURLMap(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
	if err := os.WriteFile(s.host.root+"/other", []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := s.do("GET", "/file/page.txt", "X-Do: URL_MAP=path:"+s.host.root+"/other"); a.body != "other" {
		t.Errorf("answer is %q", a)
	}
	s.do("GET", "/file/page.txt", "X-Do: URL_MAP=pathend:/"+strings.Repeat("x", 5000))
	if len(s.faults) > 0 {
		t.Error(s.faults)
	}
}

// TestManyConnections: filters are called for several connections at a time.
func TestManyConnections(t *testing.T) {
	s := start(t)
	for _, name := range []string{"cookie", "session", "newlog", "rewriter"} {
		s.chain = append(s.chain, filter.Member{Filter: s.load(testext.Fixture(t, "filter_"+name), nil)})
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 25 {
				if a := s.do("GET", fmt.Sprintf("/echo?%d", i), "Cookie: session=alice"); a.err != nil || a.StatusCode != 200 {
					t.Errorf("answer %q %v", a, a.err)
				}
			}
		})
	}
	wg.Wait()
	if len(s.faults) > 0 {
		t.Errorf("faults: %v", s.faults)
	}
}

// TestLongPath: a URL that is mapped to a longer path than filters can be shown is the client's mistake.
func TestLongPath(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
	if a := s.do("GET", "/file/"+strings.Repeat("long/", 900)); a.String() != "414 page 414.0" {
		t.Error(a)
	}
	if a := s.do("GET", "/file/page.txt"); a.StatusCode != 200 {
		t.Error(a)
	}
}
