package front

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// TestControlPools: what is said of a pool holds for its groups, also for those that are made later.
func TestControlPools(t *testing.T) {
	two := func(c *config.Config) {
		c.Sites[0].Applications = append(c.Sites[0].Applications, config.Application{
			Path: "/b", Pool: config.DefaultPoolName, Handlers: []config.Handler{{Path: "*.so", ISAPI: true}},
		})
		c.Pools["here"] = config.DefaultPool()
		c.Pools["here"].Mode = config.ModeInProcess
		c.Pools["later"] = config.DefaultPool()
	}
	x := newTrial(t, two)
	code, err := os.ReadFile(x.image)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"b", "later"} {
		if err := os.Mkdir(filepath.Join(x.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(x.root, dir, "x.so"), code, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := NewControl(x.Front, "v1", nil)
	for name, want := range map[string]error{
		"nobody": admin.ErrNoPool, "here": admin.ErrInProcess, "later": nil, "default": nil, "default@test": nil, "default@test/b": admin.ErrNoPool,
	} {
		if err := c.Recycle(name, "test"); !errors.Is(err, want) {
			t.Errorf("recycle %q: got %v, want %v", name, err, want)
		}
	}
	status := func(path string, want int) { // a pool is told, and does it as soon as it can
		t.Helper()
		x.until(fmt.Sprintf("%s: %d", path, want), func() bool { got, _ := get(t, x.URLs()[0]+path); return got == want })
	}
	order := func(do func(string) error, name string) {
		t.Helper()
		if err := do(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	order(c.StopPool, "default")
	status("where/", 503)
	status("b/x.so", 503) // its group is made now
	order(c.StartPool, "default@test/b")
	status("b/x.so", 200)
	status("where/", 503)
	order(c.StopPool, "later")
	x.reload(func(c *config.Config) {
		two(c)
		c.Sites[0].Applications = append(c.Sites[0].Applications, config.Application{
			Path: "/later", Pool: "later", Handlers: []config.Handler{{Path: "*.so", ISAPI: true}},
		})
	})
	status("later/x.so", 503)
	order(c.StartPool, "later")
	status("later/x.so", 200)
	order(c.StartPool, "default")
	status("where/", 200)

	s := c.Status()
	if len(s.Pools) != 3 || s.Pools[0].Name != "default@test" || s.Pools[0].Of != "default" || s.Pools[0].State != pool.StateRunning {
		t.Errorf("pools %+v", s.Pools)
	}
	if s.Version != "v1" || s.Pid != os.Getpid() || s.State != admin.StateServing || len(s.URLs) != 1 || s.Requests.Served < 6 {
		t.Errorf("status %+v", s)
	}
}

// TestControlReload: the file is read again, and the status tells how that ended.
func TestControlReload(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "isapid.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	image := testext.Source(t, where)
	const head = "sites:\n- name: shop\n  bindings: [\"http://127.0.0.1:0\"]\n  root: .\n  applications:\n  - path: /\n    handlers: [{path: /where/*, extension: "
	write(head + image + "}]\npools: {default: {mode: in-process}}\n")
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(t, cfg)
	end := serve(t, f)
	drained := false
	parts := 0
	c := NewControl(f, "v1", func() { drained = true }, func(*config.Config) (commit, discard func(), err error) {
		return func() { parts++ }, func() {}, nil
	})
	if s := c.Status(); s.Config != file || s.Reload != nil || len(s.InProcess) != 1 || s.InProcess[0].Description != "where" || len(s.Pools) != 0 {
		t.Errorf("before: %+v", s)
	}
	write("sites: 3")
	if _, err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "isapid.yaml:1:") {
		t.Errorf("wrong file: got %v", err)
	}
	if s := c.Status(); s.Reload == nil || !strings.Contains(s.Reload.Error, "isapid.yaml:1:") || parts != 0 {
		t.Errorf("after a wrong file: %+v", s)
	}
	write(head + image + "}]\n")
	got, err := c.Reload(t.Context())
	if err != nil || len(got.Changes) != 1 || got.Changes[0].What != `pool "default"` || parts != 1 {
		t.Errorf("reload: %+v, %v", got, err)
	}
	if s := c.Status(); s.Reload.Error != "" || time.Since(s.Reload.At) > time.Minute || len(s.Pools) != 1 {
		t.Errorf("after a reload: %+v", s)
	}
	write(head + image + "}]\nwine: {workers: .}\n")
	got, err = c.Reload(t.Context())
	if want := (admin.Change{What: "wine", Effect: "takes effect at the next start: workers"}); err != nil || len(got.Changes) != 1 || got.Changes[0] != want {
		t.Errorf("reload with a key for the next start: %+v, %v", got, err)
	}
	before := &Stats{}
	get(t, f.URLs()[0]+"where/")
	if got := c.Summary(before, time.Second); got != "1 pool, 1 worker, 1 requests/s" {
		t.Errorf("summary %q", got)
	}
	if err := c.Alive(t.Context()); err != nil {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Alive(gone); err == nil {
		t.Error("alive although no answer came in time")
	}
	if err := c.Drain(); err != nil || !drained {
		t.Errorf("drain: %v, %v", err, drained)
	}
	end()
	if s := c.Status(); s.State != admin.StateDraining {
		t.Errorf("state %s", s.State)
	}
	if _, err := c.Reload(t.Context()); !errors.Is(err, admin.ErrEnding) {
		t.Errorf("reload after the end: %v", err)
	}
	if err := c.StopPool("default"); !errors.Is(err, admin.ErrEnding) {
		t.Errorf("stop after the end: %v", err)
	}
	if err := c.Alive(t.Context()); err != nil {
		t.Errorf("after the end: %v", err)
	}
}
