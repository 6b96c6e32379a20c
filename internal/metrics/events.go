package metrics

import (
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
)

// counter is a family of counters with at most three labels. It is not for what every request does.
type counter struct {
	mu     sync.Mutex
	values map[[3]string]float64
}

// mostValues bounds the label values of one family.
const mostValues = 1000

func (c *counter) add(n float64, labels ...string) {
	var k [3]string
	for i, l := range labels {
		k[i] = clean(l)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		c.values = map[[3]string]float64{}
	}
	if _, known := c.values[k]; !known && len(c.values) >= mostValues {
		for i := range labels {
			k[i] = other
		}
	}
	c.values[k] += n
}

// each shows every value with its n labels.
func (c *counter) each(n int, show func(value float64, labels []string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, v := range c.values {
		show(v, k[:n:n])
	}
}

// events are what happens seldom.
type events struct {
	swaps    counter // image, result
	held     counter // image: requests that waited in swaps
	swapLost counter // image: requests that swaps lost
	misuse   counter // image, kind

	crashes  counter // pool, kind
	lost     counter // pool: requests that were in workers that died
	recycles counter // pool, reason

	mu       sync.Mutex          // guards all below
	pools    map[string]*watched // what was seen of each pool at the last look
	receipts map[string]receipt  // of the last swap of each image
}

// receipt is what was counted of a swap, whose receipt is told more than once.
type receipt struct {
	id         string
	held, lost int64
}

// watched is what the status of a pool said at the last look.
type watched struct {
	death             time.Time // the last one that was counted
	crashes, recycles int
}

func (e *events) init() { e.pools, e.receipts = map[string]*watched{}, map[string]receipt{} }

func (e *events) swapped(r *swap.Receipt) {
	e.swaps.add(1, r.Image, strings.ReplaceAll(string(r.Outcome), " ", "_"))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests(r)
}

// requests counts what a swap did to requests since its receipt was seen before. The lock is held.
func (e *events) requests(r *swap.Receipt) {
	last, known := e.receipts[r.Image]
	switch {
	case !known && len(e.receipts) >= mostValues, known && r.ID < last.id: // an older one
		return
	case r.ID > last.id:
		last = receipt{id: r.ID}
	}
	if n := int64(r.Held) - last.held; n > 0 {
		e.held.add(float64(n), r.Image)
		last.held += n
	}
	if n := r.Lost - last.lost; n > 0 {
		e.swapLost.add(float64(n), r.Image)
		last.lost += n
	}
	e.receipts[r.Image] = last
}

func (e *events) found(f *executor.Finding, times int) {
	e.misuse.add(float64(times), f.Image, string(f.Kind))
}

// look counts what happened in the pools since the last look, and what the last swaps have done since. The pools remember the last deaths
// only: of those that crashed before, the kind is not known.
func (e *events) look(pools []admin.Pool, images []swap.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range images {
		if r := images[i].Last; r != nil {
			e.requests(r)
		}
	}
	there := map[string]bool{}
	for i := range pools {
		p := &pools[i]
		there[p.Name] = true
		w := e.pools[p.Name]
		if w == nil || p.Totals.Crashes < w.crashes || p.Totals.Recycles < w.recycles { // it is another one of that name
			w = &watched{}
			e.pools[p.Name] = w
		}
		e.deaths(p, w)
		if n := p.Totals.Recycles - w.recycles; n > 0 {
			e.recycles.add(float64(n), p.Name, recycleReason(p.Because))
			w.recycles = p.Totals.Recycles
		}
	}
	for name := range e.pools {
		if !there[name] {
			delete(e.pools, name)
		}
	}
}

// deaths counts the workers of a pool that have ended since the last look, but for those that were to end.
func (e *events) deaths(p *admin.Pool, w *watched) {
	seen, fresh := 0, 0
	for i := range p.Deaths {
		d := &p.Deaths[i]
		if !d.At.After(w.death) {
			continue
		}
		fresh++
		if d.Lost > 0 {
			e.lost.add(float64(d.Lost), p.Name)
		}
		if !d.Expected {
			seen++
			e.crashes.add(1, p.Name, deathKind(d))
		}
	}
	if more := p.Totals.Crashes - w.crashes - seen; fresh > 0 && fresh == len(p.Deaths) && more > 0 {
		e.crashes.add(float64(more), p.Name, "unknown") // older than those the pool remembers
	}
	if n := len(p.Deaths); n > 0 {
		w.death = p.Deaths[n-1].At
	}
	w.crashes = p.Totals.Crashes
}

// deathKind says in a word how a worker ended: the name of a signal, exit, out_of_memory, killed (by the server), disowned, protocol.
func deathKind(d *pool.Death) string {
	_, signal, _ := strings.Cut(d.How, "(")
	signal, _, _ = strings.Cut(signal, ")")
	switch {
	case strings.HasPrefix(d.Reason, "killed: "):
		return "killed"
	case strings.HasPrefix(d.Reason, "disowned: "):
		return "disowned"
	case strings.HasPrefix(d.Reason, "protocol error: "):
		return "protocol"
	case strings.Contains(d.How, "out of memory"):
		return "out_of_memory"
	case strings.HasPrefix(signal, "SIG"):
		return signal
	case strings.HasPrefix(d.How, "signal"):
		return "signal"
	}
	return "exit"
}

// recycleReason says in a word why a generation replaced another.
func recycleReason(because string) string {
	for _, r := range []struct{ text, word string }{
		{"version ", "swap"},
		{"age", "age"},
		{"clock time ", "clock"},
		{"other settings", "settings"},
		{"memory growing ", "memory_growth"},
	} {
		if strings.HasPrefix(because, r.text) {
			return r.word
		}
	}
	for _, r := range []struct{ text, word string }{
		{" resident memory of worker ", "memory"},
		{" private memory of worker ", "private_memory"},
		{" requests of worker ", "requests"},
	} {
		if strings.Contains(because, r.text) {
			return r.word
		}
	}
	return "asked" // by the operator, or the extension itself
}
