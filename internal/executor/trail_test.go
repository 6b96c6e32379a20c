package executor

import (
	"testing"
	"time"
)

// TestTrailRuns: a request is begun once more for each worker that was lost, and not because filters, or child requests, run elsewhere.
func TestTrailRuns(t *testing.T) {
	var trail Trail
	trail.Reset(7, time.Now())
	runs := func(want int) {
		t.Helper()
		if _, _, got := trail.Now(); got != want {
			t.Errorf("begun %d times, want %d", got, want)
		}
	}
	runs(0)
	trail.In(&Place{Pool: "dll", Worker: "dll/1"})
	trail.In(&Place{Pool: "dll:win64", Worker: "dll:win64/1"})
	runs(1)
	trail.Again()
	trail.In(&Place{Pool: "dll:win64", Worker: "dll:win64/2"})
	runs(2)
	trail.Reset(8, time.Now())
	runs(0)
	var none *Trail
	none.Again()
	if _, _, got := none.Now(); got != 0 {
		t.Errorf("no trail: begun %d times", got)
	}
}
