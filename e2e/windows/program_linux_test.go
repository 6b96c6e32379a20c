package windows

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testlog"
	"github.com/isapid/isapid/internal/testwait"
	"github.com/isapid/isapid/internal/wine"
)

// patience ends what waits for something that never comes; no result depends on it.
const patience = 2 * time.Minute

// machine is a Windows with isapid.exe on it.
type machine struct {
	t      *testing.T
	wine   *wine.Wine
	prefix string
	exe    string
}

// newMachine makes one for a test. All of isapid.exe has ended there when the test has.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if testing.Short() {
		t.Skip("a Windows is long in the making")
	}
	w, prefix := testext.Wine(t, "amd64")
	t.Cleanup(func() {
		left := func() []int { return testext.Programs(t, prefix, "isapid") }
		if t.Failed() { // a service may be left
			for _, pid := range left() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		testwait.Until(t, "isapid.exe has ended", func() bool { return len(left()) == 0 })
	})
	return &machine{t, w, prefix, testext.Program(t, "windows/amd64")}
}

// in is the machine for a part of the test.
func (m *machine) in(t *testing.T) *machine {
	part := *m
	part.t = t
	return &part
}

// command is isapid.exe with arguments, in a folder of this side.
func (m *machine) command(dir string, args ...string) *exec.Cmd {
	m.t.Helper()
	command, env, err := m.wine.Program(m.prefix, "amd64", m.exe)
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(command[0], append(command[1:], args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	return cmd
}

// run runs a command to its end and compares its exit code, and whether it says something.
func (m *machine) run(dir string, code int, says string, args ...string) (out string) {
	m.t.Helper()
	cmd := m.command(dir, args...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait() // the exit code says it
	out = strings.ReplaceAll(both.String(), "\r", "")
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(out, says) {
		m.t.Errorf("%q: exit code %d, want %d and %q:\n%s", args, got, code, says, out)
	}
	return out
}

// console is a console with isapid.exe in it.
type console struct {
	*machine
	cmd   *exec.Cmd
	keys  *os.File
	read  sync.WaitGroup
	shown testlog.Buffer
}

// start starts isapid.exe in a console of its own.
func (m *machine) start(dir string, args ...string) *console {
	t := m.t
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
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 500}) // lines are not broken
	}
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{machine: m, cmd: m.command(dir, args...), keys: keys}
	c.cmd.Env = append(c.cmd.Env, "TERM=xterm")
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = screen, screen, screen
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = c.cmd.Start()
	screen.Close()
	if err != nil {
		t.Fatal(err)
	}
	c.read.Go(func() { _, _ = io.Copy(&c.shown, keys) })
	t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait(); keys.Close(); c.read.Wait() }) // it has ended, if all is well
	return c
}

// shows waits until the console shows a text.
func (c *console) shows(text string) {
	c.t.Helper()
	testwait.Until(c.t, fmt.Sprintf("the console shows %q", text), func() bool { return c.shown.Has(text) })
}

// press types a key.
func (c *console) press(key string) {
	c.t.Helper()
	if _, err := c.keys.WriteString(key); err != nil {
		c.t.Fatal(err)
	}
}

// ends waits for the end and compares the exit code.
func (c *console) ends(code int) {
	c.t.Helper()
	late := time.AfterFunc(patience, func() { c.cmd.Process.Kill() })
	defer late.Stop()
	_ = c.cmd.Wait() // the exit code says it
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit code %d, want %d:\n%s", got, code, c.shown.String())
	}
}

// get is the answer to a GET: status and body.
func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Errorf("%v", err)
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(body)))
}
