//go:build linux

package wine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
	wines "github.com/isapid/isapid/internal/wine"
)

// threeKinds: a library of Linux, a 64-bit and a 32-bit DLL are in one application: one status, one snoop and one log have them all, and the 32-bit DLL can
// crash and be replaced like the others.
func threeKinds(t *testing.T, s *server) {
	if w, err := wines.Find(); err != nil {
		t.Skip(err)
	} else if err := w.Supports("386"); err != nil {
		t.Skip(err)
	}
	kinds := []struct{ image, pool, platform, bits string }{
		{"site.so", "default", "linux/amd64", "64"},
		{"site.dll", "default:win64", "windows/amd64", "64"},
		{"site32.dll", "default:win32", "windows/386", "32"}, // where narrow has put it
	}
	for _, k := range kinds {
		if status, body := s.get("/" + k.image + "?pid"); status != 200 || !strings.HasPrefix(body, "one "+k.bits+" ") {
			t.Errorf("%s: %d %q", k.image, status, body)
		}
		p := s.pool(k.pool)
		if p == nil || p.Platform != k.platform || p.Group != "default" || (p.Wine != "") != strings.HasPrefix(k.platform, "windows") {
			t.Errorf("%s: %+v", k.image, p)
		}
		if !s.log.has("pool="+k.pool+" ") || !s.log.has("image="+k.image+" ") {
			t.Errorf("the log does not tell of %s in pool %s", k.image, k.pool)
		}
	}
	s.want("/site32.dll/page.txt?translated", 200, "Z:"+strings.ReplaceAll(s.root, "/", `\`)+`\page.txt`)
	s.want("/site32.dll/page.txt?send", 200, "a page\n")

	calls, end := s.listen(trace.Filter{})
	missing := map[string]bool{}
	for _, k := range kinds {
		s.want("/"+k.image+"?map=/", 200, "*")
		missing[k.image] = true
	}
	for c := range calls {
		if strings.Contains(c.name, "MAP_URL_TO_PATH") {
			delete(missing, c.image)
		}
		if len(missing) == 0 {
			break
		}
	}
	end()
	if len(missing) > 0 {
		t.Errorf("calls were not seen of %v", missing)
	}

	s.want("/site32.dll?segv", 500, "*")
	select {
	case r := <-s.deaths:
		if text := fmt.Sprintf("%+v", r.Crash); r.Pool != "default:win32" || !strings.HasSuffix(r.Image, "site32.dll") || !strings.Contains(text, "site32.dll+0x") {
			t.Errorf("the obituary does not name the place: %+v %s", r, text)
		}
	case <-time.After(20 * time.Second):
		t.Error("nobody tells of the fault")
	}
	s.until("default:win32", "a worker and a spare", settled)

	l := s.load("/site32.dll?hold=5")
	l.more(10)
	r := s.replaced("site32.dll", func() { s.put("site32.dll.update", testext.SourceDLL(t, "386", source("two"))) })
	if r.Outcome != swap.Committed || r.Lost != 0 || r.To.Description != "site two" {
		t.Errorf("%+v", r)
	}
	l.more(10)
	l.end()
	s.want("/site.dll?map=/", 200, "*")
	s.until("default:win32", "one generation", settled)
}
