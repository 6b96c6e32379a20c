//go:build linux && cgo

package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testlog"
	"github.com/isapid/isapid/internal/worker"
)

// TestMain makes this program a worker when a pool starts it as one, builds the loader once, and fails when files are left.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	tmp, err := os.MkdirTemp("", "isapiloader-test-")
	if err == nil {
		defer os.RemoveAll(tmp)
		err = os.Mkdir(filepath.Join(tmp, "tmp"), 0o700)
	}
	if err == nil {
		library = filepath.Join(tmp, "isapiloader.so")
		build := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", library, ".")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("TMPDIR", filepath.Join(tmp, "tmp"))
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or the race detector has each worker wait for a second at its end
	if code := m.Run(); code != 0 {
		return code
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "tmp", "*")); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "the tests leave %q\n", left)
		return 1
	}
	return 0
}

// library is the loader.
var library string

// host is a server whose extension is the loader, called shop.so, in a folder of its own.
type host struct {
	t      *testing.T
	folder string
	exec   executor.Executor
	pool   *pool.Pool // nil in-process
	server *httptest.Server
	log    testlog.Buffer
	env    []string // of the workers: "NAME=value"

	workers int // how many. 0: one

	before int // versions that earlier tests left in memory
	leaves int // that this test leaves there: those that hang, and those whose requests crashed
}

// both runs a test in-process and isolated. run is the file that is to run, "" for none; lines are settings.
func both(t *testing.T, run string, test func(t *testing.T, h *host), lines ...string) {
	for _, isolated := range []bool{false, true} {
		name := "in-process"
		if isolated {
			name = "isolated"
		}
		t.Run(name, func(t *testing.T) {
			h := install(t, run, lines...)
			h.start(isolated)
			test(t, h)
		})
	}
}

// install makes the folder. Lines are settings.
func install(t *testing.T, run string, lines ...string) *host {
	t.Helper()
	h := &host{t: t, folder: t.TempDir()}
	h.before = h.mapped("/shop.run")
	h.put(library, "shop.so")
	h.write("shop.loader", []byte("poll = 10ms\n"+strings.Join(lines, "\n")))
	h.write("go", nil) // for fixtures
	h.write("life", nil)
	if run != "" {
		h.put(run, "shop.run")
	}
	return h
}

// start loads the loader. It is unloaded when the test ends, and must leave nothing then.
func (h *host) start(isolated bool) {
	h.t.Helper()
	if err := h.open(isolated); err != nil {
		h.t.Fatal(err)
	}
}

// open is start that may fail.
func (h *host) open(isolated bool) error {
	h.t.Cleanup(h.end)
	return h.serve(isolated)
}

// serve loads the loader, also another time after stop.
func (h *host) serve(isolated bool) (err error) {
	logger := slog.New(slog.NewTextHandler(&h.log, nil))
	if isolated {
		set := pool.Settings{Name: "shop", Workers: h.workers, Log: logger}
		set.Worker.Spec.Env = append(os.Environ(), h.env...)
		set.Crashes = pool.Crashes{Max: -1, Backoff: time.Millisecond, BackoffMax: time.Millisecond}
		h.pool = pool.New(set)
		h.exec, err = h.pool.Open(h.t.Context(), h.path("shop.so"), executor.Version{})
	} else {
		var e *extension.Extension
		if e, err = extension.Open(h.path("shop.so"), executor.Options{Logger: logger}); err == nil {
			h.exec = e
		}
	}
	if err == nil {
		h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			res := h.exec.Execute(w, q, &executor.Target{App: &executor.App{}, ScriptName: "/shop.so"})
			res.Check()
		}))
		h.server.Config.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	}
	return err
}

// stop unloads it.
func (h *host) stop() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var err error
	if h.pool != nil {
		err = h.pool.Close(ctx)
	} else if h.exec != nil {
		err = h.exec.Close(ctx)
	}
	if err != nil {
		h.t.Errorf("close: %v", err)
	}
	if h.server != nil {
		h.server.CloseClientConnections()
		h.server.Close()
	}
}

func (h *host) end() {
	h.stop()
	if left := h.mapped("/shop.run") - h.before; h.pool == nil && left > h.leaves {
		h.t.Errorf("%d versions are left in memory", left)
	}
	for _, file := range descriptors() {
		if strings.HasPrefix(file, h.folder) {
			h.t.Errorf("%s is open", file)
		}
	}
	if h.t.Failed() {
		h.t.Logf("the log:\n%s", &h.log)
	}
}

// descriptors are the files this process has open.
func descriptors() (files []string) {
	list, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range list {
		if file, err := os.Readlink(fd); err == nil {
			files = append(files, file)
		}
	}
	return files
}

// mapped is how many versions with this end of their path this process has in memory.
func (h *host) mapped(end string) int {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		h.t.Fatal(err)
	}
	paths := map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		if i := strings.IndexByte(line, '/'); i >= 0 {
			if path := strings.TrimSuffix(strings.TrimSpace(line[i:]), " (deleted)"); strings.HasSuffix(path, end) {
				paths[path] = true
			}
		}
	}
	return len(paths)
}

func (h *host) path(name string) string { return filepath.Join(h.folder, name) }

// put gives a copy of a file a name in the folder, in one step.
func (h *host) put(from, name string) {
	h.t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(name, b)
}

func (h *host) write(name string, b []byte) {
	h.t.Helper()
	part := h.path("." + name + ".part")
	err := os.WriteFile(part, b, 0o755)
	if err == nil {
		err = os.Rename(part, h.path(name))
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// exists tells whether there is such a file in the folder.
func (h *host) exists(name string) bool {
	_, err := os.Lstat(h.path(name))
	return err == nil
}

// same tells whether a file in the folder has the bytes of another.
func (h *host) same(name, as string) bool {
	a, b := hashOf(h.path(name)), hashOf(as)
	return a != "" && a == b
}

func hashOf(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// capture has the standard error stream of this process go to a file, until what it returns is called: that answers the text.
func (h *host) capture() func() string {
	h.t.Helper()
	f, err := os.Create(filepath.Join(h.t.TempDir(), "stderr"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	old, err := unix.Dup(2)
	if err == nil {
		err = unix.Dup3(int(f.Fd()), 2, 0)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return func() string {
		if err := errors.Join(unix.Dup3(old, 2, 0), unix.Close(old)); err != nil {
			h.t.Error(err)
		}
		b, err := os.ReadFile(f.Name())
		if err != nil {
			h.t.Error(err)
		}
		return string(b)
	}
}

// answer is what a request got.
type answer struct {
	status int
	text   string
	err    error // of the connection
}

func (a answer) String() string { return fmt.Sprintf("%d %q, %v", a.status, a.text, a.err) }

func (h *host) ask(query string) answer { return h.send("GET", query, "") }

func (h *host) send(method, query, body string) answer {
	q, err := http.NewRequest(method, h.server.URL+"/shop.so?"+query, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	res, err := h.server.Client().Do(q)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(text), err}
}

// later sends a request in the background.
func (h *host) later(query string) <-chan answer {
	c := make(chan answer, 1)
	go func() { c <- h.ask(query) }()
	return c
}

// says fails the test unless the answer is text.
func (h *host) says(query, text string) {
	h.t.Helper()
	if a := h.ask(query); a.status != http.StatusOK || a.text != text {
		h.t.Errorf("%s: got %v, want %q", query, a, text)
	}
}

// until waits for a fact.
func (h *host) until(what string, fact func() bool) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); !fact(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("never: %s", what)
		}
	}
}

// becomes waits until the answer is text; every other answer has to be before.
func (h *host) becomes(text, before string) {
	h.t.Helper()
	h.until("answered "+text, func() bool {
		a := h.ask("")
		if a.status != http.StatusOK || a.text != text && a.text != before {
			h.t.Fatalf("got %v, want %q or %q", a, before, text)
		}
		return a.text == text
	})
}

// build is a version of the fixture of that name.
func build(t *testing.T, n int, flags ...string) string {
	t.Helper()
	return testext.Fixture(t, "version", append(flags, fmt.Sprintf("-DVERSION=%d", n))...)
}
