package metrics

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of what requests are counted by. Names of sites and applications come from the configuration; those of images may come from
// URLs (script maps).
const (
	mostSeries      = 2000 // of which
	mostUnrun       = 200  // may be of images that did not run
	keptGenerations = 3    // of an image in a pool
)

// other is the label of all that is beyond a bound.
const other = "other"

// requests are the series that requests are counted in.
type requests struct {
	bounds []time.Duration
	unrun  cache[who] // of requests that came to no place

	mu          sync.Mutex          // guards all below
	all         map[who]*series     // those that are told
	images      int                 // of them for images that did not run
	generations map[[2]string][]int // by pool and image: those that are told, ascending
}

// who is what a series counts for.
type who struct {
	site, application, pool, image string
	generation                     int // 0: it did not run
}

// app is what differs between requests in one place.
type app struct{ site, application string }

func (r *requests) init(bounds []time.Duration) {
	r.bounds, r.all, r.generations = bounds, map[who]*series{}, map[[2]string][]int{}
}

// memo is the key of what is kept with a place: *cache[app].
type memo struct{ of *requests }

// series is where a request is counted.
func (r *requests) series(f *Facts) *series {
	p := f.Place
	if p == nil {
		k := who{f.Site, f.Application, f.Pool, f.Image, 0}
		return r.unrun.get(k, func() *series { return r.open(k) })
	}
	v, ok := p.Memo.Load(memo{r})
	if !ok {
		v, _ = p.Memo.LoadOrStore(memo{r}, &cache[app]{})
	}
	k := app{f.Site, f.Application}
	c := v.(*cache[app])
	if s := c.find(k); s != nil {
		return s
	}
	return c.get(k, func() *series { return r.open(who{k.site, k.application, p.Pool, p.Image, p.Generation}) })
}

// open is the series for w. One of a generation that is not told any more is told neither; nor are those that are not to be had
// because there are too many.
func (r *requests) open(w who) *series {
	r.mu.Lock()
	defer r.mu.Unlock()
	w = who{clean(w.site), clean(w.application), clean(w.pool), clean(w.image), w.generation}
	if s := r.all[w]; s != nil {
		return s
	}
	if w.generation > 0 && !r.keep(w) {
		return newSeries(r.bounds)
	}
	unrun := w.generation == 0 && w.image != ""
	if len(r.all) >= mostSeries || unrun && r.images >= mostUnrun {
		w.image, w.generation = other, 0
		if s := r.all[w]; s != nil {
			return s
		}
		unrun = false
	}
	s := newSeries(r.bounds)
	if unrun {
		r.images++
	}
	r.all[w] = s
	return s
}

// keep has the generation of a series told, if it is one of the last. The series of one that is not any more are forgotten.
func (r *requests) keep(w who) bool {
	of := [2]string{w.pool, w.image}
	list := r.generations[of]
	at, known := slices.BinarySearch(list, w.generation)
	if known {
		return true
	}
	if at == 0 && len(list) == keptGenerations {
		return false
	}
	list = slices.Insert(list, at, w.generation)
	if len(list) > keptGenerations {
		for k := range r.all {
			if k.pool == w.pool && k.image == w.image && k.generation == list[0] {
				delete(r.all, k)
			}
		}
		list = list[1:]
	}
	r.generations[of] = list
	return true
}

// each shows every series that is told.
func (r *requests) each(show func(labels []string, s *series)) {
	type row struct {
		who
		*series
	}
	var rows []row
	r.mu.Lock()
	for w, s := range r.all {
		rows = append(rows, row{w, s})
	}
	r.mu.Unlock()
	for _, x := range rows {
		generation := ""
		if x.generation > 0 {
			generation = strconv.Itoa(x.generation)
		}
		show([]string{x.site, x.application, x.pool, x.image, generation}, x.series)
	}
}

// cache finds series without a lock.
type cache[K comparable] struct {
	first atomic.Pointer[found[K]] // most places are of one application
	all   atomic.Pointer[map[K]*series]
}

// found is a series that was looked for.
type found[K comparable] struct {
	key K
	*series
}

// mostCached bounds the series that a cache knows: the rest is asked for each time.
const mostCached = 500

// find is nil for one that is not there.
func (c *cache[K]) find(k K) *series {
	if f := c.first.Load(); f != nil && f.key == k {
		return f.series
	}
	if all := c.all.Load(); all != nil {
		return (*all)[k]
	}
	return nil
}

func (c *cache[K]) get(k K, open func() *series) *series {
	if s := c.find(k); s != nil {
		return s
	}
	s := open()
	c.first.CompareAndSwap(nil, &found[K]{k, s})
	for {
		old := c.all.Load()
		next := map[K]*series{k: s}
		if old != nil {
			if len(*old) >= mostCached {
				return s
			}
			for k, s := range *old {
				next[k] = s
			}
		}
		if c.all.CompareAndSwap(old, &next) {
			return s
		}
	}
}

// series counts the requests of one kind.
type series struct {
	classes  [6]atomic.Int64 // by the first digit of the status
	buckets  []atomic.Int64  // one more than bounds
	bounds   []time.Duration
	time     atomic.Int64 // nanoseconds
	received atomic.Int64
	sent     atomic.Int64
	retries  atomic.Int64
	broken   atomic.Int64
	gone     atomic.Int64
}

func newSeries(bounds []time.Duration) *series {
	return &series{buckets: make([]atomic.Int64, len(bounds)+1), bounds: bounds}
}

// classes are the labels for the first digit of the status.
var classes = [6]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (s *series) add(f *Facts) {
	class := f.Status / 100
	if class < 0 || class >= len(classes) {
		class = 5 // what an extension made up
	}
	s.classes[class].Add(1)
	s.buckets[s.bucket(f.Took)].Add(1)
	s.time.Add(int64(max(f.Took, 0)))
	if f.Received > 0 {
		s.received.Add(f.Received)
	}
	if f.Sent > 0 {
		s.sent.Add(f.Sent)
	}
	if f.Runs > 1 {
		s.retries.Add(int64(f.Runs - 1))
	}
	if f.Broken {
		s.broken.Add(1)
	}
	if f.Gone {
		s.gone.Add(1)
	}
}

func (s *series) bucket(d time.Duration) int {
	for i, b := range s.bounds {
		if d <= b {
			return i
		}
	}
	return len(s.bounds)
}

// histogram is what Prometheus wants of one: count, sum in seconds, and how many took no longer than each bound.
func (s *series) histogram() (count uint64, sum float64, upTo map[float64]uint64) {
	upTo = make(map[float64]uint64, len(s.bounds))
	for i, b := range s.bounds {
		count += uint64(s.buckets[i].Load())
		upTo[b.Seconds()] = count
	}
	count += uint64(s.buckets[len(s.bounds)].Load())
	return count, time.Duration(s.time.Load()).Seconds(), upTo
}

// longest is how much of a label is told, in bytes.
const longest = 200

// clean is a text that can be a label.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}
