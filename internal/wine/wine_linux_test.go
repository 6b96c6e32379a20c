package wine

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// need returns the Wine of this machine. Without one it skips the test; where everything must be there it fails it.
func need(t testing.TB) *Wine {
	t.Helper()
	w, err := Find()
	switch {
	case err == nil:
		return w
	case os.Getenv("CI") != "":
		t.Fatal(err)
	}
	t.Skip(err)
	return nil
}

// bounded ends before the time of a test does.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// shared is the prefix that tests use which change nothing in it.
var shared struct {
	once        sync.Once
	dir, prefix string
	said        []string
	err         error
}

func prefixFor(t *testing.T, w *Wine) string {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "isapid-wine-test-"); shared.err == nil {
			shared.prefix = filepath.Join(shared.dir, "a prefix")
			shared.err = w.Prepare(bounded(t), shared.prefix, nil, func(s string) { shared.said = append(shared.said, s) })
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.prefix
}

// processes are those of a prefix: name by process id.
func processes(t testing.TB, prefix string) map[int]string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, dir := range dirs {
		env, _ := os.ReadFile(dir + "/environ")
		if !bytes.Contains(append([]byte{0}, env...), []byte("\x00WINEPREFIX="+prefix+"\x00")) {
			continue
		}
		if comm, err := os.ReadFile(dir + "/comm"); err == nil {
			pid := 0
			fmt.Sscan(filepath.Base(dir), &pid)
			found[pid] = strings.TrimSpace(string(comm))
		}
	}
	return found
}

// until waits for a fact.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// serverOf is the process id of the server of a prefix, 0 if there is none.
func serverOf(t testing.TB, w *Wine, prefix string) int {
	for pid, name := range processes(t, prefix) {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if name == filepath.Base(w.Server) && !bytes.HasSuffix(args, []byte("-w\x00")) { // which waits for its end
			return pid
		}
	}
	return 0
}

// run runs a program in a prefix and returns what it wrote.
func run(t testing.TB, w *Wine, prefix string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(bounded(t), w.Path, args...)
	cmd.Env = append(os.Environ(), w.environment(prefix)...)
	cmd.WaitDelay = 10 * time.Second // services that a first program starts keep its standard error
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestHold(t *testing.T) {
	w := need(t)
	prefix := prefixFor(t, w)
	losses := make(chan error, 10)
	held, err := w.Hold(bounded(t), prefix, func(err error) { losses <- err })
	if err != nil {
		t.Fatal(err)
	}
	released := sync.OnceFunc(held.Release)
	defer released()
	t.Log(processes(t, prefix))
	again, err := w.Hold(bounded(t), prefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := serverOf(t, w, prefix)
	if server == 0 {
		t.Fatalf("no server runs: %v", processes(t, prefix))
	}
	begin := time.Now()
	run(t, w, prefix, "hostname")
	t.Log("a program with the server held:", time.Since(begin))
	again.Release()
	if now := serverOf(t, w, prefix); now != server {
		t.Errorf("the server is process %d, want %d: another holds it still", now, server)
	}
	services := slices.Collect(maps.Keys(processes(t, prefix)))
	if err := syscall.Kill(server, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Log(<-losses)
	if err := held.Ready(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if now := serverOf(t, w, prefix); now == 0 || now == server {
		t.Errorf("the server is process %d, want another than %d", now, server)
	}
	until(t, "the end of the programs of the old server", func() bool {
		now := processes(t, prefix)
		return !slices.ContainsFunc(services, func(pid int) bool { return now[pid] != "" })
	})
	run(t, w, prefix, "hostname")
	released()
	until(t, "the end of all programs", func() bool { return len(processes(t, prefix)) == 0 })
}
