package testext

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testext/build"
	"github.com/isapid/isapid/internal/wine"
)

// Wine is the installed Wine, and a prefix for programs of arch, amd64 or 386, that the tests of this binary share. While one of them
// runs (and its subtests) the prefix's server does too, so that programs start quickly.
//
// Without Wine for arch the test is skipped, but fails when the environment says CI, unless only the 32-bit one is missing.
func Wine(t testing.TB, arch string) (w *wine.Wine, prefix string) {
	t.Helper()
	w, err := installed()
	if err != nil {
		missing(t, err)
	}
	if err := w.Supports(arch); err != nil {
		t.Skip(err)
	}
	cache, err := build.Cache()
	check(t, err)
	template := filepath.Join(cache, "wine-"+arch)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	check(t, w.Prepare(ctx, template, []string{arch}, func(what string) { t.Log(what) }))
	held.mu.Lock()
	defer held.mu.Unlock()
	p := held.prefixes[arch]
	if p == nil {
		p = &heldPrefix{}
		p.home, err = os.MkdirTemp("", "isapid-wine-")
		check(t, err)
		p.dir = filepath.Join(p.home, "prefix")
		check(t, os.Mkdir(p.dir, 0o700))
		check(t, build.ClonePrefix(template, p.dir))
		p.held, err = w.Hold(context.WithoutCancel(t.Context()), p.dir, nil)
		check(t, err)
		held.prefixes[arch] = p
	}
	p.tests++
	t.Cleanup(func() {
		held.mu.Lock()
		defer held.mu.Unlock()
		if p.tests--; p.tests > 0 {
			return
		}
		delete(held.prefixes, arch)
		p.held.Release()
		if err := os.RemoveAll(p.home); err != nil {
			t.Error(err)
		}
	})
	return w, p.dir
}

var installed = sync.OnceValues(wine.Find)

// heldPrefix is a prefix of this test binary. It is there as long as tests use it.
type heldPrefix struct {
	home  string // with locks beside the prefix
	dir   string
	held  *wine.Held
	tests int
}

var held = struct {
	mu       sync.Mutex
	prefixes map[string]*heldPrefix // by architecture
}{prefixes: map[string]*heldPrefix{}}

// WineWorker is the command of a worker under Wine for images of windows/arch, and what its environment needs.
func WineWorker(t testing.TB, arch string) (command, env []string) {
	t.Helper()
	w, prefix := Wine(t, arch)
	command, env, err := w.Program(prefix, arch, Worker(t, arch))
	check(t, err)
	return command, env
}
