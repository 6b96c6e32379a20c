package front

import (
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/trace"
)

const (
	mostFindings = 50          // that are kept
	findingEvery = time.Minute // between two lines of the log about the same
)

// findings are what images did and must not. An image may do it a million times: that is one finding, with a count.
type findings struct {
	now func() time.Time
	log *slog.Logger

	mu   sync.Mutex // guards all below
	list []*finding // those found last come last
}

// finding is one that was made, once or many times.
type finding struct {
	admin.Finding
	top   string    // of the stack: where in the image it is
	told  time.Time // in the log
	since int64     // how often after that
}

func newFindings(log *slog.Logger) *findings { return &findings{now: time.Now, log: log} }

// add keeps a finding that was made so often in a worker, "" for this process, of a pool.
func (fs *findings) add(f *executor.Finding, times int, pool, worker string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	now := fs.now()
	x := fs.same(f)
	x.Last = now
	x.Count += int64(times)
	x.since += int64(times)
	if !x.told.IsZero() && now.Sub(x.told) < findingEvery {
		return
	}
	args := []any{"kind", x.Kind, "image", filepath.Base(x.Image), "call", x.Call, "what", f.Text, "times", x.since, "pool", pool}
	if worker != "" {
		args = append(args, "worker", worker)
	}
	if f.Request != 0 {
		args = append(args, "request", trace.FormatID(f.Request))
	}
	if x.top != "" {
		args = append(args, "at", x.top)
	}
	x.told, x.since = now, 0
	fs.log.Warn("image misuses the interface", args...)
}

// same finds what f is another case of, or begins a new one, in the place of the one that was found least lately. It is the last then.
func (fs *findings) same(f *executor.Finding) *finding {
	top := ""
	if len(f.Stack) > 0 {
		top = f.Stack[0]
	}
	i := slices.IndexFunc(fs.list, func(x *finding) bool {
		return x.Image == f.Image && x.Kind == string(f.Kind) && x.Call == f.Call && x.top == top
	})
	if i >= 0 {
		x := fs.list[i]
		fs.list = append(slices.Delete(fs.list, i, i+1), x)
		return x
	}
	x := &finding{top: top}
	x.Kind, x.Image, x.Call, x.Text, x.First, x.Stack = string(f.Kind), f.Image, f.Call, f.Text, fs.now(), slices.Clone(f.Stack)
	if f.Request != 0 {
		x.Request = trace.FormatID(f.Request)
	}
	if len(fs.list) == mostFindings {
		fs.list = slices.Delete(fs.list, 0, 1)
	}
	fs.list = append(fs.list, x)
	return x
}

// all are those that are kept, the one that was found last comes last.
func (fs *findings) all() []admin.Finding {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := []admin.Finding{}
	for _, x := range fs.list {
		list = append(list, x.Finding)
	}
	return list
}

// found takes down what an image did and must not.
func (f *Front) found(x *executor.Finding, times int, pool, worker string) {
	f.findings.add(x, times, pool, worker)
	f.metrics.Found(x, times)
}
