package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

func ended(status int) Result { return Result{Result: executor.Result{Status: status}} }

// TestExchange: everything that a request and an answer have goes over.
func TestExchange(t *testing.T) {
	leavesNothing(t)
	front, _ := pair(t, func(x *Exchange) {
		body, err := io.ReadAll(x.Body())
		if err != nil {
			t.Error(err)
		}
		r, err := x.Req.HTTP.Request(x.Context(), x.Body())
		if err != nil {
			t.Error(err)
		}
		x.Header().Set("A", "early")
		x.WriteHeader(103)
		x.SetReason("Fine")
		x.Header().Set("B", r.Method+" "+r.URL.Path)
		x.WriteHeader(201)
		x.WriteHeader(500) // too late
		fmt.Fprintf(x, "%d bytes", len(body))
		x.Flush()
		io.WriteString(x, ".")
		x.HangUp()
		x.End(Result{Result: executor.Result{Status: 201, LogData: "log", Fault: errors.New("fault"), Win32: 5}})
	})
	q := post(6)
	q.HTTP.Body, q.HTTP.Whole = []byte("abcdef"), true
	a := &client{}
	var body bytes.Buffer
	w := &page{}
	w.write = body.Write
	res := must(t, do(t, front, w, q, nil, a, nil))
	if res.Status != 201 || res.LogData != "log" || res.Fault == nil || res.Win32 != 5 || !res.HangUp {
		t.Errorf("%+v", res)
	}
	if w.status != 201 || len(w.interim) != 1 || w.header.Get("A") != "early" || w.header.Get("B") != "POST /" || body.String() != "6 bytes." || w.flushes != 1 {
		t.Errorf("%+v %q", w, body.String())
	}
	if a.reason != "Fine" || !a.hangUp {
		t.Errorf("%+v", a)
	}
}

// stuck is a page whose client takes nothing until it is let go.
func stuck(sum hash.Hash) (w *page, letGo func()) {
	gate := make(chan struct{})
	w = &page{}
	w.write = func(b []byte) (int, error) {
		<-gate
		w.n += len(b)
		return sum.Write(b)
	}
	return w, sync.OnceFunc(func() { close(gate) })
}

// TestWindow: a client that does not read stops its own answer after a window, and nobody else's.
func TestWindow(t *testing.T) {
	leavesNothing(t)
	const size = 8 << 20
	sent := sha256.New() // of the one exchange that is slow
	var written atomic.Int64
	var slow atomic.Pointer[Exchange]
	front, _ := pair(t, func(x *Exchange) {
		if x.Req.HTTP.Method != "POST" {
			io.WriteString(x, "quick")
			x.End(ended(200))
			return
		}
		slow.Store(x)
		for b := bytes.Repeat([]byte("0123456789abcde\n"), 1000); written.Load() < size; {
			n, err := x.Write(b)
			written.Add(int64(n))
			sent.Write(b[:n])
			if err != nil {
				t.Error(err)
			}
		}
		x.End(Result{Result: executor.Result{LogData: fmt.Sprintf("%x", sent.Sum(nil))}})
	})
	got := sha256.New()
	w, letGo := stuck(got)
	defer letGo()
	q := post(0)
	q.HTTP.Whole = true
	answer := do(t, front, w, q, nil, &client{}, nil)
	until(t, "the window is used up", func() bool {
		x := slow.Load()
		if x == nil {
			return false
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.window == 0
	})
	for range 100 {
		must(t, do(t, front, &page{}, get(), nil, &client{}, nil))
	}
	if n := written.Load(); n > Window {
		t.Errorf("%d bytes are written, the window is %d", n, Window)
	}
	letGo()
	if res := must(t, answer); res.LogData != fmt.Sprintf("%x", got.Sum(nil)) {
		t.Errorf("%d bytes came, and others than the %d that were sent", w.n, written.Load())
	}
}

// TestManyShortFrames: an extension that flushes without end at a client that does not read does not break a limit.
func TestManyShortFrames(t *testing.T) {
	leavesNothing(t)
	times := 200_000
	if runtime.GOOS == "windows" { // each is a write of its own, which by Wine takes long
		times = 10_000
	}
	front, _ := pair(t, func(x *Exchange) {
		for range times {
			x.Write([]byte("x"))
			x.Flush()
			x.Flush()
		}
		x.End(ended(200))
	})
	w, letGo := stuck(sha256.New())
	defer letGo()
	answer := do(t, front, w, get(), nil, &client{}, nil)
	until(t, "all of it is here", func() bool {
		front.mu.Lock()
		defer front.mu.Unlock()
		return front.err != nil || front.nextID.Load() > 1 && len(front.asked) == 0
	})
	letGo()
	must(t, answer)
	if w.n != times {
		t.Errorf("%d bytes came", w.n)
	}
}

// random is a body of size bytes that nobody could guess, and its sum.
type random struct {
	left int
	x    uint64
	sum  hash.Hash
}

func newRandom(size int, seed uint64) *random { return &random{size, seed | 1, sha256.New()} }

func (r *random) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), r.left)
	for i := range p[:n] {
		if i&7 == 0 {
			r.x ^= r.x << 13
			r.x ^= r.x >> 7
			r.x ^= r.x << 17
		}
		p[i] = byte(r.x >> (8 * (i & 7)))
	}
	r.left -= n
	r.sum.Write(p[:n])
	return n, nil
}

// TestBothWays: 64 MiB each way at the same time, in two exchanges at a time.
func TestBothWays(t *testing.T) {
	leavesNothing(t)
	size := 64 << 20
	if testing.Short() {
		size = 4 << 20
	}
	front, _ := pair(t, func(x *Exchange) {
		down := newRandom(size, 99)
		var writing sync.WaitGroup
		writing.Go(func() {
			if n, err := io.Copy(writerOnly{x}, down); n != int64(size) || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
		up := sha256.New()
		if n, err := io.Copy(up, x.Body()); n != int64(size) || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		writing.Wait()
		x.End(Result{Result: executor.Result{LogData: fmt.Sprintf("%x %x", up.Sum(nil), down.sum.Sum(nil))}})
	})
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			up, down := newRandom(size, uint64(i)+7), sha256.New()
			w := &page{write: down.Write}
			a := &client{}
			res := must(t, do(t, front, w, post(int64(size)), up, a, nil))
			if want := fmt.Sprintf("%x %x", up.sum.Sum(nil), down.Sum(nil)); res.LogData != want {
				t.Errorf("sums are %s, want %s", res.LogData, want)
			}
			if a.hangUp {
				t.Error("the connection is to be closed, though the body was read to its end")
			}
		})
	}
	all.Wait()
}

// TestThousand: a thousand exchanges at a time, each with its own answer.
func TestThousand(t *testing.T) {
	leavesNothing(t)
	const many = 1000
	var inside sync.WaitGroup
	inside.Add(many)
	front, worker := pair(t, func(x *Exchange) {
		inside.Done()
		inside.Wait() // all of them are there
		body, err := io.ReadAll(x.Body())
		if err != nil {
			t.Error(err)
		}
		x.Header().Set("Path", x.Req.HTTP.Path)
		x.Write(body)
		x.End(ended(200))
	})
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			q := post(-1)
			q.HTTP.Path = fmt.Sprint("/", i)
			text := strings.Repeat(q.HTTP.Path, 1000)
			var got strings.Builder
			w := &page{}
			w.write = func(p []byte) (int, error) { return got.Write(p) }
			res, _, err := front.Do(t.Context(), w, q, strings.NewReader(text), nil, &client{}, nil)
			if err != nil || res.Status != 200 || got.String() != text || w.header.Get("Path") != q.HTTP.Path {
				t.Errorf("%s: %+v %v, %d bytes for %q", q.HTTP.Path, res, err, got.Len(), w.header.Get("Path"))
			}
		})
	}
	all.Wait()
	for _, l := range []*running{front, worker} {
		l.mu.Lock()
		if len(l.asked)+len(l.served) > 0 {
			t.Errorf("%d and %d exchanges are left", len(l.asked), len(l.served))
		}
		l.mu.Unlock()
	}
}

// TestCancel: a client that leaves is told to the other end, which ends the exchange itself.
func TestCancel(t *testing.T) {
	leavesNothing(t)
	inside := make(chan struct{})
	front, _ := pair(t, func(x *Exchange) {
		close(inside)
		<-x.Context().Done()
		x.End(ended(204))
	})
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan answer3, 1)
	go func() {
		var r answer3
		r.res, r.began, r.err = front.Do(ctx, &page{}, get(), nil, nil, &client{}, nil)
		answer <- r
	}()
	soon(t, "the request", inside)
	cancel()
	if res := must(t, answer); res.Status != 204 {
		t.Errorf("%+v", res)
	}
}

// TestLeft: when the end that asked has left, whatever the other end does about the exchange comes to an end.
func TestLeft(t *testing.T) {
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, act := range map[string]func(t *testing.T, x *Exchange){
		"question": func(t *testing.T, x *Exchange) {
			if ok, _, _ := x.Ask(AskMap, []byte("/")); ok {
				t.Error("a question is answered")
			}
		},
		"abort": func(t *testing.T, x *Exchange) {
			if ok, _, _ := x.Ask(AskAbort, nil); ok {
				t.Error("the connection is said to be closed")
			}
		},
		"write": func(t *testing.T, x *Exchange) {
			for range 100 {
				if _, err := x.Write(make([]byte, 64<<10)); errors.Is(err, syscall.ECONNRESET) {
					return
				}
			}
			t.Error("one can write without end")
		},
		"file": func(t *testing.T, x *Exchange) {
			f, err := os.Open(big)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			x.mu.Lock()
			x.gone = nil // as if the news had not come yet
			x.mu.Unlock()
			if n, err := x.ReadFrom(&io.LimitedReader{R: f, N: 1 << 20}); !plain && (n != 0 || err == nil) { // plain: its bytes are dropped
				t.Errorf("%d bytes of a file are sent, %v", n, err)
			}
		},
		"child": func(t *testing.T, x *Exchange) {
			q := get()
			q.For, q.Parent = ForChild, x.ID()
			res, _, err := x.Link().Do(context.Background(), &page{}, q, nil, nil, &client{}, nil)
			if err != nil || !res.Broken {
				t.Errorf("%+v, %v", res, err)
			}
		},
		"body": func(t *testing.T, x *Exchange) {
			x.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if _, err := x.Body().Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			left, done := make(chan struct{}), make(chan struct{})
			inside := make(chan struct{})
			front, _ := pair(t, func(x *Exchange) {
				close(inside)
				<-x.Context().Done()
				<-left
				act(t, x)
				x.End(ended(200))
				close(done)
			})
			leave := make(chan struct{})
			w := &page{}
			answer := do(t, front, w, post(-1), strings.NewReader("body"), &client{}, leave)
			soon(t, "the request", inside)
			close(leave)
			if r := soon(t, "the end", answer); !errors.Is(r.err, ErrLeft) || r.began {
				t.Errorf("%+v", r)
			}
			close(left)
			soon(t, "the end of the other side", done)
			until(t, "the exchange is over", func() bool {
				front.mu.Lock()
				defer front.mu.Unlock()
				return len(front.asked) == 0
			})
			if w.status != 0 || w.n != 0 {
				t.Errorf("somebody who left got %d and %d bytes", w.status, w.n)
			}
		})
	}
}

// TestLeftWhileBusy: who has always something to do notices, too, that its time is over.
func TestLeftWhileBusy(t *testing.T) {
	leavesNothing(t)
	front, p := against(t, &owner{})
	leave := make(chan struct{})
	w, writes := &page{}, 0
	w.write = func(b []byte) (int, error) {
		if writes++; writes == 5 {
			close(leave)
		}
		front.mu.Lock()
		c := front.asked[3]
		front.mu.Unlock()
		p.put(dataFrame(3, 1))
		until(t, "the next byte is here", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.in) > 0
		})
		return len(b), nil
	}
	answer := do(t, front, w, get(), nil, &client{}, leave)
	p.want(kRequest)
	p.put(join(headFrame(3, 200), dataFrame(3, 1)))
	if r := soon(t, "the end", answer); !errors.Is(r.err, ErrLeft) || !r.began || writes != 5 {
		t.Errorf("%+v after %d writes", r, writes)
	}
}
