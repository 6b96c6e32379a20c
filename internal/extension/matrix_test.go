//go:build linux && cgo

package extension_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/testext"
)

// The environment of a victim: the server that runs a behaviour of the matrix in its own process.
const (
	victimImage = "ISAPID_TEST_VICTIM_IMAGE"
	victimOther = "ISAPID_TEST_VICTIM_OTHER"
	victimLog   = "ISAPID_TEST_VICTIM_LOG"
)

// TestMain is the victim when it is asked to be.
func TestMain(m *testing.M) {
	if os.Getenv(victimImage) != "" {
		os.Exit(beVictim())
	}
	os.Exit(m.Run())
}

// beVictim serves two extensions until SIGTERM: the image at /, if it can be loaded, and another one at /other. SIGUSR1
// unloads the image. The log has the address, and what a server would say and do in its place.
func beVictim() int {
	f, err := os.OpenFile(os.Getenv(victimLog), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	log := slog.New(slog.NewTextHandler(f, nil))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		log.Error("limit of descriptors", "error", err)
		return 2
	}
	o := executor.Options{Logger: log}
	other, err := extension.Open(os.Getenv(victimOther), o)
	if err != nil {
		log.Error("the other extension", "error", err)
		return 2
	}
	image, err := extension.Open(os.Getenv(victimImage), o)
	if err != nil {
		log.Error("not loaded", "error", err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch t := (&executor.Target{ScriptName: "/app.dll", PathInfo: r.URL.Path, App: &executor.App{}}); {
		case r.URL.Path == "/other":
			res := other.Execute(w, r, t)
			res.Check()
		case image == nil:
			http.Error(w, "not loaded", http.StatusServiceUnavailable)
		default:
			res := image.Execute(w, r, t)
			res.Check()
		}
	})
	hs, err := server.New([]server.Site{{Name: "victim", Bindings: []server.Binding{{Addr: "127.0.0.1:0"}}, Handler: handler}}, server.Limits{}, log)
	if err == nil {
		err = hs.Listen()
	}
	if err != nil {
		log.Error("listen", "error", err)
		return 2
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve() }()
	unload, end := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(unload, syscall.SIGUSR1)
	signal.Notify(end, syscall.SIGTERM)
	log.Info("listening", "at", hs.Addrs()[0].String())
	for {
		select {
		case <-unload:
			unloaded(log, image)
			image = nil
		case <-end:
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			log.Info("stopped", "error", errors.Join(hs.Shutdown(ctx), other.Close(ctx)))
			if image != nil {
				unloaded(log, image)
			}
			<-served
			return 0
		}
	}
}

func unloaded(log *slog.Logger, image *extension.Extension) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	log.Info("unloaded", "error", image.Close(ctx))
}

// victim is a server that is to be harmed.
type victim struct {
	t    *testing.T
	log  string // file
	said *tail
	addr string
	pid  int
	gone chan struct{} // closed when it has ended
}

// startVictim starts it in a process group of its own, which is killed at the end of the test with all that is left in it.
func startVictim(t *testing.T, image string) *victim {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	v := &victim{t: t, log: filepath.Join(dir, "log"), said: &tail{}, gone: make(chan struct{})}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd := exec.Command(exe)
	cmd.ExtraFiles = []*os.File{null} // descriptor 3, lest it is one the test needs
	cmd.Env = append(os.Environ(), victimImage+"="+image, victimOther+"="+testext.Fixture(t, "hello"), victimLog+"="+v.log, "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = v.said, v.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v.pid = cmd.Process.Pid
	go func() { // leaves it as it is, so that its id stays its own
		defer close(v.gone)
		for errors.Is(unix.Waitid(unix.P_PID, v.pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-v.pid, syscall.SIGKILL)
		<-v.gone
		err := cmd.Wait()
		if t.Failed() {
			t.Logf("the victim: %v\n%s\n%s", err, v.text(), v.said)
		}
	})
	return v
}

func (v *victim) says(text string) bool { return strings.Contains(v.text(), text) }

func (v *victim) text() string {
	b, _ := os.ReadFile(v.log)
	return string(b)
}

var listening = regexp.MustCompile(`msg=listening at=(\S+)`)

// ready waits until it listens.
func (v *victim) ready() {
	v.t.Helper()
	v.wait("it listens", func() bool {
		m := listening.FindStringSubmatch(v.text())
		if m != nil {
			v.addr = m[1]
		}
		return m != nil
	})
}

// wait waits for a fact, at most 30 s, or until the victim is gone.
func (v *victim) wait(what string, fact func() bool) {
	v.t.Helper()
	for end := time.Now().Add(30 * time.Second); !fact(); time.Sleep(2 * time.Millisecond) {
		select {
		case <-v.gone:
			if !fact() {
				v.t.Fatalf("the victim is gone; waited for: %s", what)
			}
			return
		default:
		}
		if time.Now().After(end) {
			v.t.Fatalf("waited 30 s in vain for: %s", what)
		}
	}
}

// ask sends a request on a connection of its own and answers the status and the body.
func (v *victim) ask(ctx context.Context, method, target, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+v.addr+target, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	tr := &http.Transport{DisableKeepAlives: body == ""} // a connection closed with its body unread is reset, with the answer
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		return executortest.Broken, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return executortest.Broken, "", err
	}
	return res.StatusCode, string(b), nil
}

// answers fails the test unless a GET is answered 200.
func (v *victim) answers(path string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 30*time.Second)
	defer cancel()
	if status, _, err := v.ask(ctx, "GET", path, ""); status != http.StatusOK {
		v.t.Errorf("GET %s: status %d, %v; want 200", path, status, err)
	}
}

func (v *victim) signal(sig syscall.Signal) {
	v.t.Helper()
	if err := syscall.Kill(v.pid, sig); err != nil {
		v.t.Error(err)
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (w *tail) Write(p []byte) (int, error) {
	const size = 8 << 10
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p[max(0, len(p)-size):]...)
	w.buf = bytes.Clone(w.buf[max(0, len(w.buf)-size):])
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.buf)
}

// TestMatrix runs each behaviour of the fault matrix in a server that has the extension in its own process.
func TestMatrix(t *testing.T) {
	for i := range executortest.Matrix {
		b := &executortest.Matrix[i]
		if b.When == executortest.AtLoad && !b.InProcess.Survives {
			continue // it would never listen
		}
		t.Run(b.Name, func(t *testing.T) { testBehaviour(t, b) })
	}
}

func testBehaviour(t *testing.T, b *executortest.Behaviour) {
	v := startVictim(t, b.Image(t))
	v.ready()
	want, got := b.InProcess, 0
	switch b.When {
	case executortest.InRequest:
		if got = v.harm(b); !slices.Contains(want.Status, got) {
			t.Errorf("the client sees %d, want one of %d", got, want.Status)
		}
	case executortest.AtUnload:
		v.answers("/?ok")
		v.signal(syscall.SIGUSR1)
		v.wait("the end of the unload", func() bool { return v.says("msg=unloaded") })
	case executortest.AtLoad:
	}
	if !want.Survives {
		if slices.Equal(want.Status, []int{executortest.Broken}) {
			v.wait("the end of the server", v.deaf)
		}
		return
	}
	if b.When == executortest.InRequest {
		for range 3 {
			v.answers("/?ok")
		}
	}
	v.answers("/other")
	if want.Log != "" {
		v.wait(want.Log, func() bool { return v.says(want.Log) })
	}
	if b.When == executortest.InRequest && got != executortest.NoAnswer {
		v.signal(syscall.SIGTERM)
		v.wait("the end that was asked for", func() bool { return v.says("msg=unloaded") })
	}
}

// harm sends the request of a behaviour and answers what the client sees. A request that is not to be answered is given up
// when it is inside the extension and others were answered after it; where none can be, after a second.
func (v *victim) harm(b *executortest.Behaviour) int {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 30*time.Second)
	defer cancel()
	quiet := slices.Contains(b.InProcess.Status, executortest.NoAnswer)
	if quiet && !b.InProcess.Survives {
		ctx, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
	}
	status := make(chan int, 1)
	go func() {
		code, _, err := v.ask(ctx, cmp.Or(b.Method, "GET"), "/?"+b.Query, b.Body)
		if ctx.Err() != nil && err != nil {
			code = executortest.NoAnswer
		}
		status <- code
	}()
	if quiet && b.InProcess.Survives {
		v.wait("the request to be inside", func() bool {
			_, n, err := v.ask(ctx, "GET", "/?inside", "")
			return err == nil && n == "1"
		})
		for range 10 {
			v.answers("/?ok")
		}
		cancel()
	}
	return <-status
}

// deaf tells whether nobody answers any more.
func (v *victim) deaf() bool {
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Second)
	defer cancel()
	_, _, err := v.ask(ctx, "GET", "/other", "")
	return err != nil
}
