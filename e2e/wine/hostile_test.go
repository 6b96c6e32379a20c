//go:build linux

package wine

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testwait"
)

// apart has a server use a prefix of its own.
func apart(t *testing.T, c *config.Config) {
	c.Wine.Prefix = filepath.Join(t.TempDir(), "prefix")
	testext.OwnPrefix(t, "amd64", c.Wine.Prefix)
}

// hurried is a pool whose workers have little time for all.
func hurried(p *config.Pool) {
	p.Crashes.Max = 0
	p.RequestTimeout = 5 * time.Second
	p.Health = config.Health{Ping: 200 * time.Millisecond, Timeout: 2 * time.Second}
	p.ShutdownLimit = 2 * time.Second
	p.StartupLimit = 5 * time.Second
}

// TestVandals: a library that does to its process what it likes loses its own request, and no other one that may run again. Whatever it does, the
// front and the next worker serve.
func TestVandals(t *testing.T) {
	s := start(t, func(c *config.Config, _ string) {
		apart(t, c)
		hurried(c.Pools[config.DefaultPoolName])
	})
	s.put("vandal.dll", testext.DLL(t, "amd64", "vandal"))
	calls := []string{"garbage", "close", "suspend", "exit", "free", "frame"}
	loads := map[string]string{"loops": "for(;;)Sleep(1000)"}
	if os.Getenv("ISAPID_SOAK") != "" {
		calls = append(calls, "terminate", "frame=1000000", "park")
		loads["exits"] = "ExitProcess(3)"
		loads["waits"] = "WaitForSingleObject(CreateThread(0,0,(LPTHREAD_START_ROUTINE)(void*)Sleep,0,0,0),INFINITE)" // for a thread that waits for DllMain
	}
	for _, what := range calls {
		t.Run(what, func(t *testing.T) {
			one := *s
			one.t = t
			began := time.Now()
			status, body := one.get("/vandal.dll?" + what)
			t.Logf("%d %.40q after %v", status, body, time.Since(began).Round(time.Millisecond))
			if status != 200 && status < 500 || status == 200 && body != "done" {
				t.Errorf("%d %q", status, body)
			}
			one.want("/site.dll?map=/", 200, "*")
			one.want("/site.so?map=/", 200, "*")
		})
	}
	for name, does := range loads {
		t.Run("DllMain "+name, func(t *testing.T) {
			one := *s
			one.t = t
			began := time.Now()
			one.put(name+".dll", testext.DLL(t, "amd64", "vandal", "-DATTACH="+does))
			status, _ := one.get("/" + name + ".dll")
			t.Logf("%d after %v", status, time.Since(began).Round(time.Millisecond))
			if status < 500 {
				t.Errorf("%d", status)
			}
			one.want("/site.dll?map=/", 200, "*")
		})
	}
	check(t, s.control.Recycle("default", "a DllMain has not returned in the worker that there is"))
	s.until("default:win64", "another worker", func(p *admin.Pool) bool { return p.Generation > 1 && settled(p) })
}

// TestServerOfWineStops: while the server of Wine does not answer, the front serves what needs no Windows, and when it goes on, so do the
// workers.
func TestServerOfWineStops(t *testing.T) {
	s := start(t, func(c *config.Config, _ string) { apart(t, c) })
	s.want("/site.dll?map=/", 200, "*")
	pool := s.until("default:win64", "a worker and a spare", settled)
	servers := testext.Programs(t, pool.Prefix, "wineserver")
	signal := func(sig syscall.Signal) {
		for _, pid := range servers {
			check(t, syscall.Kill(pid, sig))
		}
	}
	signal(syscall.SIGSTOP)
	defer signal(syscall.SIGCONT)
	var wait sync.WaitGroup
	var answered atomic.Int64
	for range 20 {
		wait.Go(func() {
			if status, _ := s.get("/site.dll?hold=5"); status == http.StatusOK {
				answered.Add(1)
			}
		})
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		s.want("/site.so?map=/", 200, "*")
		s.want("/page.txt", 200, "*")
	}
	signal(syscall.SIGCONT)
	wait.Wait()
	if answered.Load() != 20 {
		t.Errorf("%d of 20 requests were answered", answered.Load())
	}
	s.until("default:win64", "a worker and a spare", settled)
}

// TestHangUps: 200 clients at a time, half of whom do not wait for the answer.
func TestHangUps(t *testing.T) {
	s := start(t, func(c *config.Config, _ string) { apart(t, c) })
	s.want("/site.dll?map=/", 200, "*")
	before := s.until("default:win64", "a worker and a spare", settled)
	var wait sync.WaitGroup
	var bad atomic.Int64
	for n := range 200 {
		wait.Go(func() {
			if n%2 == 0 {
				if status, _ := s.get("/site.dll?hold=20"); status != http.StatusOK {
					bad.Add(1)
				}
				return
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Duration(n)*time.Millisecond)
			defer stop()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.url, "/")+"/site.dll?hold=200", http.NoBody)
			check(t, err)
			if res, err := client.Do(r); err == nil {
				res.Body.Close()
			}
		})
	}
	wait.Wait()
	if bad.Load() > 0 {
		t.Errorf("%d requests were not answered", bad.Load())
	}
	if after := s.until("default:win64", "a worker and a spare", settled); serving(after) != serving(before) {
		t.Errorf("the worker is another one: %d, was %d", serving(after), serving(before))
	}
}

// TestPrefixIsRemoved: a server whose prefix somebody removes serves on, and says what is wrong when it needs a new worker.
func TestPrefixIsRemoved(t *testing.T) {
	var prefix string
	s := start(t, func(c *config.Config, _ string) {
		apart(t, c)
		hurried(c.Pools[config.DefaultPoolName])
		prefix = c.Wine.Prefix
	})
	s.want("/site.dll?map=/", 200, "*")
	pool := s.until("default:win64", "a worker and a spare", settled)
	check(t, os.RemoveAll(prefix))
	s.want("/site.dll?map=/", 200, "*")
	for _, w := range pool.Workers {
		check(t, syscall.Kill(w.Pid, syscall.SIGKILL))
	}
	testwait.Until(t, "a line of the log", func() bool {
		return s.log.has("somebody has removed the Wine prefix")
	})
	s.want("/site.so?map=/", 200, "*")
	s.want("/page.txt", 200, "*")
}

// TestFrontIsKilled: of a server that is killed nothing is left, nor of the Wine that it started.
func TestFrontIsKilled(t *testing.T) {
	dir := t.TempDir()
	prefix, workers := filepath.Join(dir, "prefix"), t.TempDir()
	testext.OwnPrefix(t, "amd64", prefix)
	check(t, os.Symlink(testext.Worker(t, "amd64"), filepath.Join(workers, "isapid-worker-amd64.exe")))
	addr := served.Free(t)
	cmd := exec.Command(testext.Program(t, ""), "run", testext.DLL(t, "amd64", "vandal"), "--addr", addr)
	cmd.Env = append(os.Environ(), "ISAPID_WINEPREFIX="+prefix, "ISAPID_WORKERS="+workers)
	check(t, cmd.Start())
	kill := sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	defer kill()
	get := func(query string) bool {
		res, err := client.Get("http://" + addr + "/?" + query)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}
	testwait.Until(t, "an answer of the library", func() bool { return get("") })
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() { get("park") })
	}
	for range 3 {
		get("") // the others are inside by then, or on their way
	}
	if len(testext.Programs(t, prefix, "isapid-worker")) == 0 || len(testext.Programs(t, prefix, "services")) == 0 {
		t.Error("Wine does not run in that prefix")
	}
	kill()
	wait.Wait()
	testwait.Until(t, "the end of all that ran", func() bool { return len(testext.Programs(t, prefix, "")) == 0 })
}
