package systemd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain is also the process that is handed sockets.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_CHILD") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// child prints what it got.
func child() {
	if os.Getenv("LISTEN_PID") == "mine" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // the parent could not know it
	}
	list, err := Sockets()
	if err != nil {
		fmt.Println("error:", err)
	}
	for _, l := range list {
		fmt.Println(l.Addr())
		l.Close()
	}
	again, err := Sockets()
	fmt.Println("then", len(again), err, os.Getenv("LISTEN_FDS")+os.Getenv("LISTEN_PID")+os.Getenv("LISTEN_FDNAMES"))
}

func TestSockets(t *testing.T) {
	file := func(l net.Listener, err error) *os.File {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := tcp.Addr().String()
	web := file(tcp, nil)
	second := file(net.Listen("tcp", "127.0.0.2:0"))
	local := file(net.Listen("unix", filepath.Join(t.TempDir(), "s")))
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, c := range []struct {
		name  string
		files []*os.File
		env   []string
		want  []string
	}{
		{"two", []*os.File{web, second}, []string{"LISTEN_PID=mine", "LISTEN_FDS=2", "LISTEN_FDNAMES=web"}, []string{addr, "127.0.0.2:", "then 0 <nil> \n"}},
		{"none", nil, nil, []string{"then 0 <nil> \n"}},
		{"for somebody else", []*os.File{web}, []string{"LISTEN_PID=1", "LISTEN_FDS=1"}, []string{"then 0 <nil> \n"}},
		{"no number", nil, []string{"LISTEN_PID=mine", "LISTEN_FDS=x"}, []string{`error: LISTEN_FDS is "x"`, "then 0 <nil> \n"}},
		{"unix", []*os.File{web, local}, []string{"LISTEN_PID=mine", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:local"}, []string{"error: inherited descriptor 4 (local) listens on", "only TCP"}},
		{"file", []*os.File{plain}, []string{"LISTEN_PID=mine", "LISTEN_FDS=1"}, []string{"error: inherited descriptor 3 (unknown) is no socket"}},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), append(c.env, "BE_THE_CHILD=1")...)
		cmd.ExtraFiles = c.files
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %q, want %q in it", c.name, out, want)
			}
		}
		if got, want := strings.Count(string(out), "\n"), len(c.want); c.name == "two" && got != want {
			t.Errorf("%s: %d lines: %q", c.name, got, out)
		}
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = l.SetReadDeadline(time.Now().Add(time.Minute))
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	m, err := Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if os.Getenv("NOTIFY_SOCKET")+os.Getenv("WATCHDOG_USEC")+os.Getenv("WATCHDOG_PID") != "" {
		t.Error("a child would see the variables")
	}
	if got := m.Watchdog(); got != 3*time.Second {
		t.Errorf("watchdog %v, want 3 s", got)
	}
	before := monotonic().Microseconds()
	for _, c := range []struct {
		tell func()
		want string
	}{
		{func() { m.Ready("all\nwell") }, "READY=1\nSTATUS=all; well"},
		{func() { m.Status("fine") }, "STATUS=fine"},
		{m.Alive, "WATCHDOG=1"},
		{m.Reloading, "RELOADING=1\nMONOTONIC_USEC="},
		{m.Stopping, "STOPPING=1\nSTATUS=waiting for running requests"},
	} {
		c.tell()
		b := make([]byte, 1000)
		n, err := l.Read(b)
		got := string(b[:n])
		if rest, ok := strings.CutPrefix(got, c.want); err != nil || !ok {
			t.Errorf("told %q, %v; want %q", got, err, c.want)
		} else if us, err := strconv.ParseInt(rest, 10, 64); rest != "" && (err != nil || us < before || us > monotonic().Microseconds()) {
			t.Errorf("told %q, want the time", got)
		}
	}
	l.Close()
	m.Alive() // nobody listens
}

func TestNoManager(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"none":                   {},
		"watchdog for a parent":  {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
		"watchdog of no use":     {"WATCHDOG_USEC": "-1"},
		"watchdog that is wrong": {"WATCHDOG_USEC": "soon"},
	} {
		for k, v := range env {
			t.Setenv(k, v)
		}
		m, err := Connect()
		if m != nil || err != nil || m.Watchdog() != 0 {
			t.Errorf("%s: %v, %v", name, m, err)
		}
		m.Ready("nobody hears it")
		m.Reloading()
		m.Stopping()
		m.Alive()
		if err := m.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nothing"))
	if _, err := Connect(); err == nil {
		t.Error("a socket that is not there: got no error")
	}
}
