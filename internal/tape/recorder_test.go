package tape

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// studio is a server whose requests are recorded.
type studio struct {
	*httptest.Server
	rec  *Recorder
	mu   sync.Mutex
	last uint64
}

func newStudio(t *testing.T, mask bool, h http.HandlerFunc) *studio {
	t.Helper()
	s := &studio{rec: NewRecorder(mask, 64<<20)}
	s.rec.settle = 0
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.last++
		id := s.last
		s.mu.Unlock()
		complete := false
		defer func() {
			s.rec.End(id, Outcome{Site: "s", Image: "/i.so", User: "u", Complete: complete})
		}()
		w, r = s.rec.Begin(id, w, r, nil)
		h(w, r)
		complete = true
	}))
	t.Cleanup(s.Close)
	return s
}

// taken waits for the recorded requests.
func (s *studio) taken(t *testing.T, n int) (list []*Entry) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); len(list) < n; time.Sleep(time.Millisecond) {
		if list = append(list, ready(s.rec)...); time.Now().After(end) {
			t.Fatalf("%d of %d", len(list), n)
		}
	}
	if all, _ := s.rec.Waiting(); all != 0 || s.rec.memory.used.Load() != 0 {
		t.Errorf("%d wait, %d bytes are kept", all, s.rec.memory.used.Load())
	}
	return list
}

// ready takes all that can be taken.
func ready(r *Recorder) (list []*Entry) {
	for e := r.Next(false, false); e != nil; e = r.Next(false, false) {
		list = append(list, e)
	}
	return list
}

func TestRecordAndSend(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "1")
		_, _ = w.Write(text)
	}
	s := newStudio(t, false, answer)
	send := func(method, target, body string, chunked bool) {
		t.Helper()
		var in io.Reader = strings.NewReader(body)
		if chunked {
			in = io.MultiReader(in)
		}
		r, err := http.NewRequest(method, s.URL+target, in)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "secret")
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	send("GET", "/a?b=c%20d", "", false)
	send("POST", "/b", "with a length", false)
	send("PUT", "/c", "in chunks", true)
	send("HEAD", "/d", "", false)
	list := s.taken(t, 4)
	e := list[1]
	if e.Request.Method != "POST" || string(e.Request.Body) != "with a length" || e.Response.Status != 418 || string(e.Response.Body) != "with a length" || e.Site != "s" || e.Image != "/i.so" || e.Request.User != "u" {
		t.Errorf("%+v", e)
	}
	if !slices.Contains(e.Response.Header, [2]string{"X-Seen", "POST /b secret"}) || slices.ContainsFunc(e.Response.Header, func(f [2]string) bool { return f[0] == "X-Late" }) {
		t.Errorf("%q", e.Response.Header)
	}
	if !list[2].Request.Chunked || string(list[2].Request.Body) != "in chunks" {
		t.Errorf("%+v", list[2])
	}
	again := newStudio(t, false, answer)
	for i, e := range list {
		client, err := Send(t.Context(), again.Listener.Addr().String(), &e.Request)
		if err != nil {
			t.Fatal(err)
		}
		now := again.taken(t, 1)[0]
		if d := (&Rules{}).Compare(e, now); len(d) > 0 || now.Request.Client != client {
			t.Errorf("%d: %+v", i, d)
		}
		if !bytes.Equal(now.Request.Body, e.Request.Body) || now.Request.Chunked != e.Request.Chunked {
			t.Errorf("%d: %+v was sent as %+v", i, e.Request, now.Request)
		}
	}
}

func TestCutBodies(t *testing.T) {
	s := newStudio(t, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/unread":
		case "/long":
			_, _ = w.Write(make([]byte, MostBody+1))
		case "/broken":
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Set-Cookie", "secret")
		}
	})
	post := func(path string, n int) *Entry {
		r, err := http.NewRequest("POST", s.URL+path, bytes.NewReader(make([]byte, n)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "secret")
		if res, err := s.Client().Do(r); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		return s.taken(t, 1)[0]
	}
	for path, says := range map[string]string{"/unread": "not read to its end", "/long": "body of the response is longer"} {
		if e := post(path, 10); !strings.Contains(e.Cut, says) && path != "/long" || path == "/long" && e.Cut == "" || e.Response.Body != nil {
			t.Errorf("%s: %q", path, e.Cut)
		}
	}
	if e := post("/x", MostBody+1); !strings.Contains(e.Cut, "body of the request is longer") {
		t.Errorf("%q", e.Cut)
	}
	if e := post("/broken", 0); !e.Response.Broken || string(e.Response.Body) != "x" {
		t.Errorf("%+v", e)
	}
	e := post("/x", 1)
	if e.Cut != "" || !slices.Contains(e.Request.Header, [2]string{"Cookie", Hidden}) || !slices.Contains(e.Response.Header, [2]string{"Set-Cookie", Hidden}) {
		t.Errorf("%+v", e)
	}
}

// TestCallsOfTwoProcesses: what several processes tell of one request is one sequence.
func TestCallsOfTwoProcesses(t *testing.T) {
	rec := NewRecorder(false, 64<<20)
	rec.settle = time.Hour
	r := httptest.NewRequest("GET", "/", nil)
	rec.Begin(7, httptest.NewRecorder(), r, []byte("A: b\r\nHost: x\r\nc: D\r\n"))
	batch := func(f func(r *trace.Recorder)) []byte {
		var tap trace.Tap
		sink := &collect{}
		if err := tap.Set([]trace.Subscription{{ID: 1}}, sink); err != nil {
			t.Fatal(err)
		}
		one := tap.Begin(&trace.About{Request: 7})
		f(one)
		one.End()
		if err := tap.Set(nil, nil); err != nil {
			t.Fatal(err)
		}
		return sink.p
	}
	image := &trace.Image{Number: 1, Path: "/i.so"}
	filter := batch(func(r *trace.Recorder) {
		c := r.Call(image, trace.HttpFilterProc, 0x1000)
		c.Go()
		c.Back(1, 0)
		c.End()
	})
	extension := batch(func(r *trace.Recorder) {
		c := r.Call(image, trace.HttpExtensionProc, 0)
		c.Go()
		in := r.Call(image, trace.GetServerVariable, 0)
		in.Text("name", "URL")
		in.Go()
		in.Back(0, 87)
		in.End()
		c.Back(4, 0)
		c.End()
	})
	for source, p := range [][]byte{filter, extension} {
		if err := rec.Events(uint32(source), p); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.Events(3, []byte("nonsense")); err == nil {
		t.Error("nonsense is taken")
	}
	rec.End(7, Outcome{Complete: true})
	rec.End(8, Outcome{})
	if list := ready(rec); len(list) != 0 {
		t.Fatal("it is ready at once")
	}
	rec.settle = 0
	list := ready(rec)
	if len(list) != 1 {
		t.Fatalf("%d entries", len(list))
	}
	var got []string
	for _, c := range list[0].Calls {
		got = append(got, fmt.Sprint(c.Depth, " ", c.text(CallsNames)))
	}
	if want := "0 HttpFilterProc"; len(got) != 3 || !strings.HasPrefix(got[0], want) || got[1] != "0 HttpExtensionProc = 4" || got[2] != "1 GetServerVariable URL = 0 error 87" {
		t.Errorf("%q", got)
	}
	if want := (Fields{{"A", "b"}, {"c", "D"}}); !slices.Equal(list[0].Request.Header, want) {
		t.Errorf("%q", list[0].Request.Header)
	}
}

// TestNoRoom: when nobody takes what is recorded its memory is bounded. What did not fit is left out as a whole, and counted; when there is
// room again it goes on.
func TestNoRoom(t *testing.T) {
	const most = 1 << 20
	var tap trace.Tap
	sink := &collect{}
	if err := tap.Set([]trace.Subscription{{ID: 1}}, sink); err != nil {
		t.Fatal(err)
	}
	one := tap.Begin(&trace.About{Request: 1})
	for range 100 {
		c := one.Call(&trace.Image{Number: 1, Path: "/i.so"}, trace.GetServerVariable, 0)
		c.Text("name", strings.Repeat("x", 100))
		c.Go()
		c.Back(1, 0)
		c.End()
	}
	one.End()
	if err := tap.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("b", 100_000)
	for name, test := range map[string]struct {
		n      int
		body   string
		header http.Header
		calls  int // batches
		late   bool
	}{
		"many":         {n: 10_000},
		"bodies":       {n: 50, body: long},
		"headers":      {n: 50, header: http.Header{"A": {long}}},
		"calls":        {n: 1, calls: 100},
		"calls, ended": {n: 1, calls: 100, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			rec := NewRecorder(false, most)
			rec.settle = 0
			round := func() {
				for id := range uint64(test.n) {
					q := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
					w, q := rec.Begin(id+1, httptest.NewRecorder(), q, nil)
					_, _ = io.Copy(io.Discard, q.Body)
					for name, values := range test.header {
						w.Header()[name] = values
					}
					_, _ = io.WriteString(w, test.body)
					if test.late {
						rec.End(id+1, Outcome{Complete: true})
					}
					for range test.calls {
						if err := rec.Events(1, sink.p); err != nil {
							t.Fatal(err)
						}
					}
					if !test.late {
						rec.End(id+1, Outcome{Complete: true})
					}
					if used := rec.memory.used.Load(); used > most || used < 0 {
						t.Fatalf("%d bytes are used", used)
					}
				}
			}
			for n := 1; n <= 2; n++ {
				round()
				list := ready(rec)
				for _, e := range list {
					if e.Cut != "" || string(e.Response.Body) != test.body || string(e.Request.Body) != test.body || e.Response.Status != 200 {
						t.Fatalf("half an entry: %.200v", e)
					}
				}
				if all, ended := rec.Waiting(); all != 0 || ended != 0 || rec.memory.used.Load() != 0 {
					t.Errorf("%d wait, %d bytes are used", all, rec.memory.used.Load())
				}
				if test.n > 1 && len(list) == 0 || rec.Missing() == 0 || len(list)*n+rec.Missing() != n*test.n {
					t.Errorf("%d of %d are there, %d are said to be missing", len(list), test.n, rec.Missing())
				}
			}
		})
	}
}

type collect struct{ p []byte }

func (c *collect) Batch(_ uint32, p []byte, _, _ int) { c.p = append(c.p, p...) }

// TestSendToBadServers: whatever answers, sending ends.
func TestSendToBadServers(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "nonsense": "hello\r\n\r\n", "half": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
		"only a hint": "HTTP/1.1 100 Continue\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var done sync.WaitGroup
		done.Go(func() {
			c, err := l.Accept()
			if err == nil {
				_, _ = io.WriteString(c, answer)
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}
		})
		if _, err := Send(t.Context(), l.Addr().String(), &entry().Request); err == nil {
			t.Errorf("%s: no error", name)
		}
		l.Close()
		done.Wait()
	}
}
