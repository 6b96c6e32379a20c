package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/wine"
)

// Wine runs in folders of its own user only. For a pool with another user there is another folder, and a process of that user, the keeper, which makes it
// and keeps its server running: see [wine.Keep]. This process touches nothing in there.

const (
	keeperStart  = 3 * time.Minute // to make a folder, at most
	keeperEnd    = 8 * time.Second // to release the server
	keeperPause  = time.Second     // before a keeper that has ended is started again
	keeperLonger = 30 * time.Second
)

// lodger is another user that workers under Wine run as; nil is the one of this process.
type lodger struct {
	uid, gid int
	as       proc.Spec // with his name and group
}

// lodgerOf is who the workers of a pool run as.
func lodgerOf(p *config.Pool) (*lodger, error) {
	l := &lodger{as: proc.Spec{User: p.User, Group: p.Group}}
	if p.User == "" {
		return nil, nil // a group of its own changes nothing for Wine
	}
	var err error
	if l.uid, l.gid, err = proc.Who(&l.as); err != nil {
		return nil, err
	}
	if l.uid == os.Geteuid() {
		return nil, nil
	}
	return l, nil
}

// keptBy is what a keeper keeps.
type keptBy struct {
	uid  int
	kind kind
}

// keeper is a process of another user that keeps Wine running for workers of a kind.
type keeper struct {
	log    *slog.Logger
	who    *lodger
	prefix string
	args   []string
	step   func(string)

	begin sync.Mutex    // held while it is started for the first time
	runs  chan struct{} // closed when nothing of it runs any more; nil: it has not begun. Guarded by begin
	end   context.CancelFunc

	mu      sync.Mutex    // guards all below
	up      chan struct{} // closed as long as the server runs
	version string        // of Wine, once that is so
	failed  string        // why it could not be kept, as it said last
}

// start starts the keeper, unless that has been done, and waits until the server runs. ended is closed when it must not be kept any more.
func (k *keeper) start(ctx context.Context, ended <-chan struct{}) error {
	k.begin.Lock()
	defer k.begin.Unlock()
	select {
	case <-ended:
		return errors.New("the server is ending")
	default:
	}
	if k.runs != nil {
		return nil
	}
	if err := wine.MakeHome(k.prefix, k.who.uid, k.who.gid); err != nil {
		return fmt.Errorf("make a folder for the Wine of user %q: %w", k.who.as.User, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, keeperStart, errors.New("it took too long"))
	defer cancel()
	p, stop, err := k.launch()
	if err != nil {
		return err
	}
	select {
	case <-k.isUp():
	case <-p.Done():
		stop()
		return k.why()
	case <-ctx.Done():
		stop()
		return fmt.Errorf("prepare Wine for user %q: %w", k.who.as.User, context.Cause(ctx))
	case <-ended:
		stop()
		return errors.New("the server is ending")
	}
	keep, end := context.WithCancel(context.Background())
	k.runs, k.end = make(chan struct{}), end
	go k.keep(keep, p, stop)
	return nil
}

// keep starts the keeper again whenever it has ended, until ctx does.
func (k *keeper) keep(ctx context.Context, p *proc.Process, stop func()) {
	defer close(k.runs)
	for pause := keeperPause; ; pause = min(2*pause, keeperLonger) {
		if p != nil {
			select {
			case <-p.Done():
			case <-ctx.Done():
			}
			stop()
			if ctx.Err() != nil {
				return
			}
			k.lost()
			k.log.Error("wineserver is lost", "error", k.why(), "user", k.who.as.User)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		var err error
		if p, stop, err = k.launch(); err != nil {
			k.log.Error("wineserver is lost", "error", err, "user", k.who.as.User)
		}
	}
}

// launch starts the process. The caller must call stop, which has it end and waits for that.
func (k *keeper) launch() (p *proc.Process, stop func(), err error) {
	in, hold, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	k.mu.Lock()
	k.failed = ""
	k.mu.Unlock()
	spec := k.who.as
	spec.Path, spec.Arg0, spec.Args, spec.Env, spec.Dir, spec.In, spec.Output = "/proc/self/exe", "isapid", k.args, os.Environ(), "/", in, k.said
	spec.NoNewPrivileges = true
	if p, err = proc.Start(spec); err != nil {
		hold.Close()
		return nil, nil, fmt.Errorf("prepare Wine for user %q: %w", k.who.as.User, err)
	}
	return p, func() {
		hold.Close()
		select {
		case <-p.Done():
		case <-time.After(keeperEnd):
			_ = p.Kill()
			<-p.Done()
		}
	}, nil
}

// said gets a line of the process.
func (k *keeper) said(line string, _ bool) {
	line = printable(line)
	what, text, _ := strings.Cut(line, ": ")
	switch what + ": " {
	case wine.KeepStep:
		k.step(text)
	case wine.KeepUp:
		k.mu.Lock()
		defer k.mu.Unlock()
		k.version = text
		select {
		case <-k.up:
		default:
			close(k.up)
		}
	case wine.KeepLost:
		k.lost()
		k.log.Error("wineserver is lost", "error", text, "user", k.who.as.User)
	default:
		k.mu.Lock()
		defer k.mu.Unlock()
		k.failed = strings.TrimPrefix(line, wine.KeepFail)
	}
}

// printable is a line of another user's process without what would act on a terminal.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, line)
}

// lost has all wait for the server again.
func (k *keeper) lost() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.up:
		k.up = make(chan struct{})
	default:
	}
}

func (k *keeper) isUp() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.up
}

// why is why the process has ended, as it said itself.
func (k *keeper) why() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed == "" {
		return fmt.Errorf("the process of user %q that keeps Wine running has ended", k.who.as.User)
	}
	return fmt.Errorf("for user %q: %s", k.who.as.User, k.failed)
}

// ready waits until the server runs.
func (k *keeper) ready(ctx context.Context) error {
	if err := wine.Whole(k.prefix); err != nil {
		return err
	}
	select {
	case <-k.isUp():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the wineserver of user %q does not run yet: %w", k.who.as.User, context.Cause(ctx))
	}
}

// close has the process end, if there is one, and waits for that.
func (k *keeper) close() {
	k.begin.Lock()
	defer k.begin.Unlock()
	if k.runs != nil {
		k.end()
		<-k.runs
	}
}

// keeperOf is the keeper for workers of a kind and user, which may not have been started yet.
func (w *wines) keeperOf(k kind, who *lodger) *keeper {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := keptBy{who.uid, k}
	kept := w.keepers[of]
	if kept == nil {
		prefix := w.setup.PlaceOf(who.uid)
		if abs, err := filepath.Abs(prefix); err == nil {
			prefix = abs
		}
		kept = &keeper{log: w.log, who: who, prefix: prefix, args: []string{wine.KeepCommand, prefix, string(k)}, up: make(chan struct{})}
		kept.step = func(step string) { w.progressOf(kept.prefix, step) }
		w.keepers[of] = kept
	}
	return kept
}

// programFor is what workers of a kind are for another user; nil if there is no Wine. Before it is started there must be his folder: see ready.
func (w *wines) programFor(k kind, who *lodger) *remote.Program {
	found, err := w.find()
	if err != nil {
		return nil
	}
	exe, err := w.setup.Worker(string(k))
	if err != nil {
		return nil
	}
	prefix := w.keeperOf(k, who).prefix
	command, env, err := found.Program(prefix, string(k), exe)
	if err != nil {
		return nil
	}
	const temporary = "TMPDIR"
	env = append(without(env, map[string]string{temporary: ""}), temporary+"="+wine.TemporaryOf(prefix))
	return &remote.Program{Command: command, Env: env, Plain: true, Windows: true}
}

// prepareFor has workers of a kind be started as another user from now on.
func (w *wines) prepareFor(ctx context.Context, k kind, who *lodger) error {
	if _, err := w.setup.Worker(string(k)); err != nil {
		return err
	}
	found, err := w.find()
	if err == nil {
		err = found.Supports(string(k))
	}
	if err != nil {
		return err
	}
	return w.keeperOf(k, who).start(ctx, w.ending)
}
