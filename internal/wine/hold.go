package wine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/isapid/isapid/internal/proc"
)

const (
	startTimeout = 30 * time.Second       // for the server and the services of a prefix, which take half a second
	leaveTimeout = 3 * time.Second        // for the server to end after the last program; it takes one or two
	firstPause   = 100 * time.Millisecond // between two tries to start it again
	longestPause = 10 * time.Second
)

var errTooLong = errors.New("it took too long")

// holder is a small Windows program that waits for its standard input to end. As long as one runs, the server does, too; and whichever way this
// process ends, the input does. A program that waits does not notice when its server is killed: that is looked at apart.
type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{} // closed when it has ended
	lost  chan struct{} // closed when the server has ended, or nobody looks any more
	blind func()        // makes nobody look any more
}

// Held is a prefix whose server is kept running.
type Held struct {
	w      *Wine
	prefix string
	let    context.CancelFunc
	kept   chan struct{} // closed when nobody keeps it any more
	lost   func(error)   // called by the keeper
	up     chan struct{} // received from as long as the server runs
	share  *os.File      // locked together with all others who hold the prefix; nil: it could not be
}

// Hold starts the wineserver of a prefix and what Windows has running always, and keeps them until [Held.Release]. Others may hold the
// same prefix, in this process and in others: when the last one releases it the server ends.
//
// If the server is killed, the programs of the prefix cannot go on: they are killed, the server is started again, and lost, if not nil, is called with the
// reason, and with one for each try that fails. ctx is for the first start; its end does not release.
func (w *Wine) Hold(ctx context.Context, prefix string, lost func(error)) (*Held, error) {
	prefix, err := filepath.Abs(prefix)
	if err != nil {
		return nil, err
	}
	if lost == nil {
		lost = func(error) {}
	}
	share := lockShared(prefix + ".held")
	first, err := w.startHolder(ctx, prefix)
	if err != nil {
		closeFile(share)
		return nil, fmt.Errorf("start the wineserver of %q: %w", prefix, err)
	}
	hold, let := context.WithCancel(context.WithoutCancel(ctx))
	h := &Held{w: w, prefix: prefix, let: let, kept: make(chan struct{}), lost: lost, up: make(chan struct{}), share: share}
	go h.keep(hold, first)
	return h, nil
}

// Ready waits until the server runs, which is at once unless it has just been killed. A program that starts before that starts a server by
// itself, and what that runs has the program's standard error open, even after its death. If somebody has removed the prefix there is an
// error: a program would begin to make another one, in which it finds nothing.
func (h *Held) Ready(ctx context.Context) error {
	if err := Whole(h.prefix); err != nil {
		return err
	}
	select {
	case h.up <- struct{}{}:
		return nil
	case <-h.kept:
		return fmt.Errorf("the wineserver of %q was released", h.prefix)
	case <-ctx.Done():
		return fmt.Errorf("the wineserver of %q does not run yet: %w", h.prefix, context.Cause(ctx))
	}
}

// Whole returns an error if somebody has removed a prefix.
func Whole(prefix string) error {
	if _, err := os.Stat(filepath.Join(prefix, filepath.FromSlash("drive_c/windows/system32/kernel32.dll"))); err != nil {
		return fmt.Errorf("somebody has removed the Wine prefix, or part of it: restart isapid, which makes it again: %w", err)
	}
	return nil
}

// Release lets the server end and, if nobody else holds it, waits for that, a second or two. It may be called once.
//
// A server that is ending ends the programs that come to it, too: nobody may begin to hold the prefix meanwhile.
func (h *Held) Release() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	defer h.w.alone(ctx, h.prefix)()
	h.let()
	<-h.kept
	last := h.share == nil || lockLast(h.share)
	closeFile(h.share)
	if last {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		there := programs(h.prefix)
		outlived := h.w.Wait(ctx, h.prefix) == nil // what is still there then waits for a server that is gone, for ever
		for _, p := range there {
			if outlived {
				p.Kill()
			}
			p.Release()
		}
	}
}

// alone keeps all others from beginning or ending to hold a prefix, until the function that it returns is called. It gives up when ctx ends, or if
// there can be no lock beside the prefix.
func (w *Wine) alone(ctx context.Context, prefix string) func() {
	unlock, err := lock(ctx, prefix+".lock", func() {})
	if err != nil {
		return func() {}
	}
	return unlock
}

func closeFile(f *os.File) {
	if f != nil {
		f.Close()
	}
}

// keep starts the holder again whenever the server has ended, until ctx does.
func (h *Held) keep(ctx context.Context, now *holder) {
	defer close(h.kept)
	for now != nil {
		select {
		case <-ctx.Done():
			now.end()
			return
		case <-h.up:
			continue
		case <-now.ended:
		case <-now.lost:
		}
		now.kill()
		h.lost(fmt.Errorf("somebody ended the wineserver of %q, and with it all programs of that prefix: it is started again", h.prefix))
		now = h.restart(ctx)
	}
}

// restart tries to start a holder until it succeeds or ctx ends; then it is nil.
func (h *Held) restart(ctx context.Context) *holder {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		next, err := h.w.startHolder(ctx, h.prefix)
		switch {
		case ctx.Err() != nil:
			if next != nil {
				next.end()
			}
			return nil
		case err == nil:
			return next
		}
		h.lost(fmt.Errorf("start the wineserver of %q again: %w", h.prefix, err))
		if errors.Is(err, errTooLong) { // what starts Wine's services was ended while it did: all others wait for it, without end
			killAll(h.prefix)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// startHolder starts the server if there is none, and a holder, and waits until that runs; the services run then, too.
func (w *Wine) startHolder(ctx context.Context, prefix string) (h *holder, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errTooLong)
	defer cancel()
	defer w.alone(ctx, prefix)()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("somebody else prepares, takes or releases it: %w", ctx.Err())
	}
	if why, help := cannotUse(prefix); why != "" {
		return nil, fmt.Errorf("%s: %s", why, help)
	}
	if err := keepUpdates(prefix); err != nil {
		return nil, err
	}
	if err := w.startServer(ctx, prefix); err != nil {
		return nil, err
	}
	command := []string{w.Path, `C:\windows\system32\cmd.exe`, "/d", "/q"}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = prefix
	cmd.Env = append(os.Environ(), w.environment(prefix)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	inSession(cmd)
	if err := proc.WithoutChance(cmd.Start); err != nil {
		return nil, err
	}
	h = &holder{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		defer close(h.ended)
		if n, _ := stdout.Read(make([]byte, 1)); n > 0 { // its greeting
			close(ready)
		}
		io.Copy(io.Discard, stdout)
		cmd.Wait()
	}()
	select {
	case <-ready:
		w.watch(h, prefix)
		return h, nil
	case <-h.ended:
		if err := w.run(ctx, prefix, append(command, "/c", "exit")...); err != nil { // this one says why
			return nil, err
		}
		return nil, fmt.Errorf("a program that holds it ended at once (%s)", cmd.ProcessState)
	case <-ctx.Done():
		h.kill()
		return nil, context.Cause(ctx)
	}
}

// startServer starts the server of a prefix, if there is none: by itself and with nothing of ours open. It ends as soon as no program runs.
//
// Programs of a server that was killed wait for ever for its answer, and notice only when they ask it something new. If there was no server, those
// that were there before are such.
func (w *Wine) startServer(ctx context.Context, prefix string) error {
	before := programs(prefix)
	err := w.serverCommand(ctx, prefix, "-p0")
	for _, p := range before {
		if err == nil {
			p.Kill()
		}
		p.Release()
	}
	if isExit(err) {
		return nil // there is one
	}
	return err
}

// killAll ends all that runs in a prefix, the server too.
func killAll(prefix string) {
	for _, p := range programs(prefix) {
		p.Kill()
		p.Release()
	}
}

// watch begins to look whether the server runs.
func (w *Wine) watch(h *holder, prefix string) {
	ctx, cancel := context.WithCancel(context.Background())
	h.blind = cancel
	h.lost = make(chan struct{})
	go func() {
		defer close(h.lost)
		w.Wait(ctx, prefix) // if that fails, the server is as good as lost
	}()
}

// end asks the holder to end, and ends it.
func (h *holder) end() {
	h.stdin.Close()
	select {
	case <-h.ended:
	case <-time.After(leaveTimeout):
	}
	h.kill()
}

// kill ends the holder at once, and the looking.
func (h *holder) kill() {
	h.cmd.Process.Kill()
	h.stdin.Close()
	<-h.ended
	if h.blind != nil {
		h.blind()
		<-h.lost
	}
}
