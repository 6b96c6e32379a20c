package filters

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/wine"
	"github.com/isapid/isapid/internal/winpath"
)

// underWine is the mode of isolated pools with DLLs, which run in workers under Wine: filters and extensions alike.
const underWine config.PoolMode = "wine"

// ending is that of libraries.
func ending(mode config.PoolMode) string {
	if mode == underWine {
		return ".dll"
	}
	return ".so"
}

// library compiles a fixture.
func library(t testing.TB, mode config.PoolMode, name string, flags ...string) string {
	t.Helper()
	if mode == underWine {
		return testext.DLL(t, "amd64", name, flags...)
	}
	return testext.Fixture(t, name, flags...)
}

// unixPaths turns the paths of Windows in what filters wrote into those of files below dir.
func unixPaths(text, dir string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, winpath.FromUnix(dir), dir), `\`, "/")
}

// prefix is a Wine prefix that all tests of this program share. Wine takes a second to start and to end, so that it runs until all of them have ended.
var prefix struct {
	once sync.Once
	home string // with the prefix, and a folder of workers
	held *wine.Held
}

// wineConfiguration has a server use that prefix. Without Wine the test is skipped, but fails when the environment says CI.
func wineConfiguration(t testing.TB) string {
	t.Helper()
	prefix.once.Do(func() {
		home, err := os.MkdirTemp("", "isapid-filters-")
		served.Check(t, err)
		prefix.home = home
		testext.OwnPrefix(t, "amd64", filepath.Join(home, "prefix"))
		served.Check(t, os.Mkdir(filepath.Join(home, "workers"), 0o700))
		served.Check(t, os.Symlink(testext.Worker(t, "amd64"), filepath.Join(home, "workers", "isapid-worker-amd64.exe")))
		w, err := wine.Find()
		served.Check(t, err)
		prefix.held, err = w.Hold(context.WithoutCancel(t.Context()), filepath.Join(home, "prefix"), nil)
		served.Check(t, err)
	})
	if prefix.held == nil {
		t.Skip("there is no Wine; the first test that needs it says why")
	}
	text, err := json.Marshal(map[string]string{"prefix": filepath.Join(prefix.home, "prefix"), "workers": filepath.Join(prefix.home, "workers")})
	served.Check(t, err)
	return "wine: " + string(text) + "\n"
}

// endWine ends what the tests have started, when they have ended.
func endWine() {
	if prefix.held != nil {
		prefix.held.Release()
	}
	if prefix.home != "" {
		if err := os.RemoveAll(prefix.home); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
