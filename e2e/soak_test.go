package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/mix"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
)

// trigger has the image of a server replaced by the build in file, and returns when the receipt says how that went.
type trigger func(ctx context.Context, s *server, file string) (swap.Receipt, error)

// triggers are the ways to replace an image. They take turns; the last of them goes back to the version before, which is the other
// build.
var triggers = []struct {
	name string
	do   trigger
}{
	{"deploy", deploy},
	{"NAME.update", func(ctx context.Context, s *server, file string) (swap.Receipt, error) {
		return s.byFile(ctx, file, filepath.Join(filepath.Dir(s.image), "proposal.update"))
	}},
	{"overwritten", func(ctx context.Context, s *server, file string) (swap.Receipt, error) {
		return s.byFile(ctx, file, s.image)
	}},
	{"rollback", func(ctx context.Context, s *server, _ string) (swap.Receipt, error) {
		return s.control.Rollback(ctx, s.image, "", "rollback by a test", false, func(swap.Step) {})
	}},
}

// deploy gives the server a file of its own, as the command does.
func deploy(ctx context.Context, s *server, file string) (swap.Receipt, error) {
	if err := copyFile(file, s.upload); err != nil {
		return swap.Receipt{}, err
	}
	return s.control.Deploy(ctx, s.image, "deploy by a test", false, s.upload, func(swap.Step) {})
}

// byFile puts the build at a place that is watched and waits for a receipt that was not there before.
func (s *server) byFile(ctx context.Context, from, to string) (swap.Receipt, error) {
	before, err := s.receipt()
	if err != nil {
		return swap.Receipt{}, err
	}
	if err := copyFile(from, to); err != nil {
		return swap.Receipt{}, err
	}
	for ; ctx.Err() == nil; time.Sleep(2 * time.Millisecond) {
		if r, err := s.receipt(); err != nil || r.ID != before.ID && r.Outcome != swap.Running {
			return r, err
		}
	}
	return swap.Receipt{}, context.Cause(ctx)
}

// receipt is that of the last swap; the zero value if there was none. The journal has it too, but is read again for each question.
func (s *server) receipt() (swap.Receipt, error) {
	for _, i := range s.control.Status().Images {
		if i.Image == s.image && i.Last != nil {
			return *i.Last, nil
		}
	}
	return swap.Receipt{}, nil
}

// soak says how long a run is.
type soak struct {
	swaps    int
	requests int64 // at least
	clients  int   // of each kind of connection
}

// settled is after how many swaps everything there is has been used.
func (l soak) settled() int { return min(20, l.swaps/2) }

// 204 swaps in all in the short form.
func soakLength() soak {
	if os.Getenv("ISAPID_SOAK") != "" {
		return soak{10_000, 1_000_000, 2}
	}
	return soak{34, 1000, 1}
}

// TestSwaps: an image is replaced again and again by its other build, under load, and no request is lost, refused, cut off, or answered by
// a version after that was said to be gone.
func TestSwaps(t *testing.T) {
	for _, mode := range []config.PoolMode{config.ModeInProcess, config.ModeIsolated} {
		for name, change := range map[string]func(*testing.T, *config.Pool){
			"overlap": func(_ *testing.T, p *config.Pool) { p.Update.Window = 0 },
			"hold":    alone,
			"watched": watched,
		} {
			t.Run(fmt.Sprintf("%s %s", mode, name), func(t *testing.T) {
				s := start(t, func(p *config.Pool) {
					p.Mode = mode
					change(t, p)
				})
				s.soak(t, soakLength())
			})
		}
	}
}

// watched tries each version with a request, then on some of the clients, and keeps the one before ready for long after: a rollback
// is to that, where the others have to load a backup.
func watched(_ *testing.T, p *config.Pool) {
	p.Update = config.Update{
		Watch: true, Mode: config.UpdateOverlap, Verify: &config.Verify{Path: "/health", Status: 200, Timeout: time.Minute},
		Canary: 30, CanaryTime: 100 * time.Millisecond, Window: time.Hour, Factor: 1000, Backups: 3,
	}
}

// alone has every version refuse to be loaded while another one is. For that one process, or this one, runs the image for both sites.
func alone(t *testing.T, p *config.Pool) {
	p.Update.Mode, p.Update.Window = config.UpdateHold, 0
	file := filepath.Join(t.TempDir(), "alone")
	if p.Mode == config.ModeInProcess {
		t.Setenv("SWAPVER_ALONE", file)
		return
	}
	p.Isolation, p.Environment = config.PerPool, map[string]string{"SWAPVER_ALONE": file}
}

func (s *server) soak(t *testing.T, length soak) {
	cfg := s.crowd(t)
	cfg.Clients = length.clients
	m, err := mix.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop() // also after a failure
	var first usage
	took := map[string][]time.Duration{}
	for n := range length.swaps {
		version := 1 + (n+1)%2
		how := triggers[n%len(triggers)]
		m.Swapping(version)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("no receipt within a minute"))
		began := time.Now()
		r, err := how.do(ctx, s, s.files[version-1])
		took[how.name] = append(took[how.name], time.Since(began))
		cancel()
		if err == nil {
			err = checkReceipt(r, version)
		}
		if err != nil {
			t.Fatalf("swap %d by %s: %v\n%s", n+1, how.name, err, m.Stop())
		}
		m.Committed(version)
		wait(t, m, max(m.Requests()+25, length.requests*int64(n+1)/int64(length.swaps))) // so that some have begun after the commit
		if n == length.settled() {
			first = used()
		}
	}
	last := used()
	r := m.Stop()
	t.Logf("%d swaps, %s\n%s", length.swaps, r, r.Details())
	for _, how := range triggers {
		list := took[how.name]
		slices.Sort(list)
		t.Logf("%s took %v, the longest %v", how.name, list[len(list)/2].Round(time.Millisecond), list[len(list)-1].Round(time.Millisecond))
	}
	if r.Bad() > 0 {
		t.Error("requests were lost")
	}
	if r.Requests < length.requests || r.Decided < 10*int64(length.swaps) || len(r.Versions) != 2 {
		t.Errorf("the mix proves nothing: %d requests, of which %d could have been stale", r.Requests, r.Decided)
	}
	if last.goroutines > first.goroutines+50 || last.descriptors > first.descriptors+50 {
		t.Errorf("something is left of each swap: %+v after %d, %+v after %d", first, length.settled(), last, length.swaps)
	}
}

// checkReceipt says what is wrong with the receipt of a swap that must have worked.
func checkReceipt(r swap.Receipt, version int) error {
	if r.Outcome == swap.TakenBack && r.Reason == "asked by the operator" { // the version before that swap is what serves
		r.Outcome, r.To = swap.Committed, r.From
	}
	switch {
	case r.Outcome != swap.Committed:
		return fmt.Errorf("%s: %s", r.Outcome, r.Reason)
	case r.To.Description != fmt.Sprintf("swapver %d", version):
		return fmt.Errorf("the receipt is for %q, want version %d", r.To.Description, version)
	case r.Lost > 0:
		return fmt.Errorf("%d requests were lost", r.Lost)
	case r.Mode == string(config.UpdateOverlap) && (r.Held > 0 || r.LongestHold > 0):
		return fmt.Errorf("%d requests were held, for up to %v", r.Held, time.Duration(r.LongestHold))
	}
	return nil
}

// wait waits until n requests have ended.
func wait(t *testing.T, m *mix.Mix, n int64) {
	t.Helper()
	for end := time.Now().Add(time.Minute); m.Requests() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute: %d requests, want %d\n%s", m.Requests(), n, m.Stop())
		}
	}
}

// usage is what this process has. What cannot be counted is 0.
type usage struct{ goroutines, descriptors int }

func used() usage {
	list, _ := os.ReadDir("/proc/self/fd") // other systems have none
	return usage{runtime.NumGoroutine(), len(list)}
}
