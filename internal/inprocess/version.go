package inprocess

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/gate"
	"github.com/isapid/isapid/internal/tally"
)

// version is one loading of a version of the image.
type version struct {
	gate.Gate
	number  int              // of the loading, from 1
	what    executor.Version // to load it again
	place   *executor.Place
	ext     *extension.Extension
	counter *tally.Counter
	running running

	ending sync.Once
	ended  chan struct{} // closed when it is unloaded
	endErr error         // of that; set before ended is closed
}

// over says whether it is unloaded.
func (v *version) over() bool {
	select {
	case <-v.ended:
		return true
	default:
		return false
	}
}

// run runs a request that is inside. One that goes through the filter half is named there already.
func (v *version) run(w http.ResponseWriter, r *http.Request, t *executor.Target, named bool) executor.Result {
	begun := time.Now()
	if !named {
		if place := v.running.add(r, begun); place != nil {
			defer place.Store(nil)
		}
	}
	t.Trail.At(executor.StageQueued) // until a thread has it
	t.Trail.In(v.place)
	res, reached := v.ext.Run(w, r, t)
	t.Trail.At(executor.StageSending)
	if reached {
		v.counter.Done(&res, time.Since(begun))
		if res.Fault != nil && !res.Broken { // else Done has counted it
			v.counter.Lost()
		}
	}
	return res
}

// blocked is the error of requests that do not end.
func (v *version) blocked(why error) error {
	n, list := v.Inside(), named(append(v.running.all(), passages.through(v)...))
	if n == 0 {
		return fmt.Errorf("version %d stays loaded: its TerminateExtension has not returned: %w", v.number, why)
	}
	return fmt.Errorf("version %d stays loaded: %d requests are still inside it (%s): %w", v.number, n, strings.Join(list, ", "), why)
}

// running are the requests inside a version, so that those which do not end can be named. A request takes a place without waiting for
// others; one that finds none is not named, only counted.
type running [256]atomic.Pointer[request]

// request is what is told of one.
type request struct {
	method, uri, client string
	since               time.Time
}

func newRequest(r *http.Request, now time.Time) *request {
	return &request{r.Method, cmp.Or(r.RequestURI, r.URL.Path), r.RemoteAddr, now}
}

// add answers the place of a request, which must be emptied when it ends; nil if there is none.
func (rs *running) add(r *http.Request, now time.Time) *atomic.Pointer[request] {
	q := newRequest(r, now)
	first := rand.Uint32()
	for n := range uint32(len(rs)) {
		place := &rs[(first+n)%uint32(len(rs))]
		if place.Load() == nil && place.CompareAndSwap(nil, q) {
			return place
		}
	}
	return nil
}

// mostNamed is how many requests are named.
const mostNamed = 10

func (rs *running) all() (all []*request) {
	for i := range rs {
		if q := rs[i].Load(); q != nil {
			all = append(all, q)
		}
	}
	return all
}

// named says which requests have been inside for the longest time.
func named(all []*request) (list []string) {
	slices.SortFunc(all, func(a, b *request) int { return a.since.Compare(b.since) })
	for _, q := range all {
		if len(list) == mostNamed {
			return append(list, "…")
		}
		list = append(list, fmt.Sprintf("%s %s (for %v, from %s)", q.method, q.uri, time.Since(q.since).Round(time.Millisecond), q.client))
	}
	return list
}
