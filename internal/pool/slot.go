package pool

import (
	"context"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/gate"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/trace"
)

// process is what a pool needs of a worker process. It is a [remote.Worker]; the tests of the loop have another, whose time
// can be turned.
type process interface {
	Pid() int
	Started() time.Time
	Load(ctx context.Context, path string, o executor.Options) (image, error)
	Oldest() (url string, since time.Time, ok bool)
	Blockers() []string
	Gone() <-chan struct{}
	Obituary() *remote.Obituary
	Requests() []remote.Inside
	Board() (trace.Board, bool)
	Memory() (proc.Memory, error)
	Signal(s syscall.Signal) error
	Stop(ctx context.Context) error
	Kill(reason string)
	Disown(reason string)
}

// image is an image in a worker process: a [remote.Image].
type image interface {
	Description() string
	Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) (executor.Result, error)
	Ping(ctx context.Context) error
	Close(ctx context.Context) error
}

// remoteProcess is a worker process as it is.
type remoteProcess struct{ *remote.Worker }

func (p remoteProcess) Load(ctx context.Context, path string, o executor.Options) (image, error) {
	i, err := p.Worker.Load(ctx, path, o)
	if err != nil {
		return nil, err
	}
	return i, nil
}

func startRemote(ctx context.Context, s remote.Settings) (process, error) {
	w, err := remote.Start(ctx, s)
	if err != nil {
		return nil, err
	}
	return remoteProcess{w}, nil
}

// slot is the place of one worker: what its requests and the goroutines around it share. What the loop decides from is in
// [worker].
type slot struct {
	gate.Gate
	id       int
	gen      int // 0 until a spare is taken; guarded by Pool.mu until then
	name     string
	ctx      context.Context // of its start; ends when the worker is not wanted any more
	cancel   context.CancelCauseFunc
	alive    context.Context // ends when the process is gone
	end      context.CancelFunc
	count    atomic.Int64 // requests it got
	answered atomic.Bool  // one of them well

	process process          // nil until it runs; guarded by Pool.mu, never changed after
	images  map[string]image // what it has loaded; guarded by Pool.mu
	builds  []build          // what it loads first; likewise
	fault   string           // ID of the obituary of the last fault that it contained; likewise
}

// unwanted: nobody wanted the worker any more before it was ready, so that it was ended while it loaded. Pool.mu is held.
func (sl *slot) unwanted() bool { return sl.images == nil && sl.ctx.Err() != nil }
