package extension_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
)

// buildVersion is a version of the fixture, as an executor is told of it.
func buildVersion(t testing.TB, fixture string, n int, flags ...string) executor.Version {
	t.Helper()
	file := testext.Fixture(t, fixture, append(flags, fmt.Sprintf("-DVERSION=%d", n))...)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return executor.Version{File: file, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b))}
}

func quiet(v executor.Version) executor.Options {
	return executor.Options{Version: v, Logger: slog.New(slog.DiscardHandler)}
}

// openVersion opens an image that ends with the test.
func openVersion(t *testing.T, path string, v executor.Version) *extension.Extension {
	t.Helper()
	e, err := extension.Open(path, quiet(v))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

func answerOf(e *extension.Extension) string {
	w := httptest.NewRecorder()
	e.Execute(w, httptest.NewRequest("GET", "/", nil), &executor.Target{})
	return w.Body.String()
}

// TestVersion: what is loaded is the version that is told, whatever lies at the image's path.
func TestVersion(t *testing.T) {
	v, id := buildVersion(t, "version", 2, "-Wl,--build-id=0xc0ffee"), "c0ffee"
	if runtime.GOOS == "windows" {
		id = "" // DLLs have none that is looked for
	}
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.so")
	if err := os.WriteFile(garbage, []byte("half a copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{garbage, filepath.Join(dir, "missing.so")} {
		e := openVersion(t, path, v)
		got := e.Version()
		if answerOf(e) != "2" || e.Description() != "version 2" || got.SHA256 != v.SHA256 || got.Size != v.Size || got.BuildID != id {
			t.Errorf("%s: %q answers %q and runs %+v", path, e.Description(), answerOf(e), got)
		}
		if filepath.Base(got.File) != filepath.Base(path) {
			t.Errorf("%s: runs as %q", path, got.File)
		}
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if e.Stuck() {
			t.Error("it is said to be in memory still")
		}
	}
	wrong := v
	wrong.SHA256 = strings.Repeat("0", 64)
	for _, w := range []executor.Version{wrong, {SHA256: wrong.SHA256}} {
		_, err := extension.Open(garbage, quiet(w))
		if err == nil || !strings.Contains(err.Error(), "it is not the version that is wanted: its SHA-256 is ") || !strings.Contains(err.Error(), wrong.SHA256) {
			t.Errorf("other bytes: %v", err)
		}
	}
}

// TestVersionsBesideEachOther: two versions of one image in one process run each its own code, also when the loader could take one
// for the other by its name (DT_SONAME), or by symbols of which a process has one only.
func TestVersionsBesideEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.so")
	for _, c := range []struct {
		name, fixture string
		flags         []string
	}{
		{"plain", "version", nil},
		{"same SONAME", "version", []string{"-Wl,-soname,shop.so"}},
		{"C++ without unique symbols", "version_unique", []string{"-Wl,-soname,shop.so"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			one := openVersion(t, path, buildVersion(t, c.fixture, 1, c.flags...))
			two := openVersion(t, path, buildVersion(t, c.fixture, 2, c.flags...))
			for range 3 {
				if a, b := answerOf(one), answerOf(two); a != "1" || b != "2" {
					t.Errorf("they answer %q and %q, want 1 and 2", a, b)
				}
			}
			if err := one.Close(context.Background()); err != nil || one.Stuck() {
				t.Errorf("close the first: %v, stays in memory: %v", err, one.Stuck())
			}
			if got := answerOf(two); got != "2" {
				t.Errorf("without the first the second answers %q", got)
			}
		})
	}
}

// TestVersionWithUniqueSymbols: a second version would work with the data of the first, and is refused, also when the first is
// unloaded: it stays in memory. The same bytes, and other images, are loaded.
func TestVersionWithUniqueSymbols(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a DLL has no symbols that are unique in a process")
	}
	v1, v2 := buildVersion(t, "version_unique", 1, "-fgnu-unique"), buildVersion(t, "version_unique", 2, "-fgnu-unique")
	path := filepath.Join(t.TempDir(), "shop.so")
	one := openVersion(t, path, v1)
	refused := func() {
		t.Helper()
		_, err := extension.Open(path, quiet(v2))
		if err == nil || !strings.Contains(err.Error(), `its symbol "_ZN4shop7versionE" is unique in a process`) || !strings.Contains(err.Error(), "-fno-gnu-unique") {
			t.Errorf("the second version: %v", err)
		}
	}
	refused()
	if got := answerOf(one); got != "1" {
		t.Errorf("the first answers %q", got)
	}
	if err := one.Close(context.Background()); err != nil || !one.Stuck() {
		t.Errorf("close: %v; stays in memory: %v, want true", err, one.Stuck())
	}
	refused()
	if got := answerOf(openVersion(t, path, v1)); got != "1" {
		t.Errorf("the first, loaded again, answers %q", got)
	}
}

// BenchmarkOpen asks: how long is the first load of an image of 582 KB, until GetExtensionVersion has returned? Another image is loaded
// already, as in a swap.
func BenchmarkOpen(b *testing.B) {
	v := buildVersion(b, "version", 1, "-DBALLAST=580000")
	path := filepath.Join(b.TempDir(), "shop.so")
	other, err := extension.Open(v.File, quiet(executor.Version{}))
	if err != nil {
		b.Fatal(err)
	}
	defer other.Close(context.Background())
	for _, c := range []struct {
		name, path string
		v          executor.Version
	}{{"version", path, v}, {"path", v.File, executor.Version{}}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				e, err := extension.Open(c.path, quiet(c.v))
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				_ = e.Close(context.Background())
				b.StartTimer()
			}
		})
	}
}
