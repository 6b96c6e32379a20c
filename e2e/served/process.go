package served

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testlog"
	"github.com/isapid/isapid/internal/testwait"
)

// Process is a program that runs beside the test.
type Process struct {
	*exec.Cmd
	Out, Err testlog.Buffer // what it wrote

	t    testing.TB
	gone chan struct{} // closed when it has ended
	end  error         // how, then
}

// Start starts a program, which is to end well when it is told to: at the end of the test, or before.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, t: t, gone: make(chan struct{})}
	p.Stdout, p.Stderr, p.WaitDelay = &p.Out, &p.Err, 10*time.Second
	Check(t, cmd.Start())
	go func() {
		p.end = cmd.Wait()
		close(p.gone)
	}()
	t.Cleanup(func() {
		p.End()
		if t.Failed() {
			t.Logf("%s wrote:\n%s%s", filepath.Base(cmd.Path), &p.Out, &p.Err)
		}
	})
	return p
}

// Signal sends a signal to the process.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	Check(p.t, p.Cmd.Process.Signal(sig))
}

// End has the process end, and waits for that.
func (p *Process) End() {
	p.t.Helper()
	_ = p.Cmd.Process.Signal(syscall.SIGTERM) // unless it has ended
	p.Wait()
}

// Wait waits for the end of the process, which fails the test if it is not a good one.
func (p *Process) Wait() {
	p.t.Helper()
	select {
	case <-p.gone:
	case <-time.After(patience):
		p.t.Errorf("%s does not end", filepath.Base(p.Path))
		_ = p.Cmd.Process.Kill()
		<-p.gone
	}
	if p.end != nil {
		p.t.Errorf("%s: %v", filepath.Base(p.Path), p.end)
		p.end = nil // that was said
	}
}

// Until waits for a fact that the process brings about.
func (p *Process) Until(what string, fact func() bool) {
	p.t.Helper()
	testwait.Until(p.t, what, func() bool {
		select {
		case <-p.gone:
			if fact() {
				return true
			}
			p.t.Fatalf("%s ended before: %s", filepath.Base(p.Path), what)
		default:
		}
		return fact()
	})
}

// URLs waits until an isapid that was started with --json says that it serves, and answers where, without a slash at the end.
func (p *Process) URLs() (urls []string) {
	p.t.Helper()
	p.Until("serving", func() bool {
		line, _, whole := strings.Cut(p.Out.String(), "\n")
		var event struct {
			Event string
			URLs  []string
		}
		if !whole || json.Unmarshal([]byte(line), &event) != nil || event.Event != "serving" {
			return false
		}
		urls = event.URLs
		return true
	})
	for i := range urls {
		urls[i] = strings.TrimSuffix(urls[i], "/")
	}
	return urls
}
