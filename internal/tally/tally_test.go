package tally

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// TestBuckets: each time lies in a bucket that ends less than a quarter above it.
func TestBuckets(t *testing.T) {
	last := -1
	for us := range 100_000 {
		d := time.Duration(us) * time.Microsecond
		b := bucket(d)
		if b < last || b > last+1 {
			t.Fatalf("%v is in bucket %d after %d", d, b, last)
		}
		last = b
		if e := end(b); e <= d || us >= 4 && float64(e) > float64(d)*1.25+float64(time.Microsecond) {
			t.Fatalf("%v is in bucket %d, which ends at %v", d, b, e)
		}
	}
	if b := bucket(1 << 62); b != buckets-1 {
		t.Errorf("the longest time is in bucket %d", b)
	}
	if b := bucket(-time.Second); b != 0 {
		t.Errorf("a time before its begin is in bucket %d", b)
	}
}

func TestSum(t *testing.T) {
	var c Counter
	if s := c.Sum(); s != (executor.Tally{}) {
		t.Errorf("nothing counted: %+v", s)
	}
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			res := executor.Result{Status: 200}
			if i < 3 {
				res = executor.Result{Status: 503}
			}
			if i == 3 {
				res.Broken, res.Fault = true, errors.New("x")
			}
			c.Done(&res, time.Duration(i+1)*time.Millisecond)
		})
	}
	all.Wait()
	c.Crashed()
	c.Lost()
	s := c.Sum()
	if s.Requests != 100 || s.Errors != 4 || s.Crashes != 1 || s.Lost != 2 {
		t.Errorf("%+v", s)
	}
	if s.Median < 50*time.Millisecond || s.Median > 63*time.Millisecond || s.P95 < 95*time.Millisecond || s.P95 > 119*time.Millisecond {
		t.Errorf("median %v, p95 %v", s.Median, s.P95)
	}
}
