//go:build linux

package pool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/testext"
)

// TestWineMatrix runs each behaviour of the fault matrix of DLLs in workers under Wine, over HTTP.
func TestWineMatrix(t *testing.T) {
	program := wine(t, "amd64")
	for i := range executortest.MatrixOfDLLs {
		b := &executortest.MatrixOfDLLs[i]
		t.Run(b.Name, func(t *testing.T) {
			set := patient(b)
			set.Worker.Program = program
			switch b.When {
			case executortest.InRequest:
				requestOf(t, harm(t, set, b.DLL(t, "amd64")), b)
				return
			case executortest.AtUnload:
				unloadOf(t, set, b, b.DLL(t, "amd64"))
				return
			case executortest.AtLoad:
			}
			if strings.Contains(b.Isolated.Note, "startup_limit") {
				set.Startup = 5 * time.Second
			}
			v := harm(t, set, testext.DLL(t, "amd64", "hello"))
			v.fine()
			old, bad := v.must("pid"), b.DLL(t, "amd64")
			_, err := v.pool.Open(t.Context(), bad, executor.Version{})
			if err == nil || !strings.Contains(err.Error(), b.Isolated.Log) || !b.Isolated.Replaced && !strings.Contains(err.Error(), bad) {
				t.Fatalf("open: %v", err)
			}
			v.fine()
			v.until("settled", settled(1))
			v.replaced(b, old)
		})
	}
}
