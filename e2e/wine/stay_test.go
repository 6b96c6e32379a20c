//go:build linux

package wine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
)

// TestKindStays: where a version of another kind cannot take the place of the one that serves it is rejected, with what to do, and the old one
// serves on.
func TestKindStays(t *testing.T) {
	s := start(t, func(c *config.Config, root string) {
		data, err := os.ReadFile(testext.DLL(t, "amd64", "filter_rewriter"))
		check(t, err)
		filter := filepath.Join(root, "rewrite.dll")
		check(t, os.WriteFile(filter, data, 0o700))
		p := config.DefaultPool()
		p.Update.Window, p.Update.Mode, p.Spare = 0, config.UpdateHold, 0
		c.Pools["held"] = p
		app := c.Sites[0].Applications[0]
		app.Path, app.Pool = "/held", "held"
		check(t, os.Mkdir(filepath.Join(root, "held"), 0o700))
		c.Sites[0].Applications = append(c.Sites[0].Applications, app)
		c.Sites[0].Applications[0].Filters = []string{filter}
	})
	s.put("held/held.dll", testext.SourceDLL(t, "amd64", source("one")))
	s.want("/held/held.dll?map=/page.txt", 200, "*")
	s.want("/old/page.txt", 200, "a page\n")
	for image, c := range map[string]struct{ file, why, to string }{
		"held.dll":    {testext.Source(t, source("two")), `write "mode: overlap" for this change`, "held/held.dll"},
		"rewrite.dll": {testext.Fixture(t, "filter_rewriter"), "all filters of an application run in the same workers", "rewrite.dll"},
	} {
		r := s.replaced(image, func() { s.put(c.to+".update", c.file) })
		if r.Outcome != swap.Rejected || !strings.Contains(r.Reason, "is for windows/amd64, this one for linux/amd64") || !strings.Contains(r.Reason, c.why) || r.Failed == "" || r.Lost != 0 {
			t.Errorf("%+v", r)
		}
	}
	s.want("/held/held.dll?map=/page.txt", 200, "*")
	s.want("/old/page.txt", 200, "a page\n")
}
