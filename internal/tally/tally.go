// Package tally counts what requests show of a version of an image: how many, how they ended, how long they took. Counting takes no
// lock and a few nanoseconds.
package tally

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// Counter counts for one version. Its zero value is ready.
type Counter struct {
	requests, errors, crashes, lost atomic.Int64
	times                           [buckets]atomic.Int64
}

// Time of a request falls in one of four buckets for each power of two of its microseconds: 25 % at most between two.
const (
	perPower = 4
	buckets  = 40 * perPower // the last one has everything above 12 days
)

// Done counts a request that ended in the version.
func (c *Counter) Done(res *executor.Result, took time.Duration) {
	c.requests.Add(1)
	if res.Status >= 500 || res.Broken {
		c.errors.Add(1)
	}
	if res.Broken {
		c.lost.Add(1)
	}
	c.times[bucket(took)].Add(1)
}

// Crashed counts a contained fault, or the death of a process that nobody asked for.
func (c *Counter) Crashed() { c.crashes.Add(1) }

// Lost counts a request that the extension has not answered and never will.
func (c *Counter) Lost() { c.lost.Add(1) }

// Sum is what was counted until now.
func (c *Counter) Sum() executor.Tally {
	t := executor.Tally{Requests: c.requests.Load(), Errors: c.errors.Load(), Crashes: c.crashes.Load(), Lost: c.lost.Load()}
	var counts [buckets]int64
	var total int64
	for i := range c.times {
		counts[i] = c.times[i].Load()
		total += counts[i]
	}
	t.Median, t.P95 = quantile(&counts, (total+1)/2), quantile(&counts, total-total/20)
	return t
}

// quantile is the upper end of the bucket with the nth request.
func quantile(counts *[buckets]int64, n int64) time.Duration {
	if n <= 0 {
		return 0
	}
	for i, c := range counts {
		if n -= c; n <= 0 {
			return end(i)
		}
	}
	return end(buckets - 1)
}

func bucket(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < perPower {
		return int(us)
	}
	power := bits.Len64(us) - 1 // at least 2
	quarter := us >> (power - 2) & (perPower - 1)
	return min((power-1)*perPower+int(quarter), buckets-1)
}

// end is the end of a bucket's times.
func end(i int) time.Duration {
	if i < perPower {
		return time.Duration(i+1) * time.Microsecond
	}
	power, quarter := i/perPower+1, uint64(i%perPower)
	return time.Duration((perPower+quarter+1)<<(power-2)) * time.Microsecond
}
