//go:build linux

package pool_test

import (
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/pool"
)

// spareOf is the process of the spare; 0: none has greeted.
func spareOf(st pool.Status) int {
	for _, w := range st.Workers {
		if w.State == "spare" {
			return w.Pid
		}
	}
	return 0
}

func hasSpare(st pool.Status) bool { return spareOf(st) != 0 }

// TestSpareTakesOver: when a worker is killed, the process that waited answers next, and a spare is there again.
func TestSpareTakesOver(t *testing.T) {
	r := start(t, pool.Settings{Spares: 1})
	for range 3 {
		pid := r.must("pid")
		next := spareOf(r.until("a spare", hasSpare))
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if got := r.must("pid"); got != next {
			t.Errorf("process %d answers, want the spare %d", got, next)
		}
	}
	r.until("a spare", hasSpare)
}

// TestSpareIsKilled: that hurts nobody, and there is another one.
func TestSpareIsKilled(t *testing.T) {
	r := start(t, pool.Settings{Spares: 1})
	pid, old := r.must("pid"), spareOf(r.until("a spare", hasSpare))
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st := r.until("another spare", func(st pool.Status) bool { return hasSpare(st) && spareOf(st) != old })
	if got := r.must("pid"); got != pid || st.Totals.Crashes != 0 {
		t.Errorf("process %d answers, want %d; %+v", got, pid, st.Totals)
	}
}

// TestSpareIsRecycledInto: a new generation takes the spare.
func TestSpareIsRecycledInto(t *testing.T) {
	r := start(t, pool.Settings{Spares: 1})
	r.must("pid")
	next := spareOf(r.until("a spare", hasSpare))
	r.pool.Recycle("test")
	r.until("the spare serves", func(st pool.Status) bool { return st.Generation == 2 && hasSpare(st) && spareOf(st) != next })
	if got := r.must("pid"); got != next {
		t.Errorf("process %d answers, want %d", got, next)
	}
}
