// Package remote is one worker process as the front sees it: it starts the process, greets it, has it load images, runs
// requests through it, pings it, and tells how it ended. Which workers there are, and when one is replaced, is the
// business of package pool.
//
//	start.go     the process, and the greeting; staging.go: the folder for its copies of images
//	peer.go      what a worker opens and tells by itself
//	output.go    the last lines it wrote
//	image.go     load, ping, unload
//	execute.go   one request
//	runs.go      those that are inside
//	news.go      what a worker tells of its images
//	asker.go     what a worker may ask about a request
//	filtered.go  the same of a request that goes through filters in the worker
//	look.go      what can be seen of a worker: who is inside, the board, calls that are listened to
//	end.go       how a worker ends, and its obituary
package remote

import (
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/wire"
)

// Settings say how a worker process is started and run.
type Settings struct {
	Name            string        // in logs: "shop/1"
	Program         *Program      // what a worker is. nil: this program
	Command         []string      // program and arguments instead, for tests. Default: those of Program, "worker", and Name
	Spec            proc.Spec     // environment, folder, user, limits. Path, Args, Stream, In, Out, Output and Wine are set by Start
	Startup         time.Duration // longest time until the worker has greeted. Default 90 s
	Environment     []string      // variables of Spec.Env that a Windows program under Wine gives itself: Wine has values of its own for some
	NoNewPrivileges bool
	Sandbox         *wire.Sandbox // nil: none. The folder of staged images is added to what can be written
	Log             *slog.Logger  // default slog.Default()
	Notify          func(Event)   // told what a worker reports unasked; must not block. nil: nobody

	// Who looks. All may be nil. But for Started and Ended they are called by the goroutine that reads from the worker: they must not
	// block.
	Started func(*Worker)                                                             // it has greeted. Start returns, and images are loaded, when this does
	Ended   func(*Worker)                                                             // of one that was started: it has ended, and there is its obituary
	Traced  func(w *Worker, subscription uint32, p []byte, events, dropped int)       // what [trace.Sink] gets in the worker, which is not trusted. Nothing is kept of p
	Found   func(w *Worker, f *executor.Finding, times int)                           // an image did so often what it must not
	Count   func(w *Worker, i ImageInfo, name string, labels []string, delta float64) // a counter of an image goes up
}

// Program is a program that can be a worker: it does what package worker does when it is started with the arguments "worker" and a name.
type Program struct {
	Command []string // the program, and arguments before those. Default: this program
	Env     []string // added to Settings.Spec.Env
	Plain   bool     // the stream is its standard input and output, and carries no descriptors
	Windows bool     // it is a Windows program, and this is none: Command starts it by Wine, and it translates paths
}

// thisProgram is what a worker is by default. On Windows the stream of every worker is plain.
func thisProgram() *Program {
	return &Program{Plain: runtime.GOOS == "windows" || os.Getenv(wire.PlainByEnv) == "1"}
}

func (s Settings) withDefaults() Settings {
	if s.Program == nil {
		s.Program = thisProgram()
	}
	if len(s.Command) == 0 {
		program := s.Program.Command
		if len(program) == 0 {
			program = []string{self()}
		}
		s.Command = append(slices.Clip(program), "worker", s.Name)
	}
	if s.Startup == 0 {
		s.Startup = 90 * time.Second
	}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Notify == nil {
		s.Notify = func(Event) {}
	}
	if s.Spec.Env == nil {
		s.Spec.Env = os.Environ()
	}
	return s
}

// self is this program, as it is: the file may be replaced while it runs.
func self() string {
	if path := "/proc/self/exe"; runtime.GOOS == "linux" && exists(path) { // by Wine a Windows program sees that file, too
		return path
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// EventKind is what a worker reports without being asked.
type EventKind int

// Kinds of events.
const (
	Unhealthy EventKind = 1 + iota // HSE_REQ_REPORT_UNHEALTHY; Reason is the extension's
	Faulted                        // a contained fault; Reason says which
	Hung                           // a request took longer than its limit and was answered for the worker
	Ended                          // a connection has ended on which the worker got requests through filters
)

func (k EventKind) String() string {
	return [...]string{"", "unhealthy", "faulted", "hung", "ended"}[k]
}

// Event is what a worker reports without being asked.
type Event struct {
	Kind   EventKind
	Image  string // path
	Reason string
	Fault  *executor.FaultInfo // of Faulted

	Connection uint64 // of Ended; nothing else is set then
}

// Worker is a process that runs. Make it with [Start].
type Worker struct {
	s         Settings
	process   *proc.Process
	link      *wire.Link
	staging   *staging // folder of its images
	started   time.Time
	ready     chan struct{} // closed when it has greeted and restricted itself
	gone      chan struct{} // closed when it has ended
	announced chan struct{} // closed when Settings.Started has returned
	givenUp   chan struct{} // closed when it is disowned
	obit      *Obituary     // once gone is closed
	served    atomic.Int64
	lost      atomic.Int64
	output    tail
	logged    tail
	looked    time.Time // at the board, for a fault; only of who reads from the worker
	board     *os.File  // the board of its threads; nil: it has none
	platform  Platform  // once ready is closed

	mu         sync.Mutex // guards all below
	images     map[uint64]*Image
	nextID     uint64
	runs       runs
	hungRuns   []Inside // the first of those that were answered for the worker
	lostRuns   []Inside // the first of those that were inside at the end
	news       news
	level      int                 // of its own log
	announcing bool                // Settings.Started is called, or was
	fault      *executor.FaultInfo // the last one that was contained
	memory     proc.Memory         // when it was last asked for
	killed     string              // why we killed it
	stopped    bool                // it was asked to end
	disowned   bool
}

// Name is the worker's in logs.
func (w *Worker) Name() string { return w.s.Name }

// Pid is its process number.
func (w *Worker) Pid() int { return w.process.Pid() }

// Platform is what a worker runs on, as it says itself.
type Platform struct {
	System string // as Go names it: "linux", "windows"
	Arch   string // likewise: "amd64", "386"
	Wine   string // the version of Wine that it runs in; "": it does not
}

// Platform is what the worker runs on.
func (w *Worker) Platform() Platform { return w.platform }

// Started is when its process was.
func (w *Worker) Started() time.Time { return w.started }

// Served is how many requests ended with an answer of the worker.
func (w *Worker) Served() int64 { return w.served.Load() }

// InFlight is how many requests are inside.
func (w *Worker) InFlight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs.n
}

// Oldest is the request that has been inside for the longest time.
func (w *Worker) Oldest() (url string, since time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs.all() {
		if !ok || r.since.Before(since) {
			url, since, ok = r.url, r.since, true
		}
	}
	return url, since, ok
}

// Memory is what the process uses now.
func (w *Worker) Memory() (proc.Memory, error) {
	m, err := w.process.Memory()
	if err == nil {
		w.mu.Lock()
		w.memory = m
		w.mu.Unlock()
	}
	return m, err
}

// CPU is the CPU time that the process has used so far.
func (w *Worker) CPU() (user, system time.Duration, err error) { return w.process.CPU() }

// Threads is how many threads the process has.
func (w *Worker) Threads() (int, error) { return w.process.Threads() }

// Notes say what of the settings could not be applied to the process, and why, one sentence each.
func (w *Worker) Notes() []string { return w.process.Notes() }

// Gone is closed when the process has ended and everything of it is released.
func (w *Worker) Gone() <-chan struct{} { return w.gone }
