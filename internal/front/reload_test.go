package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// trial is a front that is reloaded. Its extension tells its process and the variable GREETING.
type trial struct {
	*testing.T
	*Front
	image string
	root  string
}

// newTrial serves a site with the extension below /where.
func newTrial(t *testing.T, change func(*config.Config)) *trial {
	t.Helper()
	x := &trial{T: t, image: testext.Source(t, where), root: t.TempDir()}
	x.Front = newFront(t, x.config(change))
	serve(t, x.Front)
	return x
}

func (x *trial) config(change func(*config.Config)) *config.Config {
	x.Helper()
	c := oneSite(x.T, map[string]string{"/where/*": x.image})
	c.Sites[0].Root = x.root
	if change != nil {
		change(c)
	}
	return c
}

func defaultPool(c *config.Config) *config.Pool { return c.Pools[config.DefaultPoolName] }

func (x *trial) reload(change func(*config.Config)) string {
	x.Helper()
	changes, err := x.Reload(x.Context(), x.config(change))
	if err != nil {
		x.Fatal(err)
	}
	return told(changes)
}

func (x *trial) changes(got, want string) {
	x.Helper()
	if got != want {
		x.Errorf("changes: got %q, want %q", got, want)
	}
}

// ask returns the process and the greeting of an answer.
func (x *trial) ask(path string) (pid, greeting string) {
	x.Helper()
	status, body := get(x.T, x.URLs()[0]+path)
	m := regexp.MustCompile(`^pid=(\d+) .*greeting=(\S+)`).FindStringSubmatch(body)
	if status != 200 || m == nil {
		x.Fatalf("%s: %d %q", path, status, body)
	}
	return m[1], m[2]
}

// until waits for something that must become true.
func (x *trial) until(what string, is func() bool) {
	x.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			x.Fatalf("after a minute: not %s", what)
		}
	}
}

// clean waits until nothing is being given up.
func (x *trial) clean(entries, pools int) {
	x.Helper()
	x.until(fmt.Sprintf("%d executors in %d pools", entries, pools), func() bool {
		return len(x.cache.loaded()) == entries && len(x.pools.status()) == pools
	})
}

var here = fmt.Sprint(os.Getpid())

// What stays is not touched, however often the configuration is read.
func TestReloadNothing(t *testing.T) {
	x := newTrial(t, nil)
	url := x.URLs()[0]
	pid, _ := x.ask("where/")
	for range 3 {
		x.changes(x.reload(nil), "")
	}
	x.changes(x.reload(func(c *config.Config) { c.Sites[0].Static = false; c.Limits.IdleTimeout = time.Hour }), `site "test": changed: static; limits: for new connections: idle_timeout`)
	if now, _ := x.ask("where/"); now != pid {
		t.Errorf("worker %s, want %s to stay", now, pid)
	}
	if got := x.URLs()[0]; got != url {
		t.Errorf("%s, want %s to stay", got, url)
	}
	if s := x.pools.status()[0]; s.Generation != 1 || s.Totals.Starts != 1 {
		t.Errorf("generation %d after %d starts, want 1 after 1", s.Generation, s.Totals.Starts)
	}
	x.clean(1, 1)
}

// The settings of a pool change while it runs; what is recycled goes on answering.
func TestReloadPool(t *testing.T) {
	x := newTrial(t, nil)
	first, _ := x.ask("where/")
	later := func(c *config.Config) {
		defaultPool(c).Recycle.OnConfigChange = false
		defaultPool(c).Environment = map[string]string{"GREETING": "hello"}
	}
	x.changes(x.reload(later), `pool "default": for workers that are started from now on: environment, recycle`)
	if pid, greeting := x.ask("where/"); pid != first || greeting != "none" {
		t.Errorf("process %s, greeting %s: the worker has changed", pid, greeting)
	}
	now := func(c *config.Config) {
		later(c)
		defaultPool(c).Recycle.OnConfigChange = true
		defaultPool(c).Threads = 3
	}
	x.changes(x.reload(now), `pool "default": recycled: threads, recycle`)
	x.until("a new worker", func() bool { pid, _ := x.ask("where/"); return pid != first })
	if _, greeting := x.ask("where/"); greeting != "hello" {
		t.Errorf("greeting %s after recycling", greeting)
	}
	if s := x.pools.status()[0]; s.Generation != 2 {
		t.Errorf("generation %d, want the second of the same pool", s.Generation)
	}
	x.changes(x.reload(func(c *config.Config) {
		now(c)
		c.Pools["other"] = config.DefaultPool()
	}), `pool "other": added`)
	x.changes(x.reload(now), `pool "other": removed`)
}

// An image that is new together with settings is loaded by workers that have both.
func TestReloadImageAndSettings(t *testing.T) {
	x := newTrial(t, nil)
	first, _ := x.ask("where/")
	other := testext.Source(t, strings.ReplaceAll(where, "v->dwExtensionVersion", "if (!getenv(\"GREETING\")) return FALSE; v->dwExtensionVersion"))
	more := func(c *config.Config) {
		h := &c.Sites[0].Applications[0].Handlers
		*h = append(*h, config.Handler{Path: "/other/*", Extension: other})
	}
	if _, err := x.Reload(t.Context(), x.config(more)); err == nil {
		t.Error("without its settings the image is loaded")
	}
	x.clean(1, 1)
	x.changes(x.reload(func(c *config.Config) {
		more(c)
		defaultPool(c).Environment = map[string]string{"GREETING": "hello"}
	}), `site "test": changed: applications; pool "default": other workers: environment`)
	pid, greeting := x.ask("other/")
	if again, _ := x.ask("where/"); again != pid || pid == first || greeting != "hello" {
		t.Errorf("processes %s and %s, greeting %s", pid, again, greeting)
	}
	x.clean(2, 1)
	x.changes(x.reload(nil), `site "test": changed: applications; pool "default": other workers: environment`)
	if again, greeting := x.ask("where/"); again == pid || greeting != "none" {
		t.Errorf("process %s, greeting %s", again, greeting)
	}
	x.clean(1, 1)
}

// A worker cannot leave its sandbox: other rules need other workers.
func TestReloadSandbox(t *testing.T) {
	x := newTrial(t, func(c *config.Config) { defaultPool(c).Sandbox = &config.Sandbox{Read: []string{}} })
	first, _ := x.ask("where/")
	x.changes(x.reload(func(c *config.Config) {
		defaultPool(c).Sandbox = &config.Sandbox{Read: []string{}}
		defaultPool(c).Recycle.OnConfigChange = false
		c.Sites[0].Root = t.TempDir()
	}), `site "test": changed: root; pool "default": other workers: recycle`)
	if pid, _ := x.ask("where/"); pid == first {
		t.Error("the worker has not changed")
	}
	x.clean(1, 1)
}

func TestReloadMode(t *testing.T) {
	x := newTrial(t, nil)
	inProcess := func(c *config.Config) { defaultPool(c).Mode = config.ModeInProcess }
	x.changes(x.reload(inProcess), `pool "default": runs inside the server from now on: mode`)
	if pid, _ := x.ask("where/"); pid != here {
		t.Errorf("process %s, want this one, %s", pid, here)
	}
	x.clean(1, 0)
	more := func(c *config.Config) { inProcess(c); defaultPool(c).Threads = 3 }
	x.changes(x.reload(more), `pool "default": loaded anew: threads`)
	x.ask("where/")
	x.clean(1, 0)
	x.changes(x.reload(nil), `pool "default": runs in workers from now on: mode, threads`)
	if pid, _ := x.ask("where/"); pid == here {
		t.Error("it runs in this process")
	}
	x.clean(1, 1)
}

// What nobody can ask for any more is closed; what URLs name stays as long as they can.
func TestReloadRemoves(t *testing.T) {
	urls := func(c *config.Config) {
		c.Sites[0].Applications[0].Handlers = append(c.Sites[0].Applications[0].Handlers, config.Handler{Path: "*.so", ISAPI: true})
	}
	x := newTrial(t, urls)
	code, err := os.ReadFile(x.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(x.root, "direct.so"), code, 0o755); err != nil {
		t.Fatal(err)
	}
	x.ask("direct.so")
	pid, _ := x.ask("where/")
	x.clean(2, 1)
	x.reload(func(c *config.Config) { urls(c); c.Sites[0].Static = false })
	x.clean(2, 1)
	x.reload(nil)
	x.clean(1, 1)
	if now, _ := x.ask("where/"); now != pid {
		t.Errorf("worker %s, want %s to stay", now, pid)
	}
	if status, _ := get(t, x.URLs()[0]+"direct.so"); status != 404 {
		t.Errorf("removed image: %d", status)
	}
	x.reload(func(c *config.Config) { c.Sites[0].Applications[0].Handlers = nil })
	x.clean(0, 0)
	x.reload(urls)
	x.ask("direct.so")
	x.clean(2, 1)
}

// A request that runs keeps what it runs in.
func TestReloadWhileInside(t *testing.T) {
	inside, leave := filepath.Join(t.TempDir(), "inside"), filepath.Join(t.TempDir(), "leave")
	slow := testext.Source(t, fmt.Sprintf(`
#include <stdio.h>
#include <time.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = HSE_VERSION; return TRUE; }

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    struct timespec moment = {0, 1000000};
    DWORD n = 4;
    FILE *f = fopen(%q, "w");
    if (f) fclose(f);
    while ((f = fopen(%q, "r")) == NULL) nanosleep(&moment, NULL);
    fclose(f);
    ecb->WriteClient(ecb->ConnID, "done", &n, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}
`, inside, leave))
	for _, mode := range []config.PoolMode{config.ModeIsolated, config.ModeInProcess} {
		os.Remove(inside)
		os.Remove(leave)
		x := newTrial(t, func(c *config.Config) {
			c.Sites[0].Applications[0].Handlers[0].Extension = slow
			defaultPool(c).Mode = mode
		})
		answer := make(chan string)
		go func() {
			resp, err := http.Get(x.URLs()[0] + "where/")
			if err != nil {
				answer <- err.Error()
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			answer <- fmt.Sprint(resp.StatusCode, string(body), err)
		}()
		x.until("inside", func() bool { return exists(inside) })
		x.reload(func(c *config.Config) { c.Sites[0].Applications[0].Handlers = nil })
		if n := len(x.cache.loaded()); n != 1 {
			t.Errorf("%s: %d executors, want the one with a request", mode, n)
		}
		if err := os.WriteFile(leave, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := <-answer; got != "200done<nil>" {
			t.Errorf("%s: %s", mode, got)
		}
		x.clean(0, 0)
	}
}

// What is wrong changes nothing.
func TestReloadFails(t *testing.T) {
	x := newTrial(t, nil)
	pid, _ := x.ask("where/")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	bad := filepath.Join(t.TempDir(), "bad.so")
	if err := os.WriteFile(bad, []byte("no library"), 0o755); err != nil {
		t.Fatal(err)
	}
	fails := func(name string, change func(*config.Config), want string, parts ...Part) {
		t.Helper()
		_, err := x.Reload(t.Context(), x.config(change), parts...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		x.clean(1, 1)
		if now, _ := x.ask("where/"); now != pid {
			t.Errorf("%s: worker %s, want %s to stay", name, now, pid)
		}
		if s := x.pools.status()[0]; s.Generation != 1 {
			t.Errorf("%s: generation %d", name, s.Generation)
		}
	}
	second := func(c *config.Config) {
		defaultPool(c).Threads = 7
		c.Sites[0].Applications = append(c.Sites[0].Applications, config.Application{
			Path: "/b", Pool: "b", Handlers: []config.Handler{{Path: "*", Extension: x.image}},
		})
		c.Pools["b"] = config.DefaultPool()
	}
	fails("image", func(c *config.Config) {
		second(c)
		c.Sites[0].Applications[1].Handlers = append(c.Sites[0].Applications[1].Handlers, config.Handler{Path: "/bad/*", Extension: bad})
	}, "bad.so")
	fails("image in this process", func(c *config.Config) {
		second(c)
		c.Pools["b"].Mode = config.ModeInProcess
		c.Sites[0].Applications[1].Handlers = append(c.Sites[0].Applications[1].Handlers, config.Handler{Path: "/bad/*", Extension: bad})
	}, "bad.so")
	fails("address", func(c *config.Config) {
		second(c)
		c.Sites[0].Bindings = append(c.Sites[0].Bindings, config.Binding{Address: "127.0.0.1", Port: taken.Addr().(*net.TCPAddr).Port})
	}, "in use")
	fails("certificate", func(c *config.Config) {
		second(c)
		c.Sites[0].Bindings = append(c.Sites[0].Bindings, config.Binding{TLS: true, Address: "127.0.0.2"})
		c.Sites[0].Certificate, c.Sites[0].Key = bad, bad
	}, "certificate")
	fails("access log", func(c *config.Config) { second(c); c.Log.Access = logAt(filepath.Join(x.image, "log")) }, "open access log")
	discarded := 0
	good := func(*config.Config) (commit, discard func(), err error) {
		return func() { t.Error("committed") }, func() { discarded++ }, nil
	}
	fails("part", second, "not this", good, func(*config.Config) (_, _ func(), err error) { return nil, nil, errors.New("not this") })
	fails("image after a part", func(c *config.Config) { c.Sites[0].Applications[0].Handlers[0].Extension = bad }, "bad.so", good)
	if discarded != 2 {
		t.Errorf("parts: %d discarded, want 2", discarded)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no more time"))
	if _, err := x.Reload(ctx, x.config(second)); err == nil || !strings.Contains(err.Error(), "no more time") {
		t.Errorf("end of the context: %v", err)
	}
	x.clean(1, 1)

	// A failure is not remembered against the next try.
	code, err := os.ReadFile(x.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, code, 0o755); err != nil {
		t.Fatal(err)
	}
	x.reload(func(c *config.Config) {
		c.Sites[0].Applications[0].Handlers = append(c.Sites[0].Applications[0].Handlers, config.Handler{Path: "/bad/*", Extension: bad})
	})
	x.ask("bad/")
}

func TestReloadBeforeAndAfter(t *testing.T) {
	cfg := oneSite(t, nil)
	f := newFront(t, cfg)
	if _, err := f.Reload(t.Context(), cfg); err == nil {
		t.Error("before Start: got no error")
	}
	serve(t, f)()
	if _, err := f.Reload(t.Context(), cfg); !errors.Is(err, admin.ErrEnding) {
		t.Errorf("after Drain: got %v, want ErrEnding", err)
	}
}

// A log that was moved away is begun anew, and no line is lost.
func TestReloadAccessLog(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	at := func(file string) func(*config.Config) { return func(c *config.Config) { c.Log.Access = logAt(file) } }
	x := newTrial(t, at(a))
	x.ask("where/1")
	if err := os.Rename(a, a+".1"); err != nil {
		t.Fatal(err)
	}
	x.changes(x.reload(at(a)), "")
	x.ask("where/2")
	x.changes(x.reload(at(b)), "log: changed: access")
	x.ask("where/3")
	x.reload(nil)
	x.ask("where/4")
	for file, want := range map[string]string{a + ".1": "/where/1", a: "/where/2", b: "/where/3"} {
		text, err := os.ReadFile(file)
		if err != nil || bytes.Count(text, []byte("\n")) != 1 || !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s: %q, %v, want one line with %s", file, text, err, want)
		}
	}
}

// Fifty changes of about everything under load, some of them wrong: no request fails.
func TestReloadUnderLoad(t *testing.T) {
	x := newTrial(t, nil)
	other := testext.Source(t, echo)
	one := func(c *config.Config) {
		c.Limits.IdleTimeout = time.Hour
		c.Sites[0].Applications[0].Handlers = append(c.Sites[0].Applications[0].Handlers, config.Handler{Path: "/echo/*", Extension: other})
		defaultPool(c).Environment = map[string]string{"GREETING": "hello"}
	}
	two := func(c *config.Config) {
		c.Sites[0].Bindings = append(c.Sites[0].Bindings, config.Binding{Address: "127.0.0.2"})
		c.Sites[0].Applications[0].Handlers[0].Path = "*"
		c.Log.Access = logAt(filepath.Join(x.root, "access.log"))
		defaultPool(c).Mode = config.ModeInProcess
	}
	wrong := func(c *config.Config) {
		two(c)
		c.Sites[0].Applications[0].Handlers[0].Extension = filepath.Join(x.root, "missing.so")
	}
	addr := x.server.Addrs()[0].String()
	var answered atomic.Int64
	var stop atomic.Bool
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() {
			keep := n != 0
			for !stop.Load() && !t.Failed() {
				if err := exchange(addr, &stop, keep, &answered); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 50 {
		change := one
		if i%2 == 1 {
			change = two
		}
		before := answered.Load()
		x.reload(change)
		if i%5 == 4 {
			if _, err := x.Reload(t.Context(), x.config(wrong)); err == nil {
				t.Error("a missing image: got no error")
			}
		}
		x.until("answering", func() bool { return t.Failed() || answered.Load() >= before+8 })
	}
	stop.Store(true)
	clients.Wait()
	x.reload(nil)
	x.clean(1, 1)
	if s := x.Stats(); s.Broken != 0 || s.Faults != 0 {
		t.Errorf("%+v", s)
	}
}

// exchange asks over one connection until stop, or once.
func exchange(addr string, stop *atomic.Bool, keep bool, answered *atomic.Int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
	r := bufio.NewReader(c)
	for again := true; again && !stop.Load(); again = keep {
		if _, err := io.WriteString(c, "GET /where/ HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			return fmt.Errorf("%d %q %w", resp.StatusCode, body, err)
		}
		answered.Add(1)
	}
	return nil
}

// Every key a change can name is one of the documentation.
func TestChangesNameKeys(t *testing.T) {
	page, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	add := func(all []string) { keys = append(keys, all...) }
	b := true
	n := uint64(1)
	add(differing(config.Site{}, config.Site{Name: "x", ID: 1, Bindings: []config.Binding{{}}, Certificate: "x", Key: "x", Root: "x",
		HTTP2: b, ClientCertificates: "x", ClientCA: "x", Filters: []string{"x"},
		DefaultDocuments: []string{"x"}, MIME: map[string]string{}, ErrorPages: map[string]config.ErrorPage{},
		VirtualDirectories: []config.VirtualDirectory{{}}, Applications: []config.Application{{}}, Static: b,
		Images: config.Images{Allow: []string{"x"}}, Limits: config.Limits{Body: 1}, Log: config.SiteLog{Access: b}}))
	add(differing(config.Pool{}, config.Pool{Mode: "x", Threads: 1, Stack: 1, Queue: 1, QueueWait: 1, ReadAhead: 1, Pending: 1, Flush: 1, OnFault: "x", Update: config.Update{Watch: b},
		Isolation: "x", Workers: 1, OnDemand: b, StartupLimit: 1, ShutdownLimit: 1, IdleTimeout: 1, RequestTimeout: 1,
		Environment: map[string]string{}, Directory: "x", User: "x", Group: "x", Nice: 1, RLimits: config.RLimits{Files: &n}, MemoryLimit: 1, CPULimit: 1,
		NoNewPrivileges: b, Sandbox: &config.Sandbox{}, Health: config.Health{Ping: 1}, Recycle: config.Recycle{Requests: 1},
		Crashes: config.Crashes{Max: 1}, Orphan: config.Orphan{Max: 1}, Idempotent: []string{"x"}, Checks: "x"}))
	add(differing(config.Log{}, config.Log{File: "x", Level: "x", Format: "x", Levels: map[string]string{}, Access: &config.AccessLog{}}))
	add(differing(config.CrashFiles{}, config.CrashFiles{Directory: "x", Keep: 1}))
	add(differing(config.Tracing{}, config.Tracing{OTLP: "x", Sample: 1, Headers: map[string]string{}, ServiceName: "x"}))
	add(differing(config.Metrics{}, config.Metrics{Histogram: []time.Duration{1}}))
	add(differing(config.Control{}, config.Control{Socket: "x", StatusSocket: "x", StatusGroup: "x", Listen: "x", Certificate: "x", Key: "x", Tokens: []config.Token{{}}}))
	if want := 19 + 33 + 5 + 2 + 4 + 1 + 7; len(keys) != want {
		t.Errorf("%d keys, want %d: name new fields in this test", len(keys), want)
	}
	for _, k := range keys {
		if !bytes.Contains(page, []byte("`"+k+"`")) {
			t.Errorf("docs/config.md does not know the key %q", k)
		}
	}
}

// A pool the operator has stopped stays so when it gets other workers.
func TestReloadStopped(t *testing.T) {
	x := newTrial(t, nil)
	if err := NewControl(x.Front, "v", nil).StopPool(config.DefaultPoolName); err != nil {
		t.Fatal(err)
	}
	x.reload(func(c *config.Config) { defaultPool(c).Sandbox = &config.Sandbox{Connect: []uint16{}} })
	x.until("503", func() bool { status, _ := get(t, x.URLs()[0]+"where/"); return status == 503 })
	x.clean(1, 1)
	if s := x.pools.status()[0]; s.State != pool.StateStopped {
		t.Errorf("state %s", s.State)
	}
}
