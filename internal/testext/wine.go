package testext

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	w, template := prepared(t, arch)
	held.mu.Lock()
	defer held.mu.Unlock()
	p := held.prefixes[arch]
	if p == nil {
		p = &heldPrefix{}
		var err error
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

// prepared is the installed Wine, and a prefix for programs of arch that others are copied from.
func prepared(t testing.TB, arch string) (w *wine.Wine, template string) {
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
	template = filepath.Join(cache, "wine-"+arch)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	check(t, w.Prepare(ctx, template, []string{arch}, func(what string) { t.Log(what) }))
	return w, template
}

// OwnPrefix is a prefix for programs of arch of a test's own, in the folder dir, which it makes. Nothing runs there, and the test may do to it
// what it likes. It is skipped, or fails, as with [Wine].
func OwnPrefix(t testing.TB, arch, dir string) {
	t.Helper()
	_, template := prepared(t, arch)
	check(t, os.Mkdir(dir, 0o700))
	check(t, build.ClonePrefix(template, dir))
}

// Programs are the processes that run in a prefix, of those that are called so; "" is any. It is for Linux.
func Programs(t testing.TB, prefix, name string) (pids []int) {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/environ")
	check(t, err)
	for _, file := range list {
		environ, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(append([]byte{0}, environ...), []byte("\x00WINEPREFIX="+prefix+"\x00")) {
			continue // it has ended, or is another's
		}
		comm, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "comm"))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && strings.HasPrefix(string(comm), name) {
			pids = append(pids, pid)
		}
	}
	return pids
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
