package worker

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
)

// taken is what the front is told.
type taken struct {
	t      *testing.T
	mu     sync.Mutex // guards all below
	times  map[string]int
	notes  int
	counts map[string]float64
}

func take(t *testing.T) (*news, *taken) {
	k := &taken{t: t, times: map[string]int{}, counts: map[string]float64{}}
	return &news{tell: k.tell}, k
}

func (k *taken) tell(topic string, payload []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes++
	switch topic {
	case wire.NoteFound:
		image, f, times, err := wire.DecodeFound(payload)
		if err != nil {
			k.t.Error(err)
			return
		}
		k.times[fmt.Sprint(image, f.Kind, f.Call, f.Stack)] += times
	case wire.NoteCounter:
		image, list, err := wire.DecodeCounters(payload)
		if err != nil {
			k.t.Error(err)
		}
		for _, c := range list {
			k.counts[fmt.Sprintf("%d %s%q", image, c.Name, c.Labels)] += c.Delta
		}
	default:
		k.t.Errorf("told %q", topic)
	}
}

// quiet waits until there is nothing more to tell.
func quiet(t *testing.T, n *news) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		n.mu.Lock()
		armed := n.armed
		n.mu.Unlock()
		if !armed {
			return
		}
		if time.Now().After(end) {
			t.Fatal("there is no end to it")
		}
	}
}

// TestFindings: the first of its like is told at once, the others later and together, and none is forgotten.
func TestFindings(t *testing.T) {
	n, k := take(t)
	n.found(1, &executor.Finding{Kind: executor.TwoAsync, Call: "ReadClient"})
	if k.notes != 1 {
		t.Fatalf("%d notes for the first one", k.notes)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10_000 {
				n.found(1, &executor.Finding{Kind: executor.TwoAsync, Call: "ReadClient"})
				n.found(2, &executor.Finding{Kind: executor.TwoAsync, Call: "ReadClient", Stack: []string{"here", "there"}})
			}
		})
	}
	all.Wait()
	quiet(t, n)
	one, two := k.times["1two_asyncReadClient[]"], k.times["2two_asyncReadClient[here there]"]
	if one != 40_001 || two != 40_000 || len(k.times) != 2 || k.notes > 50 {
		t.Errorf("told of %d and %d in %d notes: %v", one, two, k.notes, k.times)
	}
	if len(n.finds) != 0 {
		t.Errorf("%d are kept", len(n.finds))
	}
	for i := range 10_000 {
		n.found(1, &executor.Finding{Kind: executor.WrongSize, Call: fmt.Sprint(i)})
	}
	if len(n.finds) > maxFinds {
		t.Errorf("%d are kept", len(n.finds))
	}
	quiet(t, n)
}

// TestCounters: counters are told together, by image and labels, and not too many.
func TestCounters(t *testing.T) {
	n, k := take(t)
	labels := []string{"kind", "big"}
	for range 1000 {
		n.count(1, "jobs", labels, 0.5)
		n.count(2, "jobs", nil, 1)
	}
	labels[1] = "changed"
	n.flush()
	want := map[string]float64{`1 jobs["kind" "big"]`: 500, `2 jobs[]`: 1000}
	for key, v := range want {
		if k.counts[key] != v {
			t.Errorf("%s is %v, want %v", key, k.counts[key], v)
		}
	}
	n.count(1, "jobs", slices.Repeat([]string{"x"}, 17), 1)
	for i := range 5000 {
		n.count(3, fmt.Sprint("n", i), nil, 1)
	}
	quiet(t, n)
	if len(k.counts) != 2+maxSeries || k.notes > 10 {
		t.Errorf("told of %d counters in %d notes", len(k.counts), k.notes)
	}
}
