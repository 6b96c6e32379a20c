package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/admin"
)

// terminal is one of 80 columns and 24 lines, with a program in it.
type terminal struct {
	*testing.T
	keys *os.File
	cmd  *exec.Cmd
	read sync.WaitGroup

	mu  sync.Mutex // guards all below
	out strings.Builder
}

// inTerminal starts isapid in a terminal of its own.
func inTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	t.Cleanup(func() { keys.Close() })
	fd := int(keys.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	program := filepath.Join(t.TempDir(), "isapid") // the name makes the test program isapid
	if err == nil {
		err = os.Symlink(exe, program)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := &terminal{T: t, keys: keys, cmd: exec.Command(program, args...)}
	m.cmd.Env = append(os.Environ(), "TERM=xterm", "GORACE=atexit_sleep_ms=10")
	m.cmd.Stdin, m.cmd.Stdout, m.cmd.Stderr = screen, screen, screen
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = m.cmd.Start()
	screen.Close()
	if err != nil {
		t.Fatal(err)
	}
	m.read.Go(m.collect)
	t.Cleanup(func() { m.cmd.Process.Kill(); m.cmd.Wait(); m.read.Wait() })
	return m
}

// collect keeps what the program writes, until its end.
func (m *terminal) collect() {
	buf := make([]byte, 4096)
	for {
		n, err := m.keys.Read(buf)
		m.mu.Lock()
		m.out.Write(buf[:n])
		m.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (m *terminal) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := m.out.String()
	return text[max(0, len(text)-8000):]
}

// shows waits until the program has written text.
func (m *terminal) shows(text string) {
	m.Helper()
	for end := time.Now().Add(patience); !strings.Contains(m.text(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			m.Fatalf("%q never came", text)
		}
	}
}

func (m *terminal) press(keys string) {
	m.Helper()
	if _, err := m.keys.WriteString(keys); err != nil {
		m.Fatal(err)
	}
}

// TestTopInTerminal: it draws, takes keys, and gives the terminal back, whatever ends it.
func TestTopInTerminal(t *testing.T) {
	f := &fakeServer{states: []admin.Status{busyServer(0)}}
	socket := f.listen(t)
	for name, end := range map[string]func(m *terminal){
		"q":      func(m *terminal) { m.press("q") },
		"Ctrl-C": func(m *terminal) { m.press("\x03") },
		"TERM":   func(m *terminal) { m.cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			m := inTerminal(t, "top", "--every", "100ms", "--socket", socket)
			m.shows("[1 pools] 2 workers 3 requests")
			m.press("3")
			m.shows("WriteClient") // in pieces: what stays on the screen is not written again
			end(m)
			m.read.Wait() // the program has let go of the terminal
			if err := m.cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if !strings.Contains(m.text(), "\x1b[?1049l") {
				t.Error("the screen of before is not back")
			}
		})
	}
	m := inTerminal(t, "status", "--socket", socket)
	m.read.Wait()
	if strings.Contains(m.text(), "\x1b") {
		t.Errorf("another command talks to the terminal: %q", m.text())
	}
}
