//go:build linux

package pool_test

import (
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/replacetest"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
)

// wine is the program of a worker for DLLs.
func wine(t *testing.T, arch string) *remote.Program {
	t.Helper()
	command, env := testext.WineWorker(t, arch)
	return &remote.Program{Command: command, Env: env, Plain: true, Windows: true}
}

// TestWineReplaceConformance runs the suite of all that can be replaced with DLLs in workers under Wine.
func TestWineReplaceConformance(t *testing.T) {
	for _, arch := range []string{"amd64", "386"} {
		t.Run(arch, func(t *testing.T) {
			program := wine(t, arch)
			replacetest.RunDLL(t, arch, func(path string, o executor.Options) (executor.Replaceable, error) {
				set := pool.Settings{Name: "shop", Workers: 1, Executor: o, Log: o.Logger, Shutdown: 20 * time.Second}
				set.Worker.Program = program
				p := pool.New(set)
				e, err := p.Open(t.Context(), path, o.Version)
				return &pooled{e, p}, err
			})
		})
	}
}
