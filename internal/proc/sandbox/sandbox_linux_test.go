package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	abi "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// TestMain is the restricted process, too: with SANDBOX_TEST set this program restricts itself as told, and then tries what its
// arguments say.
func TestMain(m *testing.M) {
	if s := os.Getenv("SANDBOX_TEST"); s != "" {
		play([]byte(s), os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// report is what the restricted process found.
type report struct {
	Notes []string
	Err   string
	Tries []string // in their order: "ok", or the cause of the error
}

// play tries everything on each of some threads that were there before the restriction, and on a new one.
func play(sandbox []byte, tries []string) {
	var s Sandbox
	if err := json.Unmarshal(sandbox, &s); err != nil {
		panic(err)
	}
	var old []chan func()
	var ended sync.WaitGroup
	for range 8 {
		calls := make(chan func())
		ended.Go(func() { serve(calls) })
		calls <- func() {} // the thread is there
		old = append(old, calls)
	}
	var r report
	var err error
	if r.Notes, err = Restrict(s); err != nil {
		r.Err = err.Error()
	}
	calls := make(chan func())
	ended.Go(func() { serve(calls) })
	for _, t := range tries {
		r.Tries = append(r.Tries, tryOn(append(old, calls), t))
	}
	for _, calls := range append(old, calls) {
		close(calls)
	}
	ended.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		panic(err)
	}
}

// serve makes calls on a thread of its own, which ends with it.
func serve(calls <-chan func()) {
	runtime.LockOSThread()
	for f := range calls {
		f()
	}
}

// tryOn is what comes of t on all threads, if that is the same.
func tryOn(threads []chan func(), t string) string {
	var results []string
	for _, calls := range threads {
		done := make(chan string)
		calls <- func() { done <- cause(try(t)) }
		results = append(results, <-done)
	}
	if all := slices.Compact(slices.Clone(results)); len(all) == 1 {
		return all[0]
	}
	return fmt.Sprint(results)
}

func cause(err error) string {
	if err == nil {
		return "ok"
	}
	if no := syscall.Errno(0); errors.As(err, &no) {
		return no.Error()
	}
	return err.Error()
}

// try does what t says, so that it can be done again.
func try(t string) error {
	verb, object, _ := strings.Cut(t, " ")
	switch verb {
	case "read":
		_, err := os.ReadFile(object)
		return err
	case "write":
		return os.WriteFile(object, []byte("x"), 0o600)
	case "list":
		_, err := os.ReadDir(object)
		return err
	case "run":
		return exec.Command(object).Run()
	case "move": // there and back
		a, b, _ := strings.Cut(object, " ")
		return errors.Join(os.Rename(a, b), os.Rename(b, a))
	case "connect":
		c, err := net.Dial("tcp", "127.0.0.1:"+object)
		if err == nil {
			c.Close()
		}
		return err
	case "bind":
		var plain net.ListenConfig
		plain.SetMultipathTCP(false)
		l, err := plain.Listen(context.Background(), "tcp", "127.0.0.1:"+object)
		if err == nil {
			l.Close()
		}
		return err
	case "nonewprivs":
		n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
		if err == nil && n == 0 {
			err = errors.New("unset")
		}
		return err
	}
	panic(t)
}

// restricted starts a process that restricts itself and tries.
func restricted(t *testing.T, s Sandbox, tries ...string) report {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	arg, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, tries...)
	cmd.Env = append(os.Environ(), "SANDBOX_TEST="+string(arg), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%+v", r)
	return r
}

// needs skips the test on a kernel with an older Landlock.
func needs(t *testing.T, version int) {
	t.Helper()
	if have, err := abi.LandlockGetABIVersion(); err != nil || have < version {
		t.Skipf("Landlock has version %d (%v), the test needs %d", have, err, version)
	}
}

func (r report) expect(t *testing.T, want ...string) {
	t.Helper()
	if r.Err != "" || !slices.Equal(r.Tries, want) {
		t.Errorf("got %q, error %q; want %q", r.Tries, r.Err, want)
	}
}

const denied = "permission denied"

func TestFiles(t *testing.T) {
	needs(t, 3)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, folder := range []string{"read", "write", "write/sub", "other"} {
		if err := os.Mkdir(in(folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in(folder+"/file"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"single", "singlewrite"} {
		if err := os.WriteFile(in(file), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := Sandbox{Files: true, SystemFiles: true, ReadFiles: []string{in("read"), in("single"), "/bin"}, WriteFiles: []string{in("write"), in("singlewrite")}}
	for _, test := range []struct{ try, want string }{
		{"read " + in("read/file"), "ok"},
		{"list " + in("read"), "ok"},
		{"write " + in("read/file"), denied},
		{"write " + in("read/new"), denied},
		{"read " + in("single"), "ok"},
		{"write " + in("single"), denied},
		{"read " + in("write/file"), "ok"},
		{"write " + in("write/file"), "ok"},
		{"write " + in("write/new"), "ok"},
		{"move " + in("write/file") + " " + in("write/sub/moved"), "ok"},
		{"write " + in("singlewrite"), "ok"},
		{"read " + in("other/file"), denied},
		{"list " + in("other"), denied},
		{"list " + dir, denied},
		{"write " + in("new"), denied},
		{"read /etc/shadow", denied},
		{"read /proc/1/status", denied},
		{"run /bin/true", "ok"},
		{"read /etc/hosts", "ok"},
		{"read /proc/self/status", "ok"},
		{"write /dev/null", "ok"},
		{"connect 1", "connection refused"},
		{"nonewprivs", "ok"},
	} {
		restricted(t, s, test.try).expect(t, test.want)
	}
}

// TestNothing: what is not asked for is not taken.
func TestNothing(t *testing.T) {
	r := restricted(t, Sandbox{}, "read /etc/passwd", "list /", "bind 0", "connect 1", "nonewprivs")
	r.expect(t, "ok", "ok", "ok", "connection refused", "unset")
	if len(r.Notes) > 0 {
		t.Errorf("notes %q", r.Notes)
	}
}

func TestNoNewPrivs(t *testing.T) {
	restricted(t, Sandbox{NoNewPrivs: true}, "nonewprivs", "read /etc/passwd").expect(t, "ok", "ok")
}

func TestNetwork(t *testing.T) {
	needs(t, 4)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var number uint16
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	tries := []string{"connect " + port, "connect 1", "bind 0", "read /etc/passwd"}
	restricted(t, Sandbox{Network: true}, tries...).expect(t, denied, denied, denied, "ok")
	restricted(t, Sandbox{Network: true, ConnectPorts: []uint16{number}, BindPorts: []uint16{0}}, tries...).expect(t, "ok", denied, "ok", "ok")
}

// TestMissing: a list with something in it that does not exist is refused, and nothing is restricted.
func TestMissing(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, s := range []Sandbox{{Files: true, ReadFiles: []string{none}}, {Files: true, WriteFiles: []string{none}}} {
		r := restricted(t, s, "read /etc/passwd")
		if want := fmt.Sprintf("sandbox: %q: there is no such file or folder", none); r.Err != want || r.Tries[0] != "ok" {
			t.Errorf("got error %q, tries %q; want %q", r.Err, r.Tries, want)
		}
	}
}

// TestNotes: an older kernel enforces less, and the notes say what.
func TestNotes(t *testing.T) {
	for _, test := range []struct {
		sandbox Sandbox
		version int
		want    int
	}{
		{Sandbox{Files: true, Network: true}, 0, 1},
		{Sandbox{Files: true}, 1, 4},
		{Sandbox{Files: true}, 3, 2},
		{Sandbox{Files: true}, 7, 1},
		{Sandbox{Files: true}, 9, 0},
		{Sandbox{}, 1, 0},
	} {
		if got := missing(&test.sandbox, test.version); len(got) != test.want {
			t.Errorf("%+v with version %d: got %q, want %d notes", test.sandbox, test.version, got, test.want)
		}
	}
	notes := missing(&Sandbox{Network: true}, 3)
	if want := "sandbox: TCP ports are not restricted: that needs version 4 of Landlock, this kernel has 3"; len(notes) == 0 || notes[0] != want {
		t.Errorf("got %q, want %q", notes, want)
	}
}
