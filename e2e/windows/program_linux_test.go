package windows

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// folder is where the program and the prefix of all tests are; nothing of it is left.
var folder string

var program = sync.OnceValues(func() (string, error) {
	exe := filepath.Join(folder, "isapid.exe")
	cmd := exec.Command("go", "build", "-o", exe, "github.com/isapid/isapid/cmd/isapid")
	cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build isapid.exe: %w\n%s", err, out)
	}
	return exe, err
})

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "isapid-e2e-windows-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// newMachine makes one for a test. They have the same C: drive, and the same services.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if testing.Short() {
		t.Skip("a Windows is long in the making")
	}
	w, err := wine.Find()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t, w, filepath.Join(folder, "prefix"), exe}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.Prepare(ctx, m.prefix, []string{"amd64"}, func(what string) { t.Log(what) }); err != nil {
		t.Fatal(err)
	}
	held, err := w.Hold(context.WithoutCancel(t.Context()), m.prefix, nil) // services go on between two commands
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		held.Release()
		end := exec.Command(w.Server, "-k") // also a service that a test has left running
		end.Env = append(os.Environ(), "WINEPREFIX="+m.prefix)
		_ = end.Run() // it fails if nothing runs any more
	})
	return m
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
	cmd  *exec.Cmd
	keys *os.File
	read sync.WaitGroup
	mu   sync.Mutex // guards out
	out  strings.Builder
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
	c.read.Go(c.collect)
	t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait(); keys.Close(); c.read.Wait() }) // it has ended, if all is well
	return c
}

func (c *console) collect() {
	buf := make([]byte, 4096)
	for {
		n, err := c.keys.Read(buf)
		c.mu.Lock()
		c.out.Write(buf[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// shows waits until the console shows a text.
func (c *console) shows(text string) {
	c.t.Helper()
	until(c.t, fmt.Sprintf("the console shows %q", text), func() bool { return strings.Contains(c.text(), text) })
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
		c.t.Errorf("exit code %d, want %d:\n%s", got, code, c.text())
	}
}

func until(t *testing.T, what string, there func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !there(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
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

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// put puts a DLL where it is served from, under a name, as a program does that copies it.
func put(t *testing.T, dll, file string) {
	t.Helper()
	code, err := os.ReadFile(dll)
	if err == nil {
		err = os.WriteFile(file+".new", code, 0o644)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}
