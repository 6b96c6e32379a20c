//go:build linux

package remote_test

import (
	"testing"

	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
)

// wine is the program of a worker for DLLs.
func wine(t *testing.T, arch string) *remote.Program {
	t.Helper()
	command, env := testext.WineWorker(t, arch)
	return &remote.Program{Command: command, Env: env, Plain: true, Windows: true}
}

// TestWineConformance runs the suite with DLLs in workers under Wine.
func TestWineConformance(t *testing.T) {
	for _, arch := range []string{"amd64", "386"} {
		t.Run(arch, func(t *testing.T) {
			program := wine(t, arch)
			executortest.Images{DLL: arch, Plain: true}.Run(t, openBy(t, program))
		})
	}
}
