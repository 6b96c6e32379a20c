package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/mix"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
)

// TestSwapsAndKills: while an image is replaced again and again and one request after another hangs in it, workers are killed. What may
// be run twice is, so that only requests that may not be fail, or those whose answer had begun; the log has each of them with the process it
// was lost with, and that was killed.
func TestSwapsAndKills(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *config.Pool){"overlap": func(*testing.T, *config.Pool) {}, "hold": alone} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(p *config.Pool) {
				change(t, p)
				p.Update.Window = 0
				p.Crashes.Max = 0 // or it would be taken out of service
				p.ShutdownLimit = time.Second
			})
			swaps := 10
			if os.Getenv("ISAPID_SOAK") != "" {
				swaps = 1000
			}
			s.chaos(t, swaps)
		})
	}
}

func (s *server) chaos(t *testing.T, swaps int) {
	cfg := s.crowd(t)
	var bad []mix.Problem
	var mu sync.Mutex
	cfg.Bad = func(p mix.Problem) {
		mu.Lock()
		defer mu.Unlock()
		bad = append(bad, p)
	}
	m, err := mix.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	ctx, stop := context.WithCancel(t.Context())
	asking, abort := context.WithCancel(t.Context())
	killed, hung := map[int]bool{}, 0
	var kills atomic.Int64
	killer, hanger := make(chan struct{}), make(chan struct{})
	go func() { s.killing(ctx, t, killed, &kills); close(killer) }()
	go func() { hung = hanging(ctx, asking, t, cfg.Plain); close(hanger) }()
	defer func() { stop(); abort(); <-killer; <-hanger }()

	version, committed := 1, 0
	swapOnce := func() {
		next := 3 - version
		m.Swapping(next)
		limit, cancel := context.WithTimeoutCause(t.Context(), 3*time.Minute, errors.New("no receipt within 3 minutes"))
		defer cancel()
		r, err := deploy(limit, s, s.files[next-1])
		switch {
		case err != nil:
			t.Fatalf("%v\n%s", err, m.Stop())
		case r.Outcome == swap.Committed:
			committed++
			version = next
		case !strings.Contains(r.Reason, "pid"): // it may fail only because its worker was killed
			t.Errorf("%s: %s", r.Outcome, r.Reason)
		}
		m.Committed(version)
		wait(t, m, m.Requests()+25)
	}
	for n := range swaps {
		swapOnce()
		for end := time.Now().Add(time.Minute); kills.Load() < int64(n/2) && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	<-killer
	for over := false; !over; {
		swapOnce() // ends the request that hangs
		select {
		case <-hanger:
			over = true
		case <-time.After(2 * time.Second): // it may have been on its way
		}
	}
	r := m.Stop()
	t.Logf("%d swaps, %d of them committed, %d workers killed, %d requests hung, %s", swaps, committed, len(killed), hung, r)
	if committed == 0 || len(killed) < (swaps-1)/2 || hung == 0 || r.Stale > 0 {
		t.Error("that is not what was to be tried, or requests were answered by a version that was gone")
	}
	s.account(t, bad, killed)
}

// killing kills a worker that has answered something, again and again, until ctx ends.
func (s *server) killing(ctx context.Context, t *testing.T, killed map[int]bool, kills *atomic.Int64) {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(50+rand.IntN(500)) * time.Millisecond):
		}
		if s.cfg.Wine.Prefix != "" && n%5 == 0 {
			if s.killWine(ctx, t, killed) {
				kills.Add(1)
			}
			continue
		}
		var pids []int
		for _, p := range s.control.Status().Pools {
			for _, w := range p.Workers {
				if w.Pid > 0 && w.Served > 0 && !killed[w.Pid] {
					pids = append(pids, w.Pid)
				}
			}
		}
		if len(pids) == 0 {
			continue
		}
		pid := pids[rand.IntN(len(pids))]
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("kill %d: %v", pid, err)
		}
		killed[pid] = true
		kills.Add(1)
	}
}

// killWine kills the server of Wine, and with it all workers there are until there is another server. It answers whether there was one.
func (s *server) killWine(ctx context.Context, t *testing.T, killed map[int]bool) bool {
	before := testext.Programs(t, s.cfg.Wine.Prefix, "wineserver")
	if len(before) == 0 {
		return false // it is just being started
	}
	for again := false; !again && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		for _, p := range s.control.Status().Pools {
			for _, w := range p.Workers {
				killed[w.Pid] = true
			}
		}
		for _, pid := range before {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Errorf("kill the wineserver, %d: %v", pid, err)
			}
		}
		now := testext.Programs(t, s.cfg.Wine.Prefix, "wineserver")
		again = slices.ContainsFunc(now, func(pid int) bool { return !slices.Contains(before, pid) })
	}
	return true
}

// hanging has a request hang, and when that is answered the next one, until ctx ends. Each must be answered before asking ends.
func hanging(ctx, asking context.Context, t *testing.T, url string) (n int) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(asking, http.MethodPost, url+"?hang", http.NoBody)
		if err != nil {
			t.Error(err)
			return n
		}
		resp, err := client.Do(r)
		switch {
		case err != nil:
			t.Errorf("request that hangs: %v", err)
		case resp.StatusCode != http.StatusBadGateway:
			t.Errorf("request that hangs: %s", resp.Status)
		default:
			n++
		}
		if err == nil {
			resp.Body.Close()
		}
	}
	return n
}

// account finds what is not explained by the processes that were killed.
func (s *server) account(t *testing.T, bad []mix.Problem, killed map[int]bool) {
	pids := map[string]bool{}
	for pid := range killed {
		pids[strconv.Itoa(pid)] = true
	}
	broken := 0
	for _, p := range bad {
		why := s.lost.of(p.ID)
		switch {
		case p.Reset:
			broken++
			t.Logf("reset: %+v", p)
		case !strings.Contains(p.Kind, "POST"):
			t.Errorf("%+v: it could have been run again", p)
		case !pids[between(why, "(pid ", ")")]:
			t.Errorf("%+v is not accounted for: the log says %q", p, why)
		}
	}
	if broken > s.lost.broken {
		t.Errorf("%d requests were reset, but the log says that %d answers broke off", broken, s.lost.broken)
	}
	t.Logf("%d requests were answered 502, %d broke off", len(bad)-broken, broken)
}

// between is what stands in text between two marks; "" if they are not there.
func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	middle, _, _ := strings.Cut(rest, after)
	return middle
}
