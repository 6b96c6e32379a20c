//go:build linux

package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// fake is a source that says what it was told.
type fake struct {
	process Process
	answer  func(ctx context.Context) error // nil: at once, yes

	mu       sync.Mutex // guards all below
	lists    []string
	to       trace.Sink
	images   map[uint64]Image
	requests map[uint64]trace.About
	asked    int
}

func (f *fake) Trace(ctx context.Context, list []trace.Subscription, to trace.Sink) error {
	f.mu.Lock()
	var ids []string
	for _, s := range list {
		ids = append(ids, fmt.Sprint(s.ID, s.Filter.URL))
	}
	f.lists, f.to = append(f.lists, strings.Join(ids, " ")), to
	f.mu.Unlock()
	if f.answer != nil {
		return f.answer(ctx)
	}
	return nil
}

func (f *fake) Process() Process { return f.process }

func (f *fake) Image(n uint64) (Image, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	i, ok := f.images[n]
	return i, ok
}

func (f *fake) Request(n uint64) (trace.About, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	a, ok := f.requests[n]
	return a, ok
}

func (f *fake) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.lists, ", ")
}

// piece is a batch with n events of a request and an image.
func piece(t testing.TB, request, image uint64, n int) (p []byte) {
	t.Helper()
	tap := &trace.Tap{}
	if err := tap.Set([]trace.Subscription{{ID: 1}}, sinkFunc(func(b []byte) { p = append(p, b...) })); err != nil {
		t.Fatal(err)
	}
	r := tap.Begin(&trace.About{Request: request})
	for range n {
		c := r.Call(&trace.Image{Number: image}, trace.WriteClient, 0)
		c.Go()
		c.Back(1, 0)
		c.End()
	}
	r.End()
	if err := tap.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

type sinkFunc func([]byte)

func (f sinkFunc) Batch(_ uint32, p []byte, _, _ int) { f(p) }

func attach(t testing.TB, h *Hub, f trace.Filter) *Stream {
	t.Helper()
	st, err := h.Attach(t.Context(), "a test", f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st
}

// TestTold: each process is told who listens, all of them, once for each change, and of others' pools only what concerns it.
func TestTold(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	own := &fake{process: Process{Pid: 1}}
	a := &fake{process: Process{Pool: "a", Worker: "a/1", Pid: 2}}
	b := &fake{process: Process{Pool: "b", Worker: "b/1", Pid: 3}}
	bs := map[string]*fake{"b:win64": {}, "b@shop/": {}, "b@shop/:win64": {}, "bb": {}}
	for name, f := range bs {
		f.process = Process{Pool: name, Worker: name + "/1", Pid: 4}
		defer h.Add(f)()
	}
	removeOwn, removeA := h.Add(own), h.Add(a)
	one := attach(t, h, trace.Filter{URL: "/one"})
	two := attach(t, h, trace.Filter{URL: "/two", Pool: "b"})
	removeB := h.Add(b)
	one.Close()
	one.Close()
	removeB()
	removeB()
	two.Close()
	removeOwn()
	removeA()
	for _, c := range []struct {
		name string
		f    *fake
		want string
	}{
		{"own", own, "1/one, 1/one 2/two, 2/two, "},
		{"a", a, "1/one, "},
		{"b", b, "1/one 2/two, 2/two, "},
		{"b:win64", bs["b:win64"], "1/one, 1/one 2/two, 2/two, "},
		{"b@shop/", bs["b@shop/"], "1/one, 1/one 2/two, 2/two, "},
		{"b@shop/:win64", bs["b@shop/:win64"], "1/one, 1/one 2/two, 2/two, "},
		{"bb", bs["bb"], "1/one, "},
	} {
		if got := c.f.told(); got != c.want {
			t.Errorf("%s was told %q, want %q", c.name, got, c.want)
		}
	}
}

// TestRefused: a filter that cannot be read, and one listener too many.
func TestRefused(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	if _, err := h.Attach(t.Context(), "", trace.Filter{Client: "nobody"}); !errors.Is(err, ErrFilter) || !strings.Contains(err.Error(), `"nobody" is no address`) {
		t.Errorf("got %v", err)
	}
	for range Most {
		attach(t, h, trace.Filter{})
	}
	if _, err := h.Attach(t.Context(), "", trace.Filter{}); !errors.Is(err, ErrMany) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.Listeners()
	g := New("isapid/test")
	if _, err := g.Attach(ctx, "", trace.Filter{}); !errors.Is(err, context.Canceled) || len(g.Listeners()) != 0 {
		t.Errorf("got %v, %d listen", err, len(g.Listeners()))
	}
}

// TestMissing: who does not answer, or answers no, is named, does not hold up the others for longer than it may, and is told again.
func TestMissing(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	silent := &fake{process: Process{Pool: "p", Worker: "p/1", Pid: 1}, answer: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	refuses := &fake{process: Process{Pool: "p", Worker: "p/2", Pid: 2}, answer: func(context.Context) error { return errors.New("no room") }}
	fine := &fake{process: Process{Pool: "p", Worker: "p/3", Pid: 3}}
	for _, f := range []*fake{silent, refuses, fine} {
		remove := h.Add(f)
		t.Cleanup(remove)
	}
	st := attach(t, h, trace.Filter{})
	var hello Hello
	ctx, cancel := context.WithCancel(t.Context())
	_ = st.Run(ctx, func(p []byte) error {
		each(t, p, func(rec *Record) { hello = rec.Hello })
		cancel()
		return nil
	})
	got := fmt.Sprint(hello.Missing)
	if got != "[{{p p/1 1} it did not answer within 2s} {{p p/2 2} no room}]" {
		t.Errorf("missing: %s", got)
	}
	st.Close()
	if got := fine.told(); got != "1, " {
		t.Errorf("one that answers was told %q", got)
	}
	if got := refuses.told(); got != "1, " {
		t.Errorf("one that says no was told %q", got)
	}
}

// TestDictionary: what events are about is told once, in front of them, as far as the process has it.
func TestDictionary(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	f := &fake{
		process: Process{Pool: "p", Worker: "p/1", Pid: 1}, images: map[uint64]Image{1: {Number: 1, Path: "/x.so", Pool: "p", Generation: 2}},
		requests: map[uint64]trace.About{5: {Request: 5, Method: "GET", URL: "/five", Site: "s", App: "/", Pool: "p", Image: "x", Client: "c"}},
	}
	remove := h.Add(f)
	defer remove()
	st := attach(t, h, trace.Filter{})
	send := func(p []byte, dropped int) { f.to.Batch(st.id, p, 99, dropped) }
	send(piece(t, 5, 1, 3), 0)
	send(piece(t, 5, 1, 2), 0)
	send(piece(t, 6, 2, 1), 4) // which it does not have
	send(nil, 1)
	send([]byte("noise"), 0)
	send(append(piece(t, 5, 1, 1), "noise"...), 0)
	f.to.Batch(99, piece(t, 5, 1, 1), 1, 1) // nobody's
	var got []string
	r := NewReader(strings.NewReader(string(st.next(false))))
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		n, _ := trace.Scan(rec.Events, func(uint64, uint64) {})
		what := map[Kind]string{
			KindProcess: fmt.Sprint("process ", rec.Process), KindImage: fmt.Sprint("image ", rec.Image), KindRequest: "request " + rec.About.URL,
			KindBatch: "batch", KindDropped: "dropped",
		}[rec.Kind]
		got = append(got, fmt.Sprintf("%s %d %d", what, n, rec.Dropped))
	}
	want := []string{
		"process {p p/1 1} 0 0", "image {1 /x.so p 2} 0 0", "request /five 0 0", "batch 3 0", "batch 2 0", "batch 1 0", "dropped 0 6",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if a, ok := r.About(1, 5); !ok || a != f.requests[5] {
		t.Errorf("request 5 is %+v", a)
	}
	if _, ok := r.About(2, 5); ok {
		t.Error("the request of another process is known")
	}
	if l := h.Listeners()[0]; l.Events != 6 || l.Dropped != 6 || h.Dropped() != 6 {
		t.Errorf("%+v", l)
	}
}

// TestManyRequests: a stream remembers the last requests only, and tells of others again.
func TestManyRequests(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	f := &fake{requests: map[uint64]trace.About{}}
	for n := uint64(1); n <= 3*maxTold; n++ {
		f.requests[n] = trace.About{Request: n, Method: "GET"}
	}
	remove := h.Add(f)
	defer remove()
	st := attach(t, h, trace.Filter{})
	r := NewReader(nil)
	for n := uint64(1); n <= 3*maxTold; n++ {
		f.to.Batch(st.id, piece(t, n, 0, 1), 1, 0)
		f.to.Batch(st.id, piece(t, max(n, 11)-10, 0, 1), 1, 0)
		r.r.Reset(strings.NewReader(string(st.next(false))))
		for {
			rec, err := r.Next()
			if err != nil {
				break
			}
			if rec.Kind == KindBatch {
				if _, err := trace.Scan(rec.Events, func(id, _ uint64) {
					if _, ok := r.About(rec.Source, id); !ok {
						t.Errorf("request %d is not known", id)
					}
				}); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if len(st.requests.known) > maxTold+1 || len(r.requests) > maxRequests {
		t.Errorf("%d requests are remembered by the stream, %d by its reader", len(st.requests.known), len(r.requests))
	}
}

// TestRunEnds: a listener who is gone ends the stream, and so does its context; alive says that all is well when nothing happens.
func TestRunEnds(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	st := attach(t, h, trace.Filter{})
	gone := errors.New("gone")
	if err := st.Run(t.Context(), func([]byte) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alive := false
	err := st.Run(ctx, func(p []byte) error {
		each(t, p, func(rec *Record) {
			if rec.Kind == KindAlive {
				alive = true
				cancel()
			}
		})
		return nil
	})
	if err != nil || !alive {
		t.Errorf("alive %v, %v", alive, err)
	}
}

// TestReader: what a reader does with streams that are none.
func TestReader(t *testing.T) {
	good := string(appendAlive(appendDropped(nil, 5)))
	for _, c := range []struct{ name, stream, err string }{
		{"nothing", "", "EOF"},
		{"whole", good, "EOF"},
		{"cut header", good + "\x01", "unexpected EOF"},
		{"cut", good[:len(good)-1], "unexpected EOF"},
		{"empty record", "\x00\x00\x00\x00", errRecord.Error()},
		{"long", "\xff\xff\xff\xff\x01", errRecord.Error()},
		{"announced", "\x00\x00\x10\x00\x01", "unexpected EOF"},
		{"unknown kind", "\x02\x00\x00\x00\x63\x01" + good, "EOF"},
		{"no JSON", "\x02\x00\x00\x00\x01x", errRecord.Error() + ": invalid character 'x' looking for beginning of value"},
		{"other version", "\x0e\x00\x00\x00\x01{\"version\":9}", "the server tells of calls in version 9, this program reads 1"},
		{"short process", "\x02\x00\x00\x00\x02\x01", errRecord.Error()},
		{"long text", "\x04\x00\x00\x00\x02\x01\x09a", errRecord.Error()},
		{"number", "\x0b\x00\x00\x00\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", errRecord.Error()},
		{"more than is known", "\x04\x00\x00\x00\x06\x05zz", "EOF"},
	} {
		r := NewReader(strings.NewReader(c.stream))
		err := error(nil)
		for err == nil {
			_, err = r.Next()
		}
		if err.Error() != c.err {
			t.Errorf("%s: got %v, want %s", c.name, err, c.err)
		}
	}
}

// FuzzReader: a stream that may be anybody's does no harm, and does not fill the memory.
func FuzzReader(f *testing.F) {
	b := appendHello(nil, &Hello{Version: Version})
	b = appendProcess(b, 1, &Process{Pool: "p", Worker: "p/1", Pid: 5})
	b = appendImage(b, 1, &Image{Number: 1, Path: "/x.so"})
	b = appendRequest(b, 1, &trace.About{Request: 5, URL: "/"})
	b = appendBatch(b, 1, piece(f, 5, 1, 3))
	f.Add(appendAlive(appendDropped(b, 1)))
	f.Fuzz(func(t *testing.T, p []byte) {
		r := NewReader(strings.NewReader(string(p)))
		for {
			rec, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) && rec.Kind != 0 {
					t.Fatalf("%v, and %+v", err, rec)
				}
				return
			}
			_ = trace.Decode(rec.Events, func(*trace.Event) error { return nil })
		}
	})
}

// TestManyAtOnce: streams come and go, sources come and go, and events come, all at once.
func TestManyAtOnce(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	p := piece(t, 5, 1, 3)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				f := &fake{requests: map[uint64]trace.About{5: {Request: 5}}}
				remove := h.Add(f)
				f.mu.Lock()
				to := f.to
				f.mu.Unlock()
				for range rand.IntN(20) {
					if to != nil {
						to.Batch(uint32(rand.IntN(100)), p, 3, 0)
					}
				}
				remove()
			}
		})
		all.Go(func() {
			for range 200 {
				st, err := h.Attach(t.Context(), "a test", trace.Filter{})
				if errors.Is(err, ErrMany) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(2))*time.Millisecond)
				if err := st.Run(ctx, func([]byte) error { return nil }); err != nil {
					t.Error(err)
				}
				cancel()
				st.Close()
			}
		})
	}
	all.Wait()
	if n := len(h.Listeners()); n > 0 || len(h.sources) > 0 {
		t.Errorf("%d listen, to %d", n, len(h.sources))
	}
}

// BenchmarkTake is what a batch of a small request costs the server: six events, whose request is new.
func BenchmarkTake(b *testing.B) {
	h := New("isapid/test")
	f := &fake{requests: map[uint64]trace.About{}}
	s := h.register(f)
	st := newStream(h, 1, "", trace.Filter{})
	p := piece(b, 5, 1, 6)
	f.requests[5] = trace.About{Request: 5, Method: "GET", URL: "/x", Site: "default", App: "/", Client: "127.0.0.1:4711"}
	b.ReportAllocs()
	for b.Loop() {
		clear(st.requests.known)
		st.take(s, p, 0)
		st.buf = st.buf[:0]
	}
}
