//go:build linux

package wine

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
	wines "github.com/isapid/isapid/internal/wine"
)

// TestServer tries one server with all of this, in this order.
func TestServer(t *testing.T) {
	s := start(t, func(c *config.Config, _ string) { c.Pools[config.DefaultPoolName].Crashes.Max = 0 })
	for _, part := range []struct {
		name string
		test func(t *testing.T, s *server)
	}{
		{"SideBySide", sideBySide},
		{"32", narrow},
		{"Paths", paths},
		{"Refused", refused},
		{"Snoop", snoop},
		{"ThreeKinds", threeKinds},
		{"Crash", crash},
		{"SwapUnderLoad", swapUnderLoad},
		{"Killed", killed},
		{"KindChanges", kindChanges},
	} {
		t.Run(part.name, func(t *testing.T) {
			one := *s
			one.t = t
			part.test(t, &one)
		})
	}
}

// sideBySide: one application has images of Linux and of Windows, with one pool in the configuration.
func sideBySide(t *testing.T, s *server) {
	for path, bits := range map[string]string{"/site.so?pid": "one 64 ", "/site.dll?pid": "one 64 "} {
		if status, body := s.get(path); status != 200 || !strings.HasPrefix(body, bits) {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	windows := s.until("default:win64", "a worker and a spare", settled)
	linux := s.pool("default")
	if linux == nil || linux.Platform != "linux/amd64" || linux.Wine != "" || len(linux.Workers) != 1 {
		t.Errorf("%+v", linux)
	}
	if windows.Platform != "windows/amd64" || !strings.HasPrefix(windows.Wine, "wine-") || windows.Prefix == "" || windows.Of != "default" || windows.Group != "default" {
		t.Errorf("%+v", windows)
	}
	before := serving(windows)
	check(t, s.control.Recycle("default", "a test"))
	s.until("default", "its second generation", func(p *admin.Pool) bool { return p.Generation == 2 && serving(p) != 0 })
	after := s.until("default:win64", "its second generation", func(p *admin.Pool) bool { return p.Generation == 2 && settled(p) })
	if serving(after) != spare(windows) || serving(after) == before {
		t.Errorf("worker %d became %d, with %d as the spare", before, serving(after), spare(windows))
	}
	check(t, s.control.StopPool("default:win64"))
	s.want("/site.dll?pid", 503, "*")
	s.want("/site.so?translated", 200, s.root)
	check(t, s.control.StartPool("default"))
	s.until("default:win64", "a worker", settled)
	s.want("/site.dll?map=/", 200, "*")
}

// narrow: a 32-bit DLL, where Wine can run it, is served beside the others; else the answer says what is missing.
func narrow(t *testing.T, s *server) {
	w, err := wines.Find()
	if err != nil {
		t.Skip(err)
	}
	dll := testext.SourceDLL(t, "386", source("one"))
	if w.Supports("386") == nil {
		t.Log("32-bit DLLs are run")
		under(t, "386")
	}
	s.put("site32.dll", dll)
	status, body := s.get("/site32.dll?pid")
	switch {
	case w.Supports("386") == nil:
		if status != 200 || !strings.HasPrefix(body, "one 32 ") {
			t.Errorf("%d %q", status, body)
		}
	case status != 500 || !s.log.has("a 32-bit DLL needs a 32-bit Wine"):
		t.Errorf("%d %q", status, body)
	}
	s.want("/site.dll?map=/", 200, "*")
}

// paths: a DLL gets paths of Windows, and what it opens by them is what lies in the site.
func paths(t *testing.T, s *server) {
	root := "Z:" + strings.ReplaceAll(s.root, "/", `\`)
	s.want("/site.dll/page.txt?translated", 200, root+`\page.txt`)
	s.want("/site.dll/a/b/?translated", 200, root+`\a\b\`)
	s.want("/site.dll?map=/page.txt", 200, root+`\page.txt`)
	s.want("/site.dll?map=/", 200, root+`\`)
	s.want("/site.dll/page.txt?send", 200, "a page\n")
	s.want("/site.so/page.txt?translated", 200, s.root+"/page.txt")
}

// replaced waits for the receipt of a swap that is not the last one.
func (s *server) replaced(image string, drop func()) swap.Receipt {
	s.t.Helper()
	last := func() (r swap.Receipt) {
		for _, i := range s.control.Status().Images {
			if filepath.Base(i.Image) == image && i.Last != nil {
				r = *i.Last
			}
		}
		return r
	}
	before := last()
	drop()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if r := last(); r.ID != before.ID && r.Outcome != swap.Running {
			return r
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s is never replaced: %+v", image, last())
		}
	}
}

// swapUnderLoad: a DLL is replaced by dropping a file, and no request is lost; a bad one changes nothing.
func swapUnderLoad(t *testing.T, s *server) {
	s.want("/site.dll?map=/", 200, "*")
	l := s.load("/site.dll?hold=20")
	l.more(20)
	for _, version := range []string{"two", "three"} {
		r := s.replaced("site.dll", func() { s.put("site.dll.update", testext.SourceDLL(t, "amd64", source(version))) })
		if r.Outcome != swap.Committed || r.Lost != 0 || r.To.Description != "site "+version {
			t.Errorf("%+v", r)
		}
		l.more(20)
	}
	r := s.replaced("site.dll", func() { s.put("site.dll.update", testext.SourceDLL(t, "amd64", "int answer(void) { return 42; }")) })
	if r.Outcome != swap.Rejected || r.Failed == "" {
		t.Errorf("%+v", r)
	}
	l.more(10)
	l.end()
	for _, version := range []string{"one", "two", "three"} {
		if l.seen[version] == 0 {
			t.Errorf("version %s has answered nothing: %v", version, l.seen)
		}
	}
}

// kindChanges: the library that takes the place of a DLL is one of Linux, and then it is one of Windows again.
func kindChanges(t *testing.T, s *server) {
	s.want("/site.dll?map=/", 200, "*")
	l := s.load("/site.dll?hold=10")
	l.more(20)
	for _, c := range []struct{ version, file, path string }{
		{"two", testext.Source(t, source("two")), s.root + "/"},
		{"three", testext.SourceDLL(t, "amd64", source("three")), "Z:" + strings.ReplaceAll(s.root, "/", `\`) + `\`},
	} {
		r := s.replaced("site.dll", func() { s.put("site.dll.update", c.file) })
		if r.Outcome != swap.Committed || r.Lost != 0 {
			t.Errorf("%+v", r)
		}
		s.want("/site.dll?map=/", 200, c.path)
		l.more(20)
		s.until(map[string]string{"two": "default:win64", "three": "default"}[c.version], "no image any more", func(p *admin.Pool) bool {
			return !slices.ContainsFunc(p.Images, func(i pool.ImageStatus) bool { return filepath.Base(i.Path) == "site.dll" })
		})
	}
	l.end()
}

// killed: the worker is killed under load, then the server of Wine. No request that may run twice is lost.
func killed(t *testing.T, s *server) {
	s.want("/site.dll?map=/", 200, "*")
	l := s.load("/site.dll?hold=5")
	for range 3 {
		l.more(10)
		p := s.until("default:win64", "a worker and a spare", settled)
		check(t, syscall.Kill(serving(p), syscall.SIGKILL))
		s.until("default:win64", "another worker", func(now *admin.Pool) bool { return serving(now) == spare(p) })
	}
	l.more(10)
	p := s.until("default:win64", "a worker and a spare", settled)
	check(t, syscall.Kill(wineserver(t, p.Prefix), syscall.SIGKILL))
	s.until("default:win64", "other processes", func(now *admin.Pool) bool {
		return settled(now) && serving(now) != serving(p) && spare(now) != spare(p)
	})
	l.more(20)
	l.end()
	if !s.log.has("wineserver is lost") {
		t.Error("the log does not tell of the server")
	}
}

// wineserver is the process that serves a prefix.
func wineserver(t *testing.T, prefix string) int {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/environ")
	check(t, err)
	for _, file := range list {
		environ, err := os.ReadFile(file)
		comm, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "comm"))
		if err != nil || !strings.HasPrefix(string(comm), "wineserver") || !strings.Contains(string(environ), "WINEPREFIX="+prefix+"\x00") {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(file, "/proc/%d/", &pid); err == nil {
			return pid
		}
	}
	t.Fatal("no wineserver runs")
	return 0
}

// crash: a fault in a DLL costs one request, and what is known of it names the DLL and the place in it.
func crash(t *testing.T, s *server) {
	s.want("/site.dll?map=/", 200, "*")
	s.want("/site.dll?segv", 500, "*")
	s.want("/site.dll?map=/", 200, "*")
	select {
	case r := <-s.deaths:
		text := fmt.Sprintf("%+v %+v", r, r.Crash)
		if !strings.HasSuffix(r.Image, "site.dll") || r.Crash == nil || !regexp.MustCompile(`site\.dll\+0x[0-9a-f]+`).MatchString(text) || r.Pool != "default:win64" {
			t.Errorf("the obituary does not name the place: %s", text)
		}
	case <-time.After(20 * time.Second):
		t.Error("nobody tells of the fault")
	}
	s.until("default:win64", "a worker and a spare", settled)
}

// TestFilter: requests for a DLL, for a library of Linux and for a file go through a filter for Windows.
func TestFilter(t *testing.T) {
	s := start(t, func(c *config.Config, _ string) {
		c.Sites[0].Filters = []string{testext.DLL(t, "amd64", "filter_rewriter")}
	})
	s.want("/page.txt", 200, "a page\n")
	s.want("/old/page.txt", 200, "a page\n")
	s.want("/away/x", 302, "*")
	for range 3 {
		s.want("/old/site.dll/page.txt?translated", 200, "Z:"+strings.ReplaceAll(s.root, "/", `\`)+`\page.txt`)
		s.want("/old/site.so/page.txt?translated", 200, s.root+"/page.txt")
	}
	s.want("/old/site.dll?segv", 500, "*")
	s.want("/old/site.dll?map=/", 200, "*")
}

// TestTwoKindsOfFilters: they cannot be in front of one application.
func TestTwoKindsOfFilters(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	setUp(t, cfg)
	site := config.DefaultSite("site", dir)
	site.Bindings = []config.Binding{{Address: "127.0.0.1"}}
	site.Filters = []string{testext.DLL(t, "amd64", "filter_rewriter"), testext.Fixture(t, "filter_rewriter")}
	cfg.Sites = []config.Site{site}
	f, err := front.New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	check(t, err)
	if err = f.Start(); err == nil || !strings.Contains(err.Error(), "use filters of one kind in an application") {
		t.Errorf("start: %v", err)
	}
}

// refused: what no worker can run is refused with a reason, and the rest is served.
func refused(t *testing.T, s *server) {
	check(t, os.WriteFile(filepath.Join(s.root, "text.dll"), []byte("MZ is how it begins"), 0o600))
	s.want("/text.dll", 500, "*")
	s.put("worker.dll", testext.Worker(t, "amd64"))
	s.want("/worker.dll", 500, "*")
	s.want("/site.so?map=/", 200, s.root+"/")
	if !s.log.has("an executable program, not a shared library") {
		t.Error("the log does not say what is wrong")
	}
}
