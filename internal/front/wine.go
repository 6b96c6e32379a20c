package front

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/wine"
)

// wines is the Wine that Windows images run under. Nothing of it is looked for before the first one: then its folder is made, if it is not there,
// and its server is kept running until the front ends.
type wines struct {
	log   *slog.Logger
	setup wine.Setup
	told  func(string) // of OnProgress; nil: nobody

	find func() (*wine.Wine, error) // once it was found the same one

	preparing sync.Mutex // held while the folder is made: all who need it wait for that

	mu       sync.Mutex // guards all below
	found    *wine.Wine // nil until something runs under it
	held     *wine.Held
	programs map[kind]*remote.Program
	closed   bool
}

func newWines(log *slog.Logger, conf config.Wine) *wines {
	w := &wines{log: log, setup: wine.Setup(conf), programs: map[kind]*remote.Program{}}
	var once sync.Mutex
	var kept *wine.Wine
	w.find = func() (*wine.Wine, error) {
		once.Lock()
		defer once.Unlock()
		if kept != nil {
			return kept, nil
		}
		found, err := wine.Find() // which is tried again: it may be installed meanwhile
		if err == nil {
			kept = found
		}
		return found, err
	}
	return w
}

// prepare has workers of a kind be started from now on. It may take as long as Wine takes to make its folder.
func (w *wines) prepare(ctx context.Context, k kind) error {
	w.preparing.Lock()
	defer w.preparing.Unlock()
	if w.program(k) != nil {
		return nil
	}
	exe, err := w.setup.Worker(string(k))
	if err != nil {
		return err
	}
	made := &remote.Program{Command: []string{exe}, Plain: true}
	if k.byWine() {
		if made, err = w.underWine(ctx, k, exe); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.programs[k] = made
	return nil
}

// underWine prepares the folder and the server.
func (w *wines) underWine(ctx context.Context, k kind, exe string) (*remote.Program, error) {
	arch := string(k)
	found, err := w.find()
	if err == nil {
		err = found.Supports(arch)
	}
	if err != nil {
		return nil, err
	}
	if err := found.Prepare(ctx, w.setup.Place(), []string{arch}, w.progress); err != nil {
		return nil, err
	}
	if err := w.hold(ctx, found); err != nil {
		return nil, err
	}
	command, env, err := found.Program(w.setup.Place(), arch, exe)
	if err != nil {
		return nil, err
	}
	return &remote.Program{Command: command, Env: env, Plain: true, Windows: true}, nil
}

// progress tells a step of what takes long.
func (w *wines) progress(step string) {
	w.log.Info("Wine is prepared", "step", step, "prefix", w.setup.Place())
	if w.told != nil {
		w.told(step)
	}
}

// hold keeps the server running.
func (w *wines) hold(ctx context.Context, found *wine.Wine) error {
	w.mu.Lock()
	held, closed := w.held, w.closed
	w.mu.Unlock()
	switch {
	case closed:
		return errors.New("the server is ending")
	case held != nil:
		return nil
	}
	held, err := found.Hold(ctx, w.setup.Place(), func(err error) { w.log.Error("wineserver is lost", "error", err) })
	if err != nil {
		return err
	}
	w.mu.Lock()
	if !w.closed {
		w.held, w.found = held, found
		held = nil
	}
	w.mu.Unlock()
	if held != nil {
		held.Release()
		return errors.New("the server is ending")
	}
	w.log.Info("Wine runs", "version", found.Version, "prefix", w.setup.Place())
	return nil
}

// withOwn is a program with what a pool says of its environment in place of what is usual. HOME stays: it is Wine's, and no program sees it.
func withOwn(p *remote.Program, own map[string]string) *remote.Program {
	if p == nil || len(own) == 0 {
		return p
	}
	own = maps.Clone(own)
	delete(own, "HOME")
	with := *p
	with.Env = without(p.Env, own)
	return &with
}

// program is what was prepared for a kind; nil: nothing.
func (w *wines) program(k kind) *remote.Program {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.programs[k]
}

// ready waits until the server runs, if workers of a kind need it.
func (w *wines) ready(ctx context.Context, k kind) error {
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	if !k.byWine() || held == nil {
		return nil
	}
	return held.Ready(ctx)
}

// version is that of the Wine that workers of a kind run under, and its folder; "" if they do not.
func (w *wines) version(k kind) (version, prefix string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !k.byWine() || w.found == nil {
		return "", ""
	}
	return w.found.Version, w.setup.Place()
}

// close lets the server end. Nothing may run under it any more.
func (w *wines) close() {
	w.mu.Lock()
	w.closed = true
	held := w.held
	w.held = nil
	w.mu.Unlock()
	if held != nil {
		held.Release()
	}
}

// OnProgress has f called with each step of something that keeps the first Windows image waiting. It must be called before Start.
func (f *Front) OnProgress(told func(string)) { f.wine.told = told }
