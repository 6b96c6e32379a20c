package remote_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
)

// TestStopWhileLoading: a worker that is asked to stop ends the image it loads just then as any other.
func TestStopWhileLoading(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go", "")
	write("life", "")
	v := executor.Version{File: testext.Fixture(t, "version", "-DVERSION=1", "-DHANG")}
	w, err := remote.Start(t.Context(), remote.Settings{Name: "test/1"})
	if err != nil {
		t.Fatal(err)
	}
	loaded := make(chan error, 1)
	go func() {
		_, err := w.Load(context.Background(), filepath.Join(dir, "shop.so"), executor.Options{Version: v})
		loaded <- err
	}()
	life := func() string {
		b, err := os.ReadFile(filepath.Join(dir, "life"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for end := time.Now().Add(30 * time.Second); life() == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not begin to load")
		}
	}
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop(context.Background()) }()
	write("go", "x")
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := <-loaded; err != nil {
		t.Errorf("load: %v", err)
	}
	if text := life(); !strings.Contains(text, "unloaded 1 ") {
		t.Errorf("its life: %q; want it unloaded", text)
	}
}
