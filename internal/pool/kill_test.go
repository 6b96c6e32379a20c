//go:build linux

package pool_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/pool"
)

// kills is how many workers a test kills: few, or as many as short of a soak test make a rare accident likely.
func kills(few, soak int) int {
	switch {
	case os.Getenv("ISAPID_SOAK") != "":
		return soak
	case testing.Short():
		return few / 5
	}
	return few
}

// killing kills workers at random, n in all, each once: a random one of those that are ready, after a random number of answers.
func (r *rig) killing(l *load, n int) (killed map[int]bool) {
	r.t.Helper()
	killed = map[int]bool{}
	for len(killed) < n {
		least := l.count() + rand.IntN(40)
		st := r.until("more answers, and a worker that is ready", func(st pool.Status) bool {
			return l.count() >= least && fresh(st, killed) != nil
		})
		pids := fresh(st, killed)
		pid := pids[rand.IntN(len(pids))]
		killed[pid] = true
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			r.t.Errorf("kill %d: %v", pid, err)
		}
	}
	return killed
}

// fresh are the workers that are ready and were not killed.
func fresh(st pool.Status, killed map[int]bool) (pids []int) {
	for _, w := range st.Workers {
		if w.State == "ready" && !killed[w.Pid] {
			pids = append(pids, w.Pid)
		}
	}
	return pids
}

// TestKilledUnderSafeLoad: workers are killed again and again while safe requests run; not one fails.
func TestKilledUnderSafeLoad(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			leavesNoTrace(t)
			r := start(t, mortal(workers))
			l, n := r.load("GET", 8), kills(30, 500)
			r.killing(l, n)
			l.end()
			r.until("the last one killed is replaced", func(st pool.Status) bool { return settled(workers)(st) && st.Totals.Crashes >= n })
			if len(l.bad) > 0 {
				t.Errorf("%d of %d requests failed: %v …\n%s", len(l.bad), l.good+len(l.bad), l.bad[0], r.log)
			}
			t.Logf("%d workers killed, %d requests, 0 failed", n, l.good)
		})
	}
}

// TestKilledUnderPosts: of the requests that must not run twice exactly those fail that were inside a worker when it was killed,
// and each gets an answer.
func TestKilledUnderPosts(t *testing.T) {
	leavesNoTrace(t)
	r := start(t, mortal(2))
	l, n := r.load("POST", 8), kills(20, 1000)
	killed := r.killing(l, n)
	l.end()
	r.until("the last one killed is replaced", func(st pool.Status) bool { return settled(2)(st) && st.Totals.Crashes >= n })
	lost, inside := r.losses()
	for _, a := range l.bad {
		id := a.header.Get("X-Request-Id")
		if a.err != nil || a.status != 502 || !killed[lost[id]] {
			t.Errorf("a request that failed got %v, id %q, of process %d, which was killed: %v", a, id, lost[id], killed[lost[id]])
		}
	}
	if inside < len(l.bad) || len(lost) != len(l.bad) { // one that has just been answered may still count as inside
		t.Errorf("%d requests failed, %d are in the log, %d were in workers that died", len(l.bad), len(lost), inside)
	}
	t.Logf("%d workers killed, %d requests, %d lost in them, each answered", n, l.good+len(l.bad), len(l.bad))
}

var (
	lostLine = regexp.MustCompile(`request lost with its worker request=(\w+) .*\(pid (\d+)\) ended`)
	diedLine = regexp.MustCompile(`worker died .* lost requests=(\d+)`)
)

// losses are what the log says of requests that were lost: in which process each was, by its id, and how many were inside all
// those that died.
func (r *rig) losses() (lost map[string]int, inside int) {
	lost = map[string]int{}
	for line := range strings.Lines(r.log.String()) {
		if m := lostLine.FindStringSubmatch(line); m != nil {
			lost[m[1]], _ = strconv.Atoi(m[2])
		}
		if m := diedLine.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			inside += n
		}
	}
	return lost, inside
}
