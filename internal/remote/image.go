package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
)

// Image is an extension, a filter or both that a worker has loaded.
type Image struct {
	w    *Worker
	id   uint64
	path string
	opt  executor.Options
	desc string

	level    int // of its log, as the worker knows; guarded by the worker's mu, as is counters
	counters counters

	loading chan struct{} // closed when the worker has loaded it, or not
	loaded  bool          // set before that

	mu     sync.Mutex // guards all below
	closed bool
	inside int           // requests that run it, or go through it
	empty  chan struct{} // closed when there are none after Close
	ended  chan struct{} // closed when it is unloaded; nil before Close
	endErr error
	told   bool
}

// Load has the worker stage and load an image and call its GetExtensionVersion. The file of a version is copied first to where the worker
// can read it, whatever its user and its sandbox. An error is what it says in-process, or that the worker died of it: then
// it wraps the [*Obituary].
func (w *Worker) Load(ctx context.Context, path string, o executor.Options) (*Image, error) {
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	o = o.WithDefaults()
	abs, err := filepath.Abs(path) // the worker may have another folder
	if err != nil {
		return nil, err
	}
	i := &Image{w: w, path: path, opt: o, loading: make(chan struct{})}
	defer close(i.loading)
	w.mu.Lock()
	w.nextID++
	i.id = w.nextID
	w.mu.Unlock()
	options := wire.OptionsOf(o)
	options.Staging = w.staging.path
	if w.s.Program.Windows {
		if options.Place, err = w.staging.place(abs, i.id); err != nil {
			return nil, fmt.Errorf("load extension %q: make a folder for worker %s: %w", path, w.s.Name, err)
		}
	}
	if o.Version.File != "" {
		copied, remove, err := w.staging.put(o.Version.File, i.id)
		if err != nil {
			return nil, fmt.Errorf("load extension %q: copy its version for worker %s: %w", path, w.s.Name, err)
		}
		defer remove()
		options.Version.File = copied
	}
	level := logLevel(o.Logger)
	w.mu.Lock()
	i.level = level
	w.images[i.id] = i
	w.mu.Unlock()
	answer, err := w.ask(ctx, wire.AskLoad, wire.Image{ID: i.id, Path: abs, Level: level, Options: options})
	if err != nil {
		w.mu.Lock()
		delete(w.images, i.id)
		w.mu.Unlock()
		if obit := w.diedOf(err); obit != nil {
			return nil, fmt.Errorf("load extension %q: %w", path, obit)
		}
		return nil, err
	}
	i.desc, i.loaded = string(answer), true
	return i, nil
}

// logLevel is the lowest level that is logged.
func logLevel(l *slog.Logger) int {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if l.Enabled(context.Background(), level) {
			return int(level)
		}
	}
	return int(slog.LevelError)
}

func (w *Worker) ask(ctx context.Context, topic string, what wire.Image) ([]byte, error) {
	payload, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	answer, err := w.link.Ask(ctx.Done(), topic, payload)
	if errors.Is(err, wire.ErrCancelled) {
		err = ctx.Err()
	}
	return answer, err
}

// diedOf is the obituary of the worker if err is due to its death; nil, too, if it was disowned.
func (w *Worker) diedOf(err error) *Obituary {
	if !errors.Is(err, wire.ErrDown) {
		return nil
	}
	return w.over()
}

// Description is what the extension gave in GetExtensionVersion, or a filter that is none in GetFilterVersion.
func (i *Image) Description() string { return i.desc }

// Path is where it was loaded from.
func (i *Image) Path() string { return i.path }

// Ping returns when a thread of the extension's has answered. If the worker died before, the error is its [*Obituary].
func (i *Image) Ping(ctx context.Context) error {
	_, err := i.w.ask(ctx, wire.AskPing, wire.Image{ID: i.id})
	if obit := i.w.diedOf(err); obit != nil {
		return obit
	}
	return err
}

func (i *Image) enter() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return false
	}
	i.inside++
	return true
}

func (i *Image) leave() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.inside--; i.inside == 0 && i.closed {
		close(i.empty)
	}
}

// Close refuses new requests and has the worker unload the image when those inside have ended. As [executor.Executor] wants it,
// it may be called again when ctx ended before that.
func (i *Image) Close(ctx context.Context) error {
	i.mu.Lock()
	first := !i.closed
	i.closed = true
	if first {
		i.ended, i.empty = make(chan struct{}), make(chan struct{})
		if i.inside == 0 {
			close(i.empty)
		}
		go i.unload()
	}
	i.mu.Unlock()
	select {
	case <-i.ended:
	case <-ctx.Done():
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.inside > 0 {
			return fmt.Errorf("extension %q stays loaded: %d requests are still inside it: %w", i.opt.Name, i.inside, ctx.Err())
		}
		return fmt.Errorf("extension %q stays loaded: its TerminateExtension has not returned: %w", i.opt.Name, ctx.Err())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.told {
		return fmt.Errorf("extension %q: %w", i.opt.Name, executor.ErrClosed)
	}
	i.told = true
	return i.endErr
}

func (i *Image) unload() {
	defer close(i.ended)
	<-i.loading // the worker may be about to stop, and this be what it loads
	if !i.loaded {
		return
	}
	<-i.empty // those that go through it as a filter are requests for other images
	_, err := i.w.ask(context.Background(), wire.AskUnload, wire.Image{ID: i.id})
	if obit := i.w.diedOf(err); obit != nil && !obit.Expected() {
		err = fmt.Errorf("unload extension %q: %w", i.opt.Name, obit)
	}
	i.w.mu.Lock()
	delete(i.w.images, i.id)
	i.w.mu.Unlock()
	i.endErr = err
}
