//go:build linux && cgo

package extension_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testlog"
)

// A thread that an extension leaves behind when it is unloaded crashes at its own expense.
func TestThreadLeftBehindIsNobodyElses(t *testing.T) {
	other, err := extension.Open(testext.Fixture(t, "hello"), executor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	var log testlog.Buffer
	b := executortest.Behaviour{Fixture: "havocload", As: "unload-thread"}
	e, err := extension.Open(b.Image(t), executor.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "had left this thread behind"); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 30 s in vain for the fault of the thread; other extensions have %d\n%s", other.Faults(), log.String())
		}
	}
	if n := other.Faults(); n != 0 {
		t.Errorf("another extension was blamed for %d faults", n)
	}
}
