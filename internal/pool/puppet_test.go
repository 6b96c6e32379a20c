package pool

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/trace"
)

// factory makes the worker processes of the tests of the loop: nothing runs, but time can be turned. What a real process does
// is tested with real ones.
type factory struct {
	mu      sync.Mutex // guards all below
	all     []*puppet
	refuse  error                                                   // of the next starts
	load    func(path string) error                                 // nil: every image loads
	version func(*puppet, executor.Version) error                   // of a load, likewise
	onStart func(*puppet)                                           // before it has greeted
	handle  func(*puppet, http.ResponseWriter, *http.Request) error // of a request; nil: 200
	fault   error                                                   // of requests
	log     []string                                                // messages
}

func (f *factory) start(_ context.Context, s remote.Settings) (process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	p := &puppet{f: f, s: s, pid: len(f.all) + 1, started: time.Now(), gone: make(chan struct{}), memory: 1 << 20}
	f.all = append(f.all, p)
	if f.onStart != nil {
		f.onStart(p)
	}
	return p, nil
}

// last is the worker that was started last, and how many there were.
func (f *factory) last() (*puppet, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) == 0 {
		return nil, 0
	}
	return f.all[len(f.all)-1], len(f.all)
}

// running is how many are not gone.
func (f *factory) running() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.all {
		select {
		case <-p.gone:
		default:
			n++
		}
	}
	return n
}

func (f *factory) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// Enabled and the like make the factory a [slog.Handler] that keeps messages.
func (f *factory) Enabled(context.Context, slog.Level) bool { return true }
func (f *factory) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f *factory) WithGroup(string) slog.Handler            { return f }

func (f *factory) Handle(_ context.Context, r slog.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, r.Message)
	return nil
}

func (f *factory) logged(message string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.log, message)
}

// puppet is such a process.
type puppet struct {
	f       *factory
	s       remote.Settings
	pid     int
	started time.Time
	gone    chan struct{}
	once    sync.Once
	obit    *remote.Obituary
	stuck   bool // does not answer pings
	memory  int64
	loaded  executor.Version // the last one

	unloaded int // images
}

func (p *puppet) end(o remote.Obituary) {
	p.once.Do(func() {
		o.Name, o.Pid = p.s.Name, p.pid
		p.obit = &o
		close(p.gone)
	})
}

func (p *puppet) crash()                                  { p.end(remote.Obituary{Exit: proc.Exit{Code: -1, Signal: syscall.SIGSEGV}}) }
func (p *puppet) Pid() int                                { return p.pid }
func (p *puppet) Started() time.Time                      { return p.started }
func (p *puppet) Oldest() (_ string, _ time.Time, _ bool) { return }
func (p *puppet) Blockers() []string                      { return []string{"/slow"} }
func (p *puppet) Gone() <-chan struct{}                   { return p.gone }
func (p *puppet) Requests() []remote.Inside               { return nil }
func (p *puppet) Board() (trace.Board, bool)              { return trace.Board{}, false }
func (p *puppet) Obituary() *remote.Obituary              { return p.obit }
func (p *puppet) Disown(string)                           {}
func (p *puppet) Signal(syscall.Signal) error             { return nil }
func (p *puppet) Stop(context.Context) error              { p.end(remote.Obituary{}); return nil }

func (p *puppet) Kill(reason string) {
	p.end(remote.Obituary{Reason: "killed: " + reason, Exit: proc.Exit{Code: -1, Signal: syscall.SIGKILL}})
}

func (p *puppet) Memory() (m proc.Memory, _ error) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	m.Resident, m.Private = 2*p.memory, p.memory
	return m, nil
}

func (p *puppet) Load(_ context.Context, path string, o executor.Options) (image, error) {
	p.f.mu.Lock()
	load, version := p.f.load, p.f.version
	p.loaded = o.Version
	p.f.mu.Unlock()
	if load != nil {
		if err := load(path); err != nil {
			return nil, err
		}
	}
	if version != nil {
		if err := version(p, o.Version); err != nil {
			return nil, err
		}
	}
	select {
	case <-p.gone:
		return nil, p.obit
	default:
		return &puppetImage{p, path}, nil
	}
}

type puppetImage struct {
	p    *puppet
	path string
}

func (i *puppetImage) Description() string { return "puppet" }

func (i *puppetImage) Close(context.Context) error {
	i.p.f.set(func() { i.p.unloaded++ })
	return nil
}

func (i *puppetImage) Ping(ctx context.Context) error {
	i.p.f.mu.Lock()
	stuck := i.p.stuck
	i.p.f.mu.Unlock()
	if !stuck {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (i *puppetImage) Execute(w http.ResponseWriter, r *http.Request, _ *executor.Target) (executor.Result, error) {
	i.p.f.mu.Lock()
	handle, fault := i.p.f.handle, i.p.f.fault
	i.p.f.mu.Unlock()
	select {
	case <-i.p.gone:
		return executor.Result{}, &remote.Lost{Held: true, Obit: i.p.obit}
	default:
	}
	if handle != nil {
		if err := handle(i.p, w, r); err != nil {
			return executor.Result{}, err
		}
	}
	fmt.Fprintf(w, "%s", i.p.s.Name)
	return executor.Result{Status: 200, Fault: fault}, nil
}

// play runs a test of a pool whose workers are puppets, in time that can be turned.
func play(t *testing.T, set Settings, f *factory, test func(t *testing.T, p *Pool)) {
	synctest.Test(t, func(t *testing.T) {
		set.Name = "shop"
		set.Log = slog.New(f)
		p := newPool(set, f.start)
		defer func() {
			if err := p.Close(context.Background()); err != nil {
				t.Errorf("close: %v", err)
			}
			if n := f.running(); n != 0 {
				t.Errorf("%d workers are left", n)
			}
		}()
		test(t, p)
	})
}

func mustOpen(t *testing.T, p *Pool, path string) executor.Executor {
	t.Helper()
	e, err := p.Open(t.Context(), path, executor.Version{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// call runs one request.
func call(e executor.Executor, method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.Execute(w, httptest.NewRequest(method, "/x", nil), &executor.Target{})
	return w
}

func (p *Pool) is(t *testing.T, want State, workers int) {
	t.Helper()
	synctest.Wait()
	st := p.Status()
	if st.State != want || len(st.Workers) != workers {
		t.Errorf("state %s with %d workers, want %s with %d: %+v", st.State, len(st.Workers), want, workers, st)
	}
}
