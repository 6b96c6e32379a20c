package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience ends a script that waits for something that never comes; no result depends on it.
const patience = time.Minute

// server is the isapid that a script started in the background.
type server struct {
	cmd   *exec.Cmd
	done  chan struct{} // closed when all output was read
	ready chan struct{} // closed when it serves
	once  sync.Once

	mu       sync.Mutex // guards out and err
	out, err strings.Builder
}

// slot is where a script keeps the isapid it started, and the one that looks at that.
type slot struct{ server, snoop *server }

type slotKey struct{}

// newServer is a server that is not started.
func newServer(cmd *exec.Cmd) *server {
	return &server{cmd: cmd, done: make(chan struct{}), ready: make(chan struct{})}
}

// begin starts the process and reads what it says. The caller must call kill.
func (s *server) begin() error {
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	var readers sync.WaitGroup
	readers.Go(func() { s.read(stdout, &s.out) })
	readers.Go(func() { s.read(stderr, &s.err) })
	go func() { readers.Wait(); close(s.done) }()
	return nil
}

// kill ends the process and waits for it, if nobody has.
func (s *server) kill() {
	s.cmd.Process.Kill() // fails if it has ended
	<-s.done
	s.cmd.Wait()
}

func startServer(ts *testscript.TestScript, neg bool, args []string) {
	s := newServer(exec.Command(lookPath(ts, "isapid"), args...))
	s.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "WORK", "GORACE"} {
		s.cmd.Env = append(s.cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(s.begin())
	ts.Value(slotKey{}).(*slot).server = s
	ts.Defer(s.kill)

	select {
	case <-s.ready:
	case <-s.done:
		ts.Fatalf("isapid ended instead of serving:\n%s%s", s.text(&s.out), s.text(&s.err))
	case <-time.After(patience):
		ts.Fatalf("isapid does not serve:\n%s%s", s.text(&s.out), s.text(&s.err))
	}
	for i, url := range regexp.MustCompile(`https?://[^\s"]+`).FindAllString(s.text(&s.out), -1) {
		name := "URL"
		if i > 0 {
			name = fmt.Sprint("URL", i+1)
		}
		ts.Setenv(name, strings.TrimSuffix(url, "/"))
	}
	_, addr, _ := strings.Cut(ts.Getenv("URL"), "://")
	ts.Setenv("ADDR", addr)
}

// read collects what the server says and notices when it serves.
func (s *server) read(from io.Reader, to *strings.Builder) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		s.mu.Lock()
		to.WriteString(line)
		s.mu.Unlock()
		if strings.HasPrefix(line, "press Ctrl-C") || strings.Contains(line, `"event":"serving"`) {
			s.once.Do(func() { close(s.ready) })
		}
		if err != nil {
			return
		}
	}
}

func (s *server) text(b *strings.Builder) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return b.String()
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await stderr TEXT | await file NAME")
	}
	var there func() bool
	switch args[0] {
	case "stderr":
		s := current(ts)
		there = func() bool { return strings.Contains(s.text(&s.err), args[1]) }
	case "file":
		there = func() bool { _, err := os.Stat(ts.MkAbs(args[1])); return err == nil }
	default:
		ts.Fatalf("await: unknown %q", args[0])
	}
	for end := time.Now().Add(patience); !there(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%s %q never came", args[0], args[1])
		}
	}
}

func signalServer(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal HUP|INT|TERM")
	}
	ts.Check(current(ts).cmd.Process.Signal(signals[args[0]]))
}

func endServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ends CODE")
	}
	s := current(ts)
	select {
	case <-s.done:
	case <-time.After(patience):
		ts.Fatalf("isapid does not end:\n%s%s", s.text(&s.out), s.text(&s.err))
	}
	s.cmd.Wait() // the exit code is looked at below
	out, err := s.text(&s.out), s.text(&s.err)
	ts.Check(os.WriteFile(ts.MkAbs("isapid.out"), []byte(out), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("isapid.err"), []byte(err), 0o600))
	ts.Logf("[isapid.out]\n%s[isapid.err]\n%s", out, err)
	if want, _ := strconv.Atoi(args[0]); s.cmd.ProcessState.ExitCode() != want {
		ts.Fatalf("isapid ended with %v, want exit code %s", s.cmd.ProcessState, args[0])
	}
}

func current(ts *testscript.TestScript) *server {
	s := ts.Value(slotKey{}).(*slot).server
	if s == nil {
		ts.Fatalf("no isapid was started")
	}
	return s
}

func lookPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	ts.Fatalf("%s is not in the PATH", name)
	return ""
}
