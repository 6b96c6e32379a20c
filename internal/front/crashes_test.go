package front

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/testext"
)

// scrape is what Prometheus gets.
func scrape(t *testing.T, c *Control) string {
	t.Helper()
	w := httptest.NewRecorder()
	c.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func grep(text, word string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// Each fault, and each death, is kept with the request that had it.
func TestCrashes(t *testing.T) {
	for _, c := range []struct {
		name string
		mode config.PoolMode
		kill bool
	}{{"in-process", config.ModeInProcess, false}, {"isolated", config.ModeIsolated, false}, {"killed", config.ModeIsolated, true}} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "crashes")
			x, control := insight(t, c.mode, func(cfg *config.Config) {
				cfg.Crashes = config.CrashFiles{Directory: dir, Keep: 5}
				if !c.kill {
					cfg.Sites[0].Applications[0].Handlers[0].Extension = testext.Source(t, where)
				}
			})
			if list, err := control.Crashes(); err != nil || len(list) != 0 {
				t.Errorf("before: %+v, %v", list, err)
			}
			if c.kill {
				x.send("GET /hang/a?wait HTTP/1.1\n")
				var q admin.InFlight
				x.until("inside", func() bool {
					list := control.InFlight(false)
					if len(list) == 1 {
						q = list[0]
					}
					return len(q.Inside) == 1
				})
				worker, err := os.FindProcess(q.Pid)
				must(t, err)
				must(t, worker.Kill())
			} else if status, _ := get(t, x.URLs()[0]+"hang/b?crash"); status != 500 {
				t.Errorf("status %d, want 500", status)
			}
			var list []admin.Crash
			x.until("kept", func() (ok bool) { list, _ = control.Crashes(); return len(list) > 0 })
			text, err := control.Crash(list[0].ID)
			must(t, err)
			var r obituary.Report
			must(t, json.Unmarshal(text, &r))
			if r.Pool != config.DefaultPoolName || r.Generation != 1 || (r.Worker == "") != (c.mode == config.ModeInProcess) || list[0].Text == "" || list[0].Image == "" {
				t.Errorf("list %+v, report %s", list[0], text)
			}
			switch {
			case r.Hand == nil:
				t.Errorf("no request in hand: %s", text)
			case !strings.HasPrefix(r.Hand.URL, "/hang/") || r.Hand.ID == "" || r.Hand.Method != "GET":
				t.Errorf("request %+v", r.Hand)
			}
			if !c.kill && (r.Crash == nil || r.Crash.Signal != "SIGSEGV" || len(r.Crash.Stack) == 0) || c.kill && !strings.Contains(r.How, "SIGKILL") {
				t.Errorf("how %q, fault %+v", r.How, r.Crash)
			}
			if len(r.Threads) == 0 {
				t.Errorf("no calls: %s", text)
			}
			if _, err := control.Crash("2020-01-01T00-00-00-none"); !errors.Is(err, admin.ErrNoCrash) {
				t.Errorf("one that there is not: %v", err)
			}
		})
	}
}

// What is kept, and where, can be changed while the server runs.
func TestCrashesReload(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	at := func(dir string) func(*config.Config) {
		return func(c *config.Config) {
			c.Crashes = config.CrashFiles{Directory: dir, Keep: 5}
			defaultPool(c).Mode = config.ModeInProcess
		}
	}
	x := newTrial(t, at(a))
	control := NewControl(x.Front, "test", nil)
	crashes := func() int { list, _ := control.Crashes(); return len(list) }
	get(t, x.URLs()[0]+"where/?crash")
	x.until("kept", func() bool { return crashes() == 1 })
	x.changes(x.reload(at(b)), "crashes: changed: directory")
	if n := crashes(); n != 0 {
		t.Errorf("%d in another folder", n)
	}
	get(t, x.URLs()[0]+"where/?crash")
	x.until("kept", func() bool { return crashes() == 1 })
	x.reload(func(c *config.Config) { at(b)(c); c.Crashes.Keep = 0 })
	get(t, x.URLs()[0]+"where/?crash")
	if n := crashes(); n != 0 {
		t.Errorf("%d when none are to be kept", n)
	}
}
