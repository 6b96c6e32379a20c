package pool

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/remote"
)

// Settings are the policy of a pool. Where a field says "0: off", zero turns it off; every other zero field means its default
// (the numbers are IIS's where it has one). Who reads a configuration gives the defaults of the former: a ping every 30 s, idle
// after 20 min, a new generation after 29 h.
type Settings struct {
	Name     string
	Workers  int                             // worker processes that serve at a time. Default 1
	Executor executor.Options                // of each worker. Its Queue and QueueWait are also those of the requests that wait for a worker
	Worker   remote.Settings                 // how a process is started; Name, Startup and Notify are the pool's to set
	Spares   int                             // processes that have no image and wait, so that a worker which is to start need not: it takes one. 0: none
	Before   func(ctx context.Context) error // called before a process is started, which waits for it; nil: nothing has to be waited for
	Filters  []string                        // images that are used as filters, too; what is loaded stays as it is. They are opened as any other

	OnDemand bool          // the first request starts the workers; else the first image does
	Idle     time.Duration // OnDemand only: without a request for so long the workers are stopped. 0: off

	Startup  time.Duration // longest time until a worker has loaded and answered a ping. Default 90 s
	Shutdown time.Duration // longest time a worker may take to finish its requests and unload. Default 90 s

	Ping        time.Duration // time between two health checks of a worker. 0: off
	PingTimeout time.Duration // a worker that has not answered for so long has failed. Default 90 s

	RequestTimeout time.Duration // longest time a request may be in a worker, then 504 and another worker. 0: off
	Idempotent     []string      // methods that are run again when a worker is lost, besides GET, HEAD and OPTIONS

	FaultedServes bool // a worker that contained a fault serves on until its replacement is ready

	Recycle Recycle
	Crashes Crashes
	Orphan  Orphan
	Log     *slog.Logger // default slog.Default()

	// Buried is told what is known of each worker that died, and returns the ID under which that is kept; "": it is not. It must not
	// block. nil: nobody keeps it.
	Buried func(*obituary.Report) (id string)
}

// Recycle says when a pool replaces its workers by new ones without anybody asking. All zero: never.
type Recycle struct {
	Requests      int64           // when a worker has got so many. 0: off
	After         time.Duration   // age of a generation, up to a tenth more or less, so that pools do not recycle together. 0: off
	At            []time.Duration // local clock times, since midnight
	Memory        int64           // bytes a worker has in physical memory. 0: off
	PrivateMemory int64           // bytes of those that are its own. 0: off
	Slope         int64           // bytes its private memory grows by in an hour, measured over at least 10 min. 0: off
	NoOverlap     bool            // the old workers end before the new ones start; requests wait meanwhile
}

// Crashes says what happens when workers die. A crash is a process that ended by itself, a start that failed, a ping that was
// not answered; a contained fault is one only in a worker that never answered a request.
type Crashes struct {
	Max        int           // with more in Window the pool is degraded. Default 5; negative: never
	Window     time.Duration // default 5 min
	Backoff    time.Duration // before a start that follows a crash before the first answer; doubles each time. Default 100 ms
	BackoffMax time.Duration // default 30 s
	Retry      time.Duration // of a degraded pool, before one worker is tried; doubles each time. Default 10 s
	RetryMax   time.Duration // default 5 min
}

// Orphan says whether a worker that failed its ping is kept for a debugger instead of killed.
type Orphan struct {
	Enabled bool
	Action  []string // program and arguments, run once for each; %pid%, %reason% and %pool% are replaced in them
	Max     int      // so many are kept, older ones are killed. Default 3
}

// WithDefaults returns s with every field set that has a default.
func (s Settings) WithDefaults() Settings {
	setDefault(&s.Workers, 1)
	setDefault(&s.Startup, 90*time.Second)
	setDefault(&s.Shutdown, 90*time.Second)
	setDefault(&s.PingTimeout, 90*time.Second)
	setDefault(&s.Crashes.Max, 5)
	setDefault(&s.Crashes.Window, 5*time.Minute)
	setDefault(&s.Crashes.Backoff, 100*time.Millisecond)
	setDefault(&s.Crashes.BackoffMax, 30*time.Second)
	setDefault(&s.Crashes.Retry, 10*time.Second)
	setDefault(&s.Crashes.RetryMax, 5*time.Minute)
	setDefault(&s.Orphan.Max, 3)
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Executor.Logger == nil {
		s.Executor.Logger = s.Log
	}
	s.Executor = s.Executor.WithDefaults()
	return s
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// again says whether a request with this method may be run a second time.
func (s *Settings) again(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return slices.ContainsFunc(s.Idempotent, func(m string) bool { return strings.EqualFold(m, method) })
}

// samples says whether the memory of workers must be looked at.
func (r *Recycle) samples() bool { return r.Memory > 0 || r.PrivateMemory > 0 || r.Slope > 0 }
