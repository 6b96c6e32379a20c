package testext

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testext/build"
	"github.com/isapid/isapid/internal/wine"
)

// Wine is the installed Wine, and a prefix for programs of arch, amd64 or 386, that all tests of this user share. While the test runs
// (and its subtests) the prefix's server does too, so that programs start quickly.
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
	prefix = filepath.Join(cache, "wine-"+arch)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	check(t, w.Prepare(ctx, prefix, []string{arch}, func(what string) { t.Log(what) }))
	holdMu.Lock()
	defer holdMu.Unlock()
	if holders[prefix] == 0 {
		h, err := w.Hold(context.WithoutCancel(t.Context()), prefix, nil)
		check(t, err)
		held[prefix] = h
	}
	holders[prefix]++
	t.Cleanup(func() {
		holdMu.Lock()
		defer holdMu.Unlock()
		if holders[prefix]--; holders[prefix] == 0 {
			held[prefix].Release()
		}
	})
	return w, prefix
}

var installed = sync.OnceValues(wine.Find)

var (
	holdMu  sync.Mutex
	holders = map[string]int{} // tests that use a prefix
	held    = map[string]*wine.Held{}
)

// WineWorker is the command of a worker under Wine for images of windows/arch, and what its environment needs.
func WineWorker(t testing.TB, arch string) (command, env []string) {
	t.Helper()
	w, prefix := Wine(t, arch)
	command, env, err := w.Program(prefix, arch, Worker(t, arch))
	check(t, err)
	return command, env
}
