package front

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
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
	keepers  map[keptBy]*keeper // for pools with another user
	closed   bool
	ending   chan struct{} // closed with closed
}

func newWines(log *slog.Logger, conf config.Wine) *wines {
	w := &wines{log: log, setup: wine.Setup(conf), programs: map[kind]*remote.Program{}, keepers: map[keptBy]*keeper{}, ending: make(chan struct{})}
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

// prepare has workers of a kind be started in a pool from now on. It may take as long as Wine takes to make its folder.
func (w *wines) prepare(ctx context.Context, k kind, p *config.Pool) error {
	if k.byWine() {
		if who, err := lodgerOf(p); who != nil || err != nil {
			if err == nil {
				err = w.prepareFor(ctx, k, who)
			}
			return err
		}
	}
	w.preparing.Lock()
	defer w.preparing.Unlock()
	if w.prepared(k) != nil {
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
func (w *wines) progress(step string) { w.progressOf(w.setup.Place(), step) }

func (w *wines) progressOf(prefix, step string) {
	w.log.Info("Wine is prepared", "step", step, "prefix", prefix)
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

// withOwn is a program with what a pool says of its environment in place of what is usual. HOME and TMPDIR stay: they are
// Wine's, and no program sees them.
func withOwn(p *remote.Program, own map[string]string) *remote.Program {
	if p == nil || len(own) == 0 {
		return p
	}
	own = maps.Clone(own)
	delete(own, "HOME")
	delete(own, "TMPDIR")
	with := *p
	with.Env = without(p.Env, own)
	return &with
}

// prepared is what was prepared for a kind; nil: nothing.
func (w *wines) prepared(k kind) *remote.Program {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.programs[k]
}

// program is what the workers of a pool are for a kind; nil: nothing was prepared.
func (w *wines) program(k kind, p *config.Pool) *remote.Program {
	if k.byWine() {
		if who, err := lodgerOf(p); err == nil && who != nil {
			return w.programFor(k, who)
		}
	}
	return w.prepared(k)
}

// ready waits until the server runs, if the workers of a pool for a kind need it. For another user it is started if need be: a pool can get one by a reload.
func (w *wines) ready(ctx context.Context, k kind, p *config.Pool) error {
	if !k.byWine() {
		return nil
	}
	who, err := lodgerOf(p)
	if err != nil {
		return err
	}
	if who != nil {
		if err := w.prepareFor(ctx, k, who); err != nil {
			return err
		}
		return w.keeperOf(k, who).ready(ctx)
	}
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	if held == nil {
		return nil
	}
	return held.Ready(ctx)
}

// version is that of the Wine that the workers of a pool for a kind run under, and its folder; "" if they do not. p is nil if the pool was removed.
func (w *wines) version(k kind, p *config.Pool) (version, prefix string) {
	if !k.byWine() {
		return "", ""
	}
	if p != nil {
		if who, err := lodgerOf(p); err == nil && who != nil {
			kept := w.keeperOf(k, who)
			kept.mu.Lock()
			defer kept.mu.Unlock()
			if kept.version == "" {
				return "", ""
			}
			return kept.version, kept.prefix
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.found == nil {
		return "", ""
	}
	return w.found.Version, w.setup.Place()
}

// close lets the servers end. Nothing may run under them any more.
func (w *wines) close() {
	w.mu.Lock()
	w.closed = true
	close(w.ending)
	held := w.held
	w.held = nil
	kept := slices.Collect(maps.Values(w.keepers))
	w.mu.Unlock()
	var all sync.WaitGroup
	for _, k := range kept {
		all.Go(k.close)
	}
	if held != nil {
		held.Release()
	}
	all.Wait()
}

// OnProgress has f called with each step of something that keeps the first Windows image waiting. It must be called before Start.
func (f *Front) OnProgress(told func(string)) { f.wine.told = told }
