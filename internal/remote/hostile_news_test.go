//go:build linux

package remote_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testwait"
	"github.com/isapid/isapid/internal/trace"
)

// Kinds of frames that tell of images.
const (
	traced = 19
	board  = 20
)

func foundOf(image, times byte, kind string, request uint64) []byte {
	return append(append(text("found"), image, times), fmt.Sprintf(`{"Kind":%q,"Image":"/etc/passwd","Text":"why","Request":%d}`, kind, request)...)
}

type counted struct {
	name   string
	delta  float64
	labels []string
}

func countersOf(image byte, list ...counted) []byte {
	b := append(text("counter"), image)
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, c := range list {
		b = append(append(b, text(c.name)...), byte(len(c.labels)))
		for _, l := range c.labels {
			b = append(b, text(l)...)
		}
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.delta))
	}
	return b
}

func (v *villain) note(payload []byte) { v.send(framed(note, 0, 0, payload...)) }

// newsCrimes are what a worker tells of its images.
var newsCrimes = map[string]func(v *villain, id uint64, payload []byte){
	// These break a rule.
	"bad-fault":         func(v *villain, _ uint64, _ []byte) { v.note(append(text("faulted"), "\x01fault"...)) },
	"bad-found":         func(v *villain, _ uint64, _ []byte) { v.note(append(text("found"), "\x01\x01found"...)) },
	"found-never":       func(v *villain, _ uint64, _ []byte) { v.note(foundOf(1, 0, "two_async", 0)) },
	"bad-counters":      func(v *villain, _ uint64, _ []byte) { v.note(append(text("counter"), 1, 2, 3)) },
	"many-counters":     func(v *villain, _ uint64, _ []byte) { v.note(countersOf(1, make([]counted, 1001)...)) },
	"many-labels":       func(v *villain, _ uint64, _ []byte) { v.note(countersOf(1, counted{"jobs", 1, make([]string, 17)})) },
	"level":             func(v *villain, _ uint64, _ []byte) { v.note(append(text("level"), 0, 0)) },
	"bad-trace":         func(v *villain, _ uint64, _ []byte) { v.send(framed(traced, 0, 0, 0xff)) },
	"trace-of-exchange": func(v *villain, id uint64, _ []byte) { v.send(framed(traced, 0, id, 1, 1, 0)) },
	"board":             func(v *villain, _ uint64, _ []byte) { v.withDescriptors(framed(board, 0, 0, 0x80, 0x80, 0x80, 1), 1) },
	"trace":             func(v *villain, id uint64, _ []byte) { v.send(framed(control, 0, id+1, text("trace")...)) },

	// These do not.
	"finds": func(v *villain, id uint64, _ []byte) {
		v.note(foundOf(1, 7, "two_async", theID))
		v.note(foundOf(1, 1, "two_async", theID+1))
		v.note(foundOf(1, 1, "own kind", theID))
		v.note(foundOf(9, 1, "two_async", theID))
		for range 1000 {
			v.note(foundOf(1, 1, "two_async", 0))
		}
		v.send(page(id, "fine")...)
	},
	"counts": func(v *villain, id uint64, _ []byte) {
		v.note(countersOf(9, counted{"jobs", 1, nil}))
		v.note(countersOf(1,
			counted{"jobs", 2, []string{"kind", "a b"}}, counted{"jobs", math.NaN(), nil}, counted{"jobs", math.Inf(1), nil}, counted{"jobs", -1, nil},
			counted{"", 1, nil}, counted{"Jobs", 1, nil}, counted{"jo bs", 1, nil}, counted{"1jobs", 1, nil}, counted{strings.Repeat("x", 65), 1, nil},
			counted{"jobs", 1, []string{"kind"}}, counted{"jobs", 1, []string{"KIND", "a"}}, counted{"jobs", 1, []string{"kind", "a\nb"}},
			counted{"jobs", 1, []string{"kind", "\x1b[2J"}}, counted{"jobs", 1, []string{"kind", "\xff"}}, counted{"jobs", 1, []string{"kind", strings.Repeat("x", 129)}},
			counted{"jobs", 1, make([]string, 10)},
		))
		for n := range 200 {
			v.note(countersOf(1, counted{fmt.Sprint("name_", n), 1, nil}))
		}
		for n := range 2000 {
			v.note(countersOf(1, counted{"jobs", 1, []string{"n", fmt.Sprint(n)}}))
		}
		v.send(page(id, "fine")...)
	},
	"faults": func(v *villain, id uint64, _ []byte) {
		frames := strings.Repeat(`{"Symbol":"f"},`, 10_000)
		v.note(append(append(text("faulted"), 1), fmt.Sprintf(`{"Text":%q,"Request":%d,"Stack":[%s{}]}`, strings.Repeat("x", 100_000), theID+1, frames)...))
		v.note(append(append(text("faulted"), 9), `{"Text":"of another"}`...))
		v.send(page(id, "fine")...)
	},
	"traces": func(v *villain, id uint64, _ []byte) {
		for n := range 1000 {
			p := make([]byte, 3+v.IntN(1000))
			for i := range p {
				p[i] = byte(v.Uint32() & 0x7f)
			}
			p[0] = byte(n & 7)
			v.send(framed(traced, 0, 0, p...))
		}
		v.send(page(id, "fine")...)
	},
	"board-noise": func(v *villain, id uint64, _ []byte) {
		f := v.given()
		b := make([]byte, 2<<20)
		v.send(page(id, "fine")...)
		for {
			for i := range b {
				if b[i] = byte(v.Uint32()); v.IntN(2) == 0 {
					b[i] = byte(v.Uint32() & 3)
				}
			}
			copy(b, "bpd1\xff\xff\xff\xff")
			if _, err := f.WriteAt(b, 0); err != nil {
				panic(err)
			}
		}
	},
}

// given is the board.
func (v *villain) given() *os.File {
	if v.c != nil {
		return <-v.files
	}
	f, err := os.OpenFile(v.board, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	return f
}

// TestNewsVillains: what breaks a rule costs the worker its life.
func TestNewsVillains(t *testing.T) {
	for _, part := range []string{
		"bad-fault", "bad-found", "found-never", "bad-counters", "many-counters", "many-labels", "level", "bad-trace", "trace-of-exchange", "board", "trace",
	} {
		t.Run(part, func(t *testing.T) {
			s := newScene(t)
			w, i := s.villain(part, 1, 0)
			s.ask(w, i, false)
			if obit := s.dead(w); !strings.HasPrefix(obit.Reason, "protocol error: ") {
				t.Errorf("the obituary says %q: %v", obit.Reason, obit)
			}
		})
	}
}

// heard is what was told of the images of a worker.
type heard struct {
	mu     sync.Mutex
	finds  []executor.Finding
	times  []int
	counts []string
	faults []*executor.FaultInfo
	pieces int
}

func (h *heard) look(s *remote.Settings) {
	s.Found = func(_ *remote.Worker, f *executor.Finding, times int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.finds, h.times = append(h.finds, *f), append(h.times, times)
	}
	s.Count = func(_ *remote.Worker, i remote.ImageInfo, name string, labels []string, delta float64) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.counts = append(h.counts, fmt.Sprintf("%s %s%q %v", i.Path, name, labels, delta))
	}
	s.Notify = func(e remote.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if e.Fault != nil {
			h.faults = append(h.faults, e.Fault)
		}
	}
	s.Traced = func(*remote.Worker, uint32, []byte, int, int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pieces++
	}
}

// hear runs a request that a villain answers well, and gives what it told by then.
func hear(t *testing.T, part string) (*heard, *remote.Worker) {
	t.Helper()
	s, h := newScene(t), &heard{}
	s.look = h.look
	w, i := s.villain(part, 1, 0)
	if o := s.ask(w, i, false); o.err != nil || o.rec.Body.String() != "fine" {
		t.Fatalf("%+v", o)
	}
	t.Cleanup(func() {
		w.Kill("the test is over")
		s.dead(w)
	})
	h.mu.Lock()
	t.Cleanup(h.mu.Unlock)
	return h, w
}

// TestFinds: what a worker says to have found is that of its own images and requests, of a kind there is, and not too much.
func TestFinds(t *testing.T) {
	h, _ := hear(t, "finds")
	if len(h.finds) < 3 || len(h.finds) > 100 {
		t.Fatalf("%d are passed on", len(h.finds))
	}
	for n, f := range h.finds {
		want := uint64(0)
		if n == 0 {
			want = theID
		}
		if f.Image != "none.so" || f.Kind != executor.TwoAsync || f.Text != "why" || f.Request != want || time.Since(f.At) > time.Minute {
			t.Errorf("%d: %+v", n, f)
		}
	}
	if h.times[0] != 7 {
		t.Errorf("it was found %d times, want 7", h.times[0])
	}
}

// TestCounts: counters of a worker have names and labels that can be shown, and there are not too many.
func TestCounts(t *testing.T) {
	h, _ := hear(t, "counts")
	if len(h.counts) != 1+99+900 || h.counts[0] != `none.so jobs["kind" "a b"] 2` || h.counts[1] != `none.so name_0[] 1` {
		t.Errorf("%d counters, the first are %q", len(h.counts), h.counts[:min(len(h.counts), 5)])
	}
}

// TestFaultsTold: a fault that a worker tells of is short, and of its own images.
func TestFaultsTold(t *testing.T) {
	h, _ := hear(t, "faults")
	if len(h.faults) != 1 {
		t.Fatalf("%d faults", len(h.faults))
	}
	if f := h.faults[0]; len(f.Text) != 4096 || len(f.Stack) != 64 || f.Request != 0 || f.Stack[0].Symbol != "f" {
		t.Errorf("%d bytes of text, %d frames, request %d", len(f.Text), len(f.Stack), f.Request)
	}
}

// TestTracesTold: events that are none are passed on, for the hub to look at, and hurt nobody.
func TestTracesTold(t *testing.T) {
	if h, _ := hear(t, "traces"); h.pieces != 1000 {
		t.Errorf("%d pieces, want 1000", h.pieces)
	}
}

// TestBoardOfVillain: whatever a worker writes to its board, reading it does no harm, and no request or image of others is in it.
func TestBoardOfVillain(t *testing.T) {
	_, w := hear(t, "board-noise")
	check := func(b trace.Board, ok bool) int {
		if !ok {
			t.Error("there is no board")
		}
		n := 0
		for _, th := range b.Threads {
			for _, c := range slices.Concat(th.Open, th.Last) {
				if n++; c.Request != 0 && c.Request != theID || c.Image > 1 {
					t.Errorf("%+v", c)
				}
			}
		}
		return n
	}
	testwait.Until(t, "there is noise on the board", func() bool { b, ok := w.Board(); return check(b, ok) > 0 })
	for range 50 {
		b, ok := w.Board()
		check(b, ok)
	}
	w.Kill("it makes noise")
	<-w.Gone()
	b, ok := w.Board()
	check(b, ok)
	if o := w.Obituary(); o.Board == nil {
		t.Error("the obituary has no board")
	}
}
