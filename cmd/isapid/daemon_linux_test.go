package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/testext"
)

// tell answers with its process and the environment variable that the query names.
const tell = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = HSE_VERSION; return TRUE; }

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    char page[1000];
    const char *env = getenv(ecb->lpszQueryString);
    DWORD n = (DWORD)snprintf(page, sizeof page, "pid=%d env=%s", (int)getpid(), env ? env : "none");
    ecb->WriteClient(ecb->ConnID, page, &n, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}
`

// place is a folder with a configuration, for servers that are started one after the other.
type place struct {
	*testing.T
	dir  string
	port int // of 127.0.0.1, where a server serves
}

func newPlace(t *testing.T) *place {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &place{t, t.TempDir(), l.Addr().(*net.TCPAddr).Port}
	p.configure(fmt.Sprintf("http://127.0.0.1:%d", p.port))
	if err := os.Mkdir(p.temp(), 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

// temp is the temporary folder of the servers.
func (p *place) temp() string { return filepath.Join(p.dir, "tmp") }

func (p *place) configure(bindings ...string) {
	p.Helper()
	text := fmt.Sprintf(`
control: {socket: ./ctl/control.sock}
sites:
- name: shop
  bindings: ["%s"]
  root: .
  applications:
  - path: /
    handlers: [{path: "*", extension: %s}]
`, strings.Join(bindings, `", "`), testext.Source(p.T, tell))
	if err := os.WriteFile(filepath.Join(p.dir, "isapid.yaml"), []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
}

// daemon is a server as a process of its own.
type daemon struct {
	*testing.T
	*server
}

// start starts "isapid serve" the way a service manager does, with variables and sockets.
func (p *place) start(env []string, sockets ...*os.File) *daemon {
	p.Helper()
	exe, err := os.Executable()
	if err != nil {
		p.Fatal(err)
	}
	program := filepath.Join(p.dir, "isapid") // the name makes the test program isapid
	if err := os.Symlink(exe, program); err != nil && !os.IsExist(err) {
		p.Fatal(err)
	}
	// Only the process itself knows its number.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$0" serve`, program)
	cmd.Dir = p.dir
	cmd.Env = append(append(os.Environ(), "LISTEN_FDS=0", "TMPDIR="+p.temp(), "GORACE=atexit_sleep_ms=10"), env...)
	cmd.ExtraFiles = sockets
	d := &daemon{p.T, newServer(cmd)}
	if err := d.begin(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(d.kill)
	select {
	case <-d.ready:
	case <-d.done:
		p.Fatalf("isapid ended instead of serving:\n%s%s", d.text(&d.out), d.text(&d.err))
	case <-time.After(patience):
		p.Fatalf("isapid does not serve:\n%s%s", d.text(&d.out), d.text(&d.err))
	}
	return d
}

func (d *daemon) signal(s syscall.Signal) {
	d.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.Fatal(err)
	}
}

// end waits for the end after SIGTERM.
func (d *daemon) end() {
	d.Helper()
	d.signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(patience):
		d.Fatalf("isapid does not end:\n%s", d.text(&d.err))
	}
	d.cmd.Wait()
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		d.Errorf("exit code %d, want 0:\n%s", code, d.text(&d.err))
	}
}

// ask returns what the extension tells of itself.
func (p *place) ask(query string) (pid, env string) {
	p.Helper()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/?%s", p.port, query))
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	m := regexp.MustCompile(`^pid=(\d+) env=(.*)$`).FindStringSubmatch(string(body))
	if err != nil || m == nil {
		p.Fatalf("%d %q, %v", resp.StatusCode, body, err)
	}
	return m[1], m[2]
}

func (p *place) until(what string, is func() bool) {
	p.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("never: %s", what)
		}
	}
}

// runs says whether a process has not ended. One that only waits for its parent to look at it has.
func runs(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// entries are the names in a folder.
func (p *place) entries(dir string) (names []string) {
	p.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		p.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestKilled: a server that is killed takes its workers with it, and the next one has nothing in its way.
func TestKilled(t *testing.T) {
	p := newPlace(t)
	first := p.start(nil)
	worker, _ := p.ask("")
	left := p.entries(p.temp())
	if len(left) == 0 {
		t.Fatal("no folder of a worker: this test sees nothing")
	}
	begun := time.Now()
	first.kill()
	p.until("the worker has ended", func() bool { return !runs(worker) })
	t.Logf("the worker ended %v after the server was killed", time.Since(begun))

	second := p.start(nil)
	if other, _ := p.ask(""); other == worker {
		t.Errorf("worker %s has come back", worker)
	}
	now := p.entries(p.temp())
	for _, name := range left {
		for _, other := range now {
			if name == other {
				t.Errorf("%s is left of the first server", name)
			}
		}
	}
	if len(now) != 1 {
		t.Errorf("temporary folder: %q, want one of the one worker", now)
	}
	second.end()
	if now := p.entries(p.temp()); len(now) != 0 {
		t.Errorf("temporary folder after the end: %q", now)
	}
	if now := p.entries(filepath.Join(p.dir, "ctl")); len(now) != 0 {
		t.Errorf("folder of the control socket after the end: %q", now)
	}
}

// manager is what a service manager hears.
type manager struct {
	*place
	*net.UnixConn
}

func (p *place) manager() (m *manager, env string) {
	p.Helper()
	path := filepath.Join(p.dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { l.Close() })
	return &manager{p, l}, "NOTIFY_SOCKET=" + path
}

// hear waits for a message that has all parts, and returns what came before it.
func (m *manager) hear(parts ...string) (before []string) {
	m.Helper()
	_ = m.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 10_000)
	for {
		n, err := m.Read(b)
		if err != nil {
			m.Fatalf("never heard %q, only %q: %v", parts, before, err)
		}
		text := string(b[:n])
		if !strings.Contains(text, parts[0]) {
			before = append(before, text)
			continue
		}
		for _, part := range parts {
			if !strings.Contains(text, part) {
				m.Errorf("heard %q, want %q in it", text, part)
			}
		}
		return before
	}
}

// TestNotify: the manager hears when the server is ready, alive, reloads and ends.
func TestNotify(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	m, env := p.manager()
	d := p.start([]string{env, "WATCHDOG_USEC=100000"})
	if before := m.hear("READY=1", "STATUS=serving"); len(before) > 0 {
		t.Errorf("before READY=1: %q", before)
	}
	for range 3 {
		m.hear("WATCHDOG=1")
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID"} {
		if _, value := p.ask(name); value != "none" {
			t.Errorf("the worker has %s=%s", name, value)
		}
	}
	m.hear("STATUS=1 pool, 1 worker, ", " requests/s")
	d.signal(syscall.SIGHUP)
	m.hear("RELOADING=1", "\nMONOTONIC_USEC=")
	m.hear("READY=1", "STATUS=configuration reloaded")
	if err := os.WriteFile(filepath.Join(p.dir, "isapid.yaml"), []byte("sites: 3\npools: 4"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.signal(syscall.SIGHUP)
	m.hear("RELOADING=1")
	m.hear("READY=1", "STATUS=configuration not reloaded, the one before goes on: ", "isapid.yaml:1:", "; ")
	m.hear("WATCHDOG=1")

	// A server that cannot take a connection does not say that it is well.
	full := unix.Rlimit{Cur: 3, Max: 3}
	var before unix.Rlimit
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	full.Max = before.Max
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_NOFILE, &full, nil); err != nil {
		t.Fatal(err)
	}
	complaints := func() int { return strings.Count(d.text(&d.err), "server does not answer itself") }
	p.until("a complaint", func() bool { return complaints() > 0 })
	m.pending()
	heard := complaints()
	p.until("more complaints", func() bool { return complaints() > heard+2 })
	for _, text := range m.pending() {
		if strings.Contains(text, "WATCHDOG") {
			t.Errorf("heard %q while the server does not answer", text)
		}
	}
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	m.hear("WATCHDOG=1")
	d.end()
	m.hear("STOPPING=1")
}

// pending is what was said until now.
func (m *manager) pending() (list []string) {
	m.Helper()
	_ = m.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	b := make([]byte, 10_000)
	for {
		n, err := m.Read(b)
		if err != nil {
			return list
		}
		list = append(list, string(b[:n]))
	}
}

// TestSocketActivation: a socket that the manager holds is used, and clients wait while there is no server.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	listen := func(address string) *os.File {
		t.Helper()
		l, err := net.Listen("tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	web, unused := listen("127.0.0.1:0"), listen("127.0.0.3:0")
	l, err := net.FileListener(web)
	if err != nil {
		t.Fatal(err)
	}
	p.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	p.configure(fmt.Sprintf("http://127.0.0.1:%d", p.port), "http://127.0.0.2:0")
	env := []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=web:unused"}

	first := p.start(env, web, unused)
	p.ask("")
	if _, value := p.ask("LISTEN_FDS"); value != "none" {
		t.Errorf("the worker has LISTEN_FDS=%s", value)
	}
	if log := first.text(&first.err); !strings.Contains(log, "inherited socket is not used") || !strings.Contains(log, "address=127.0.0.3:") {
		t.Errorf("the log does not tell of the socket of no use:\n%s", log)
	}
	first.end()
	answer := make(chan string)
	go func() {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "GET / HTTP/1.0\r\nHost: h\r\n\r\n")
		text, err := io.ReadAll(c)
		answer <- fmt.Sprint(string(text), err)
	}()
	second := p.start(env, web, unused)
	if got := <-answer; !strings.HasPrefix(got, "HTTP/1.0 200 ") && !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("a client that came between two servers: %q", got)
	}
	second.signal(syscall.SIGHUP)
	p.until("reloaded", func() bool { return strings.Contains(second.text(&second.err), "configuration is reloaded") })
	p.ask("")
	second.end()
}
