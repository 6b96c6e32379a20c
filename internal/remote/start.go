package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/wire"
)

// Start starts a worker and returns when it has greeted. The caller must call Stop or Kill and wait for Gone. An error
// leaves nothing behind; if the worker died it is its [*Obituary].
func Start(ctx context.Context, s Settings) (*Worker, error) {
	for tries := 1; ; tries++ {
		w, err := start(ctx, s)
		if tries == mostStarts || !unlucky(err) {
			return w, err
		}
		s.withDefaults().Log.Info("Wine found its place in memory taken: the worker is started again", "worker", s.Name, "error", err)
	}
}

// mostStarts is how often a worker is started that is unlucky each time.
const mostStarts = 3

// unlucky says whether a worker under Wine ended before it began since the one address was taken that Wine must have (KUSER_SHARED_DATA): that can be where
// the system chooses addresses by chance, because [proc.WithoutChance] may not keep it from that.
func unlucky(err error) bool {
	var o *Obituary
	return errors.As(err, &o) && strings.Contains(o.Output, "failed to map the shared user data")
}

func start(ctx context.Context, s Settings) (*Worker, error) {
	w := &Worker{
		s: s.withDefaults(), images: map[uint64]*Image{}, runs: runs{byID: map[uint64]*running{}}, started: time.Now(),
		ready: make(chan struct{}), gone: make(chan struct{}), givenUp: make(chan struct{}), announced: make(chan struct{}),
	}
	if err := w.launch(); err != nil {
		return nil, fmt.Errorf("start worker %s: %w", w.s.Name, err)
	}
	limit := time.NewTimer(w.s.Startup)
	defer limit.Stop()
	select {
	case <-w.ready:
		w.announce()
		return w, nil
	case <-w.gone:
		return nil, w.obit
	case <-limit.C:
		w.Kill(fmt.Sprintf("it did not greet within %v", w.s.Startup))
	case <-ctx.Done():
		w.Kill("it is not needed any more")
	}
	<-w.gone
	return nil, w.obit
}

// announce tells Settings.Started, unless the worker has ended meanwhile.
func (w *Worker) announce() {
	w.mu.Lock()
	w.announcing = w.obit == nil
	w.mu.Unlock()
	if w.announcing && w.s.Started != nil {
		w.s.Started(w)
	}
	close(w.announced)
}

// inWorker is set in the environment of every worker. A program that does not know what its argument "worker" means would start
// itself without end.
const inWorker = "ISAPID_WORKER"

func (w *Worker) launch() (err error) {
	if os.Getenv(inWorker) != "" {
		return errors.New("this program is a worker itself")
	}
	if w.staging, err = newStaging(); err != nil {
		return fmt.Errorf("make a folder for its images: %w", err)
	}
	spec := w.s.Spec
	ours, theirs, err := channel(w.s.Program.Plain, &spec)
	if err != nil {
		return errors.Join(err, w.staging.remove())
	}
	spec.Env = withEnv(spec.Env, append(slices.Clip(w.s.Program.Env), inWorker+"="+w.s.Name))
	spec.Path, spec.Args, spec.Output, spec.Wine = w.s.Command[0], w.s.Command[1:], w.line, w.s.Program.Windows
	if spec.Wine {
		spec.NoNewPrivileges = w.s.NoNewPrivileges // it cannot do that to itself
	} else {
		spec.Arg0 = "isapid" // Wine finds its files by what it is called
	}
	w.process, err = proc.Start(spec)
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		ours.Close()
		return errors.Join(err, w.staging.remove())
	}
	for _, note := range w.process.Notes() {
		w.s.Log.Warn("setting of a worker is not in force", "name", w.s.Name, "note", note)
	}
	if err = proc.Own(w.staging.path, &spec); err != nil {
		ours.Close()
		_ = w.process.Kill()
		<-w.process.Done()
		return errors.Join(err, w.staging.remove())
	}
	h := w.hello()
	if w.s.Program.Plain {
		h.Board = w.makeBoard(&spec)
	}
	hello, _ := json.Marshal(h)
	w.link = wire.NewLink(ours, peer{w}, true, hello, w.greeted)
	if !w.s.Program.Plain {
		w.giveBoard()
	}
	go w.watch()
	return nil
}

// withEnv is an environment with other variables, which take the place of those of the same name: of two a program would see the first.
func withEnv(env, with []string) []string {
	all := slices.DeleteFunc(slices.Clone(env), func(old string) bool {
		name, _, _ := strings.Cut(old, "=")
		return slices.ContainsFunc(with, func(v string) bool {
			is, _, _ := strings.Cut(v, "=")
			return is == name || runtime.GOOS == "windows" && strings.EqualFold(is, name)
		})
	})
	return append(all, with...)
}

// giveBoard gives the worker a board. Where there can be none, it is not known what a worker did last.
func (w *Worker) giveBoard() {
	board, err := wire.NewBoard()
	if err == nil {
		if err = w.link.GiveBoard(board); err == nil {
			w.board = board
			return
		}
		board.Close()
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		w.noBoard(err)
	}
}

// makeBoard makes a board as a file where a worker of that kind can open it, for a stream that cannot carry it. "": there is none.
func (w *Worker) makeBoard(spec *proc.Spec) (path string) {
	board, path, err := w.staging.board()
	if err == nil {
		if err = proc.Own(path, spec); err == nil {
			w.board = board
			return path
		}
		board.Close()
	}
	w.noBoard(err)
	return ""
}

func (w *Worker) noBoard(err error) {
	w.s.Log.Warn("no board for a worker", "name", w.s.Name, "error", err)
}

func (w *Worker) hello() wire.FrontHello {
	h := wire.FrontHello{Version: wire.Version, Name: w.s.Name, NoNewPrivileges: w.s.NoNewPrivileges && !w.s.Program.Windows, Unix: w.s.Program.Windows}
	if w.s.Program.Windows {
		h.Environment = w.s.Environment
	}
	if s := w.s.Sandbox; s != nil {
		with := *s
		with.Write = append(slices.Clip(with.Write), w.staging.path)
		h.Sandbox = &with
	}
	return h
}

func (w *Worker) greeted(payload []byte) error {
	var h wire.WorkerHello
	if err := json.Unmarshal(payload, &h); err != nil {
		return &wire.ProtocolError{What: "greeting: " + err.Error()}
	}
	if h.Version != wire.Version || h.Software != executor.Software {
		return &wire.ProtocolError{What: fmt.Sprintf("the worker is %s with protocol %d, the front %s with %d", h.Software, h.Version, executor.Software, wire.Version)}
	}
	w.platform = Platform{System: word(h.System), Arch: word(h.Arch), Wine: word(h.Wine)}
	return nil
}

// word is a short text of a worker's that can be shown.
func word(s string) string {
	const most = 64
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), most)])
}
