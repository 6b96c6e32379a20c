package pool

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
)

// swapTest is a pool that runs version one of an image.
type swapTest struct {
	*testing.T
	p *Pool
	f *factory
	e executor.Replaceable
}

// playSwap runs a test with such a pool. The answer to a request is the version that ran it.
func playSwap(t *testing.T, set Settings, test func(t *swapTest)) {
	f := &factory{handle: func(p *puppet, w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Version", p.loaded.File)
		return nil
	}}
	play(t, set, f, func(t *testing.T, p *Pool) {
		e, err := p.Open(t.Context(), "a.so", one)
		if err != nil {
			t.Fatal(err)
		}
		test(&swapTest{t, p, f, e})
	})
}

func (t *swapTest) replace(how executor.Replacing) executor.Replacement {
	t.Helper()
	r, err := t.e.Replace(t.Context(), two, how)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answers has the test fail unless n requests are answered by a version.
func (t *swapTest) answers(by executor.Version, n int) {
	t.Helper()
	for range n {
		if w := call(t.e, "POST"); w.Code != 200 || w.Header().Get("Version") != by.File {
			t.Fatalf("%d by %q, want 200 by %q", w.Code, w.Header().Get("Version"), by.File)
		}
	}
}

// later runs a request in the background. The channel gets the version that ran it, or the status if that is not 200.
func (t *swapTest) later(method string) <-chan string {
	c := make(chan string, 1)
	go func() {
		w := call(t.e, method)
		if w.Code == 200 {
			c <- w.Header().Get("Version")
		} else {
			c <- fmt.Sprint(w.Code)
		}
	}()
	return c
}

// blocked has all requests wait until the channel is closed; later ones do not.
func (t *swapTest) blocked(n int, method string) (gate chan struct{}, answers []<-chan string) {
	gate = make(chan struct{})
	handle := t.f.handle
	t.f.set(func() {
		t.f.handle = func(p *puppet, w http.ResponseWriter, r *http.Request) error {
			select {
			case <-gate:
				return handle(p, w, r)
			case <-p.gone:
				return &remote.Lost{Held: true, Obit: p.obit}
			}
		}
	})
	for range n {
		answers = append(answers, t.later(method))
	}
	synctest.Wait()
	t.f.set(func() { t.f.handle = handle })
	return gate, answers
}

func (t *swapTest) states() (list []string) {
	synctest.Wait()
	for _, w := range t.p.Status().Workers {
		list = append(list, fmt.Sprintf("%d:%s", w.Generation, w.State))
	}
	return list
}

func (t *swapTest) has(states ...string) {
	t.Helper()
	if got := t.states(); strings.Join(got, " ") != strings.Join(states, " ") {
		t.Errorf("workers %v, want %v", got, states)
	}
}

// outside kills a worker as somebody else would.
func (p *puppet) outside() {
	p.end(remote.Obituary{Exit: proc.Exit{Code: -1, Signal: syscall.SIGKILL}})
}

// of are the workers that loaded a version and are not gone.
func (f *factory) of(v executor.Version) (list []*puppet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.all {
		select {
		case <-p.gone:
		default:
			if p.loaded == v {
				list = append(list, p)
			}
		}
	}
	return list
}

// alone has the test fail if two versions are there at the same time.
func (t *swapTest) alone() {
	t.f.set(func() {
		t.f.onStart = func(p *puppet) {
			for _, o := range t.f.all[:len(t.f.all)-1] {
				select {
				case <-o.gone:
				default:
					if o.loaded != (executor.Version{}) {
						t.Errorf("worker %d starts beside worker %d, which has %s", p.pid, o.pid, o.loaded.File)
					}
				}
			}
		}
	})
}

func (t *swapTest) each(f func(*puppet)) {
	t.f.mu.Lock()
	all := t.f.all
	t.f.mu.Unlock()
	for _, p := range all {
		f(p)
	}
}

// before is the version that a replacement replaces.
func (t *swapTest) before(r executor.Replacement) executor.Version {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return r.(*replacement).sw.from
}
