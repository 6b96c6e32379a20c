package front

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/swap"
)

// TestStoppedPool: that the operator has stopped a pool is not the fault of a version.
func TestStoppedPool(t *testing.T) {
	x := newEdge(t, func(_ *changing, c *config.Config) { defaultPool(c).Update.Window = 300 * time.Millisecond })
	x.deploy(version(t, 2), false)
	if err := x.control.StopPool(config.DefaultPoolName); err != nil { // in the watch window
		t.Fatal(err)
	}
	if r := x.last(1, func(r swap.Receipt) bool { return r.Ended != nil }); r.Outcome != swap.Committed {
		t.Errorf("%+v", r)
	}
	x.put("shop.update", version(t, 3))
	x.until("the update waits", func() bool { return strings.Contains(x.images.States()[0].Trouble, "the pool is stopped") })
	x.has("shop.update", version(t, 3))
	x.hasNo("shop.failed")
	if last := x.images.States()[0].Last; last.Outcome != swap.Committed {
		t.Errorf("%+v", last)
	}
	if _, err := x.control.Deploy(t.Context(), x.path("shop.so"), "me", true, x.path("shop.update"), nil); !errors.Is(err, executor.ErrStopped) {
		t.Error(err)
	}
	if err := x.control.StartPool(config.DefaultPoolName); err != nil {
		t.Fatal(err)
	}
	x.answers(2)
}

// TestTwoVersionsHang: in this process nobody can end them by force, so the next deploy says who is in the way, and the file of an update waits.
func TestTwoVersionsHang(t *testing.T) {
	x := newEdge(t, func(x *changing, c *config.Config) {
		x.put("go", nil)
		p := defaultPool(c)
		p.Mode, p.ShutdownLimit = config.ModeInProcess, 100*time.Millisecond
	})
	var hanging sync.WaitGroup
	for n := range 2 {
		hanging.Go(func() { x.ask("wait") })
		x.until("a request hangs", func() bool { return x.Stats().Running == int64(n+1) })
		x.deploy(version(t, n+2), false)
		x.answers(n + 2)
	}
	x.put("upload", version(t, 4))
	_, err := x.control.Deploy(t.Context(), x.path("shop.so"), "me", true, x.path("upload"), nil)
	if !errors.Is(err, executor.ErrDraining) || !strings.Contains(err.Error(), "GET /?wait") {
		t.Error(err)
	}
	x.put("shop.update", version(t, 4))
	x.until("the update waits", func() bool { return strings.Contains(x.images.States()[0].Trouble, "have not ended") })
	x.answers(3)
	x.put("go", []byte("1"))
	hanging.Wait()
	x.until("they are unloaded", func() bool { return strings.Count(x.log.String(), "extension unloaded") >= 2 })
	x.deploy(version(t, 5), true)
	x.answers(5)
	x.hasNo("shop.failed")
}

// TestNamedByURL: an image that a URL names is replaced like one that a handler names.
func TestNamedByURL(t *testing.T) {
	x := newEdge(t, func(x *changing, c *config.Config) {
		c.Sites[0].Root = x.folder
		c.Sites[0].Applications[0].Handlers = []config.Handler{{Path: "*.so", ISAPI: true}}
	})
	if got := x.body("shop.so"); got != "1" {
		t.Fatal(got)
	}
	x.put("shop.update", version(t, 2))
	x.until("version 2", func() bool { return x.body("shop.so") == "2" })
	x.put("shop.so", version(t, 3))
	x.until("version 3", func() bool { return x.body("shop.so") == "3" })
	for _, name := range []string{"shop.update", "shop.backup", "shop.backup.2", "shop.journal", "shop.lock"} {
		if got := x.body(name); got != "404" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestSymlinkedImage: a link that is switched is a new version, and what it has led to stays as it is. An update takes the place of the link.
func TestSymlinkedImage(t *testing.T) {
	link := func(x *changing, release string) {
		if err := os.Symlink(x.path(release), x.path("link")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(x.path("link"), x.path("shop.so")); err != nil {
			t.Fatal(err)
		}
	}
	x := newEdge(t, func(x *changing, _ *config.Config) {
		x.put("one", version(t, 1))
		x.put("two", version(t, 2))
		link(x, "one")
	})
	x.answers(1)
	link(x, "two")
	x.last(1, outcome(swap.Committed))
	x.answers(2)
	x.has("shop.backup", version(t, 1))
	x.put("shop.update", version(t, 3))
	x.last(2, outcome(swap.Committed))
	x.answers(3)
	x.has("shop.so", version(t, 3))
	x.has("one", version(t, 1))
	x.has("two", version(t, 2))
}

// TestAsleep: a pool without workers is replaced, too.
func TestAsleep(t *testing.T) {
	for _, mode := range []config.UpdateMode{config.UpdateOverlap, config.UpdateHold} {
		x := newEdge(t, func(_ *changing, c *config.Config) {
			p := defaultPool(c)
			p.OnDemand, p.Update.Mode = true, mode
		})
		if r, _ := x.deploy(version(t, 2), true); r.Outcome != swap.Committed {
			t.Errorf("%+v", r)
		}
		x.answers(2)
	}
}

// TestDrainInEveryPhase: the end of the server finds a swap anywhere, loses no request, and leaves whole files.
func TestDrainInEveryPhase(t *testing.T) {
	verify := func(p *config.Pool) {
		p.Update.Verify = &config.Verify{Path: "/?wait", Status: 200, Timeout: time.Minute}
	}
	hold := func(p *config.Pool) { p.Update.Mode = config.UpdateHold }
	for name, c := range map[string]struct {
		change  func(p *config.Pool)
		bytes   []byte
		request string // that runs meanwhile
		at      string // step that the status shows; "": none any more
		want    int    // version that is on the disk afterwards
	}{
		"load":       {func(*config.Pool) {}, version(t, 2, "-DHANG"), "", "loading", 1},
		"probe":      {verify, version(t, 2), "", "is loaded", 1},
		"canary":     {func(p *config.Pool) { p.Update.Canary, p.Update.CanaryTime = 50, time.Hour }, version(t, 2), "", "of the requests", 1},
		"window":     {func(p *config.Pool) { p.Update.Window = time.Hour }, version(t, 2), "", "", 2},
		"hold":       {hold, version(t, 2), "wait", "loading", 1},
		"hold, load": {hold, version(t, 2, "-DHANG"), "", "loading", 1},
	} {
		for _, mode := range []config.PoolMode{config.ModeIsolated, config.ModeInProcess} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				x := newEdge(t, func(x *changing, cfg *config.Config) {
					x.put("go", nil)
					defaultPool(cfg).Mode = mode
					c.change(defaultPool(cfg))
				})
				var asked sync.WaitGroup
				if c.request != "" {
					asked.Go(func() {
						if status, body := x.ask(c.request); status != 200 || strings.TrimSpace(body) != fmt.Sprint(c.want) {
							t.Errorf("%d %q", status, body)
						}
					})
					x.until("a request runs", func() bool { return x.Stats().Running == 1 })
				}
				x.put("shop.update", c.bytes)
				if c.at == "" {
					x.last(1, committed)
				} else {
					x.until(c.at, func() bool { return strings.Contains(x.images.States()[0].Doing, c.at) })
				}
				asked.Go(func() { // what hangs ends, as soon as it is too late
					<-x.ending.Done()
					x.put("go", []byte("1"))
				})
				x.end()
				asked.Wait()
				x.has("shop.so", version(t, c.want))
				list, err := filepath.Glob(x.path("*.tmp"))
				if err != nil || len(list) > 0 {
					t.Errorf("%v, left: %q", err, list)
				}
				if c.want == 1 {
					x.has("shop.update", c.bytes)
				}
			})
		}
	}
}

// TestNothingIsLeft: swaps, however they end, leave no descriptor open.
func TestNothingIsLeft(t *testing.T) {
	copies := func() (n int) {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		for _, e := range list {
			if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasSuffix(to, "(deleted)") {
				n++
			}
		}
		return n
	}
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newEdge(t, func(_ *changing, c *config.Config) { defaultPool(c).Mode = mode })
		before := copies()
		for range 3 {
			for _, b := range [][]byte{version(t, 2), version(t, 3, "-DREFUSE"), []byte("text"), version(t, 1)} {
				x.deploy(b, true)
			}
		}
		x.until("one copy is open", func() bool { return copies() == before })
		x.end()
		if after := copies(); after >= before {
			t.Errorf("after the end %d copies are open, before: %d", after, before)
		}
	})
}

// TestReloadInSwap: a configuration that changes while a version is on its way takes it along.
func TestReloadInSwap(t *testing.T) {
	for name, change := range map[string]func(p *config.Pool, c *config.Config){
		"more workers": func(p *config.Pool, _ *config.Config) { p.Workers = 3 },
		"other sandbox": func(p *config.Pool, _ *config.Config) {
			p.Environment = map[string]string{"A": "b"}
			p.Sandbox = &config.Sandbox{}
		},
		"in-process": func(p *config.Pool, _ *config.Config) { p.Mode = config.ModeInProcess },
		"hold":       func(p *config.Pool, _ *config.Config) { p.Update.Mode = config.UpdateHold },
		"another pool": func(p *config.Pool, c *config.Config) {
			c.Pools["other"] = p
			delete(c.Pools, config.DefaultPoolName)
			c.Sites = slices.Clone(c.Sites)
			c.Sites[0].Applications = slices.Clone(c.Sites[0].Applications)
			c.Sites[0].Applications[0].Pool = "other"
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newEdge(t, func(_ *changing, c *config.Config) {
				p := defaultPool(c)
				p.Update.Canary, p.Update.CanaryTime = 1, time.Second
			})
			stop := x.load(2)
			x.put("shop.update", version(t, 2))
			x.until("the canary", func() bool { return strings.Contains(x.images.States()[0].Doing, "of the requests") })
			x.reconfigure(func(c *config.Config) { change(defaultPool(c), c) })
			if r := x.last(1, outcome(swap.Committed)); r.Lost != 0 {
				t.Errorf("%+v", r)
			}
			x.answers(2)
			if failed, total := stop(); failed > 0 || total == 0 {
				t.Errorf("%d of %d requests failed", failed, total)
			}
			if name != "more workers" && name != "hold" {
				x.until("the old pool is gone", func() bool { return len(x.images.States()[0].Pools) == 1 })
			}
			x.deploy(version(t, 3), true)
			x.answers(3)
		})
	}
}

// TestImageLeavesAndComesBack: an image that nobody uses any more gives its swap up; who uses it again begins it anew.
func TestImageLeavesAndComesBack(t *testing.T) {
	x := newEdge(t, func(x *changing, c *config.Config) {
		p := defaultPool(c)
		p.Update.Canary, p.Update.CanaryTime = 1, time.Hour
		x.put("other.so", version(t, 7))
	})
	x.put("shop.update", version(t, 2))
	x.until("the canary", func() bool { return strings.Contains(x.images.States()[0].Doing, "of the requests") })
	use := func(image string) {
		x.reconfigure(func(c *config.Config) {
			c.Sites = slices.Clone(c.Sites)
			c.Sites[0].Applications = slices.Clone(c.Sites[0].Applications)
			c.Sites[0].Applications[0].Handlers = []config.Handler{{Path: "*", Extension: x.path(image)}}
			defaultPool(c).Update.CanaryTime = time.Millisecond
		})
	}
	use("other.so")
	x.until("it is gone", func() bool {
		return len(x.images.States()) == 1 && strings.HasSuffix(x.images.States()[0].Image, "other.so")
	})
	x.answers(7)
	x.has("shop.update", version(t, 2))
	x.put("shop.so", version(t, 4))
	use("shop.so")
	if r := x.last(1, outcome(swap.Committed)); r.From.Description != "version 4" || r.To.Description != "version 2" {
		t.Errorf("%+v", r)
	}
	x.answers(2)
}

// TestEverythingAtOnce: two images in the workers of two applications each, all replaced at the same time again and again.
func TestEverythingAtOnce(t *testing.T) {
	for _, window := range []time.Duration{0, time.Hour} {
		t.Run(window.String(), func(t *testing.T) {
			urls := []string{"one/a/", "one/b/", "two/a/", "two/b/"}
			x := newEdge(t, func(x *changing, c *config.Config) {
				x.put("other.so", version(t, 1))
				c.Sites[0].Applications[0].Handlers = nil
				for _, path := range []string{"/one", "/two"} {
					c.Sites[0].Applications = append(c.Sites[0].Applications, config.Application{Path: path, Pool: config.DefaultPoolName, Handlers: []config.Handler{
						{Path: "/a/*", Extension: x.path("shop.so")}, {Path: "/b/*", Extension: x.path("other.so")}}})
				}
				defaultPool(c).Update.Window = window
			})
			var over atomic.Bool
			var clients sync.WaitGroup
			for _, url := range urls {
				clients.Go(func() {
					last := "1"
					for !over.Load() {
						got := x.body(url)
						if len(got) != 1 || got < last {
							t.Errorf("%s: %s after %s", url, got, last)
							return
						}
						last = got
					}
				})
			}
			for n := 2; n <= 5; n++ {
				x.put("shop.update", version(t, n))
				x.put("other.update", version(t, n))
				x.until("all have the version", func() bool {
					return !slices.ContainsFunc(urls, func(url string) bool { return x.body(url) != fmt.Sprint(n) })
				})
			}
			over.Store(true)
			clients.Wait()
		})
	}
}

// TestOtherUser: workers of another user, in a sandbox and with a limit, get versions from a file that only root may read.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	for _, mode := range []config.UpdateMode{config.UpdateOverlap, config.UpdateHold} {
		x := newEdge(t, func(x *changing, c *config.Config) {
			if err := os.Chmod(x.path("shop.so"), 0o640); err != nil {
				t.Fatal(err)
			}
			p := defaultPool(c)
			p.User, p.Directory, p.Sandbox, p.Update.Mode, p.Workers = "nobody", "/", &config.Sandbox{}, mode, 2
		})
		x.answers(1)
		x.put("shop.update", version(t, 2))
		x.last(1, outcome(swap.Committed))
		x.answers(2)
		if st, err := os.Stat(x.path("shop.so")); err != nil || st.Mode().Perm() != 0o640 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
		if err := x.control.Recycle(config.DefaultPoolName, "a test"); err != nil { // other workers load the same
			t.Fatal(err)
		}
		x.answers(2)
		r, err := x.control.Rollback(t.Context(), x.path("shop.so"), "", "me", true, nil)
		if err != nil || r.Outcome != swap.Committed {
			t.Errorf("%+v, %v", r, err)
		}
		x.answers(1)
	}
}
