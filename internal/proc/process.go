package proc

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// pipeWait is how long a pipe is read after the end of the child, when somebody else still has it open.
const pipeWait = time.Second

// Process is a child that was started. Its methods may be called from several goroutines and at any time: after the end of the
// child they never reach another process that got its number.
type Process struct {
	process *os.Process
	output  *output
	notes   []string
	done    chan struct{}
	wine    bool // it is a Windows program under Wine
	exit    Exit // once done is closed

	mu     sync.RWMutex // held by who looks at the process by its number, and to take the number back
	gone   bool         // the number is no longer the child's
	forker *forker      // whose thread started it
	group  *group       // what keeps it and what it starts together; nil if it has none
}

// Start starts a child. It returns when the program runs; an error is a sentence that says what is wrong. After Start nobody need
// do anything: the child is waited for, and all that was opened for it is closed, before Done is closed.
func Start(s Spec) (*Process, error) {
	p, err := start(s)
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", s.Path, err)
	}
	return p, nil
}

func start(s Spec) (_ *Process, err error) {
	if s.Stream != nil && (s.In != nil || s.Out != nil) {
		return nil, errors.New("it cannot have a stream on descriptor 3 and on its standard descriptors")
	}
	path, err := filepath.Abs(s.Path) // Dir is the child's, Path is ours
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	attr := &os.ProcAttr{Dir: s.Dir, Env: append([]string{}, s.Env...), Files: []*os.File{cmp.Or(s.In, null), cmp.Or(s.Out, w), w}}
	if s.Stream != nil {
		attr.Files = append(attr.Files, s.Stream)
	}
	p := &Process{done: make(chan struct{}), wine: s.Wine}
	if err := p.launch(&s, path, append([]string{cmp.Or(s.Arg0, s.Path)}, s.Args...), attr); err != nil {
		r.Close()
		return nil, err
	}
	p.output = readOutput(r, s.Output)
	go p.watch()
	return p, nil
}

// watch sees the process to its end, and then to that of all that was made for it.
func (p *Process) watch() {
	defer close(p.done)
	p.await()
	p.output.finish(pipeWait)
	p.cleanUp()
}

// result fills in exit from what the system says of a process that has ended.
func (p *Process) result(state *os.ProcessState, err error) {
	if err != nil { // nobody else can have waited for it
		p.exit = Exit{Code: -1}
		return
	}
	p.exit = Exit{Code: state.ExitCode(), Wine: p.wine, User: state.UserTime(), System: state.SystemTime()}
	p.exit.fill(state)
}

// Pid is the number of the process. After its end the number may be another one's.
func (p *Process) Pid() int { return p.process.Pid }

// Done is closed when the process has ended, what it wrote has been handed to Output, and nothing of it is left. A process it
// left behind that still has its descriptor 1 or 2 open delays that by a second at most.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit is how it ended. It is to be called after Done only.
func (p *Process) Exit() Exit { return p.exit }

// Notes say what was asked for and could not be applied, and why, one sentence each.
func (p *Process) Notes() []string { return p.notes }
