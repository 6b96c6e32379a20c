package front

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testlog"
)

// changing is a front with one image, which is replaced.
type changing struct {
	*testing.T
	*Front
	control *Control
	folder  string
	log     *testlog.Buffer
	end     func()
}

// newChanging serves version 1 as shop.so.
func newChanging(t *testing.T, mode config.PoolMode, change func(*config.Update)) *changing {
	t.Helper()
	return newEdge(t, func(_ *changing, c *config.Config) { updated(c, mode, change) })
}

// newEdge is newChanging with a configuration of one's own.
func newEdge(t *testing.T, change func(x *changing, c *config.Config)) *changing {
	t.Helper()
	x := &changing{T: t, folder: t.TempDir()}
	x.put("shop.so", version(t, 1))
	x.serve(func(c *config.Config) { change(x, c) })
	t.Cleanup(func() { x.end() })
	return x
}

// start serves what lies there, after an end.
func (x *changing) start(mode config.PoolMode, change func(*config.Update)) {
	x.Helper()
	x.serve(func(c *config.Config) { updated(c, mode, change) })
}

// updated sets the mode of the pool, and how its image is replaced.
func updated(c *config.Config, mode config.PoolMode, change func(*config.Update)) {
	p := defaultPool(c)
	p.Mode = mode
	if change != nil {
		change(&p.Update)
	}
}

// serve starts a front with shop.so at every path, which has ended when end returns.
func (x *changing) serve(change func(*config.Config)) {
	x.Helper()
	c := oneSite(x.T, map[string]string{"*": x.path("shop.so")})
	p := defaultPool(c)
	p.ShutdownLimit, p.StartupLimit, p.Update.Window = 20*time.Second, 20*time.Second, 0
	change(c)
	x.log = &testlog.Buffer{}
	f, err := New(c, slog.New(slog.NewTextHandler(x.log, nil)))
	if err != nil {
		x.Fatal(err)
	}
	x.Front = f
	x.control = NewControl(f, "test", func() {})
	x.end = serve(x.T, f)
}

// version builds one version of the extension.
func version(t *testing.T, n int, flags ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testext.Fixture(t, "version", append(flags, fmt.Sprintf("-DVERSION=%d", n))...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (x *changing) path(name string) string { return filepath.Join(x.folder, name) }

// put has a file appear at once, as a rename does.
func (x *changing) put(name string, b []byte) {
	x.Helper()
	tmp := x.path("new")
	if err := os.WriteFile(tmp, b, 0o755); err != nil {
		x.Fatal(err)
	}
	if err := os.Rename(tmp, x.path(name)); err != nil {
		x.Fatal(err)
	}
}

func (x *changing) has(name string, b []byte) {
	x.Helper()
	got, err := os.ReadFile(x.path(name))
	if err != nil || !bytes.Equal(got, b) {
		x.Errorf("%s: %v, %d bytes, want %d others", name, err, len(got), len(b))
	}
}

func (x *changing) hasNo(name string) {
	x.Helper()
	if _, err := os.Lstat(x.path(name)); err == nil {
		x.Errorf("there is a %s", name)
	}
}

func (x *changing) ask(query string) (status int, body string) {
	x.Helper()
	return get(x.T, x.URLs()[0]+"?"+query)
}

// answers checks that a version answers.
func (x *changing) answers(n int) {
	x.Helper()
	if status, body := x.ask(""); status != 200 || strings.TrimSpace(body) != fmt.Sprint(n) {
		x.Errorf("%d %q, want version %d", status, body, n)
	}
}

// last waits for the receipt of the nth swap.
func (x *changing) last(n int, is func(swap.Receipt) bool) swap.Receipt {
	x.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		list, err := x.control.History(x.path("shop.so"))
		if err != nil {
			x.Fatal(err)
		}
		if len(list) >= n && is(list[0]) {
			return list[0]
		}
		if time.Now().After(end) {
			x.Fatalf("after a minute: %+v\n%s", list, x.log)
		}
	}
}

func outcome(o swap.Outcome) func(swap.Receipt) bool {
	return func(r swap.Receipt) bool { return r.Outcome == o && r.Ended != nil }
}

func committed(r swap.Receipt) bool { return r.Committed != nil }

func (x *changing) deploy(b []byte, wait bool) (swap.Receipt, []string) {
	x.Helper()
	file := filepath.Join(x.TempDir(), "upload")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		x.Fatal(err)
	}
	var steps []string
	r, err := x.control.Deploy(x.Context(), x.path("shop.so"), "deploy by a test", wait, file, func(s swap.Step) { steps = append(steps, s.Text) })
	if err != nil {
		x.Fatal(err)
	}
	return r, steps
}

// load sends requests until stop is called, which says how many failed of how many.
func (x *changing) load(clients int) (stop func() (failed, total int64)) {
	var over atomic.Bool
	var failures, all atomic.Int64
	var wait sync.WaitGroup
	url := x.URLs()[0]
	for range clients {
		wait.Go(func() {
			client := http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for !over.Load() {
				all.Add(1)
				resp, err := client.Get(url)
				if err != nil {
					failures.Add(1)
					continue
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || len(b) == 0 {
					failures.Add(1)
				}
			}
		})
	}
	return func() (int64, int64) {
		over.Store(true)
		wait.Wait()
		return failures.Load(), all.Load()
	}
}

// modes are those an image can be replaced in.
func modes(t *testing.T, test func(t *testing.T, mode config.PoolMode)) {
	for _, mode := range []config.PoolMode{config.ModeIsolated, config.ModeInProcess} {
		t.Run(string(mode), func(t *testing.T) { test(t, mode) })
	}
}

// reconfigure reloads a changed copy of the configuration in force.
func (x *changing) reconfigure(change func(c *config.Config)) {
	x.Helper()
	cfg := *x.setup.Load().cfg
	pools := map[string]*config.Pool{}
	for name, p := range cfg.Pools {
		copied := *p
		pools[name] = &copied
	}
	cfg.Pools = pools
	change(&cfg)
	if _, err := x.Reload(x.Context(), &cfg); err != nil {
		x.Fatal(err)
	}
}

// until waits for a fact.
func (x *changing) until(what string, is func() bool) {
	x.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			x.Fatalf("after a minute not yet: %s\n%+v\n%s", what, x.images.States(), x.log)
		}
	}
}

// body is what a URL below the server's answers.
func (x *changing) body(url string) string {
	x.Helper()
	status, body := get(x.T, x.URLs()[0]+url)
	if status != 200 {
		return fmt.Sprint(status)
	}
	return strings.TrimSpace(body)
}
