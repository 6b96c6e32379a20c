//go:build linux

package front

import (
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/update/updatetest"
)

// TestProtocol: the server does with files what everybody does who replaces images.
func TestProtocol(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		updatetest.Protocol(t, func(t *testing.T) *updatetest.Server {
			backups := func(u *config.Update) { u.Backups = 2 }
			x := newChanging(t, mode, backups)
			return &updatetest.Server{
				Folder: x.folder, Run: "shop.so", Loads: true,
				Answer: func() string {
					_, body := x.ask("")
					return strings.TrimSpace(body)
				},
				Again: func() {
					x.end()
					x.start(mode, backups)
				},
			}
		})
	})
}
