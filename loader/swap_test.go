//go:build linux && cgo

package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/testext"
)

// TestMark: isapid can see that an image is the loader, and leave the files to it.
func TestMark(t *testing.T) {
	for file, want := range map[string]bool{library: true, build(t, 1): false} {
		if info, err := image.Inspect(file); err != nil || info.Loader != want || info.Kind != image.KindExtension {
			t.Errorf("%s: %+v, %v", file, info, err)
		}
	}
}

func TestSwap(t *testing.T) {
	one, two := build(t, 1), build(t, 2)
	both(t, one, func(t *testing.T, h *host) {
		if d := h.exec.Description(); d != "version 1" {
			t.Errorf("description %q", d)
		}
		h.says("", "1")
		h.put(two, "shop.update")
		h.becomes("2", "1")
		if !h.same("shop.run", two) || !h.same("shop.backup", one) || h.exists("shop.update") || h.exists("shop.failed") {
			t.Errorf("files: %s", h.files())
		}
		h.versions(1)
		h.put(one, "shop.run") // over what runs: that is not touched by it
		h.becomes("1", "2")
		h.until("kept", func() bool { return h.same("shop.backup", two) })
	})
}

// versions waits until so many are in memory, if this is the process.
func (h *host) versions(n int) {
	h.t.Helper()
	if h.pool == nil {
		h.until(fmt.Sprintf("%d versions in memory", n), func() bool { return h.mapped("/shop.run")-h.before == n })
	}
}

// files lists the folder.
func (h *host) files() string {
	entries, err := os.ReadDir(h.folder)
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// load is clients that ask until they are told to stop. Every answer has to be what it should be.
type load struct {
	h     *host
	stop  atomic.Bool
	done  sync.WaitGroup
	asked atomic.Int64
	wrong atomic.Pointer[string]

	legal atomic.Pointer[[]string] // versions that may answer
}

// clients starts four: two send a body.
func (h *host) clients(legal ...string) *load {
	l := &load{h: h}
	l.legal.Store(&legal)
	body := strings.Repeat("sixteen letters.", 1024)
	for i := range 4 {
		l.done.Go(func() {
			for !l.stop.Load() {
				before := *l.legal.Load()
				a := h.ask("")
				if i%2 == 1 {
					a = h.send("POST", "", body)
				}
				after := *l.legal.Load()
				_, version, _ := strings.Cut(a.text, "swapver ")
				version, _, _ = strings.Cut(version, " ")
				if a.status != http.StatusOK || !slices.Contains(before, version) && !slices.Contains(after, version) {
					text := fmt.Sprintf("got %v, want one of versions %q or %q", a, before, after)
					l.wrong.CompareAndSwap(nil, &text)
				}
				l.asked.Add(1)
			}
		})
	}
	return l
}

// end stops the clients and says what they saw.
func (l *load) end() {
	l.h.t.Helper()
	l.stop.Store(true)
	l.done.Wait()
	if text := l.wrong.Load(); text != nil {
		l.h.t.Error(*text)
	}
}

// answered waits for some more requests of the clients.
func (l *load) answered(n int64) {
	l.h.t.Helper()
	n += l.asked.Load()
	l.h.until("answered", func() bool { return l.asked.Load() >= n })
}

// swaps is how many there are in a test, of each kind. ISAPID_SOAK has it last.
func swaps() int {
	switch {
	case os.Getenv("ISAPID_SOAK") != "":
		return 5000
	case testing.Short():
		return 20
	}
	return 200
}

// TestSwapsUnderLoad: no request fails or is answered by an old version after a newer one has answered; with hold, the two
// are never loaded at the same time.
func TestSwapsUnderLoad(t *testing.T) {
	for _, mode := range []string{"overlap", "hold"} {
		t.Run(mode, func(t *testing.T) {
			if mode == "hold" {
				t.Setenv("SWAPVER_ALONE", filepath.Join(t.TempDir(), "alone"))
			}
			files := []string{testext.Fixture(t, "swapver", "-DVERSION=1"), testext.Fixture(t, "swapver", "-DVERSION=2")}
			both(t, files[0], func(t *testing.T, h *host) {
				l := h.clients("1", "2")
				defer l.end()
				for n := range swaps() {
					old, new := n%2, (n+1)%2
					h.put(files[new], "shop.update")
					want := fmt.Sprintf("swapver %d ", new+1)
					h.until(want, func() bool {
						a := h.ask("")
						if a.status != http.StatusOK {
							t.Fatalf("swap %d: %v", n, a)
						}
						return strings.HasPrefix(a.text, want)
					})
					l.legal.Store(&[]string{strconv.Itoa(new + 1)})
					if !h.same("shop.run", files[new]) || !h.same("shop.backup", files[old]) || h.exists("shop.update") || h.exists("shop.failed") {
						t.Fatalf("swap %d: files %s", n, h.files())
					}
					l.answered(8)
					l.legal.Store(&[]string{"1", "2"})
				}
				t.Logf("%d swaps, %d requests", swaps(), l.asked.Load())
				h.versions(1)
			}, "mode = "+mode)
		})
	}
}

// TestBadUpdate: what cannot serve is put aside with a reason, and the version in force serves on.
func TestBadUpdate(t *testing.T) {
	whole, err := os.ReadFile(build(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	wrongMachine := bytes.Clone(whole)
	wrongMachine[18] = 183 // EM_AARCH64
	file := func(name string, flags ...string) []byte {
		b, err := os.ReadFile(testext.Fixture(t, name, flags...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tests := []struct {
		name   string
		update []byte
		why    string
	}{
		{"garbage", []byte("this is no library"), "shop.update: a text or source file"},
		{"empty", nil, "it is empty"},
		{"cut", whole[:len(whole)/2], "truncated"},
		{"other machine", wrongMachine, "arm64"},
		{"no entry point", file("version", "-DVERSION=2", "-DNOPROC"), "exports GetExtensionVersion but not HttpExtensionProc"},
		{"refuses", file("version", "-DVERSION=2", "-DREFUSE"), "GetExtensionVersion returned FALSE"},
		{"hangs", file("version", "-DVERSION=2", "-DHANG"), "its GetExtensionVersion has not returned within 300ms"},
	}
	one := build(t, 1)
	for _, mode := range []string{"overlap", "hold"} {
		t.Run(mode, func(t *testing.T) {
			both(t, one, func(t *testing.T, h *host) {
				h.leaves = 1 // it hangs
				for _, test := range tests {
					h.write("shop.update", test.update)
					h.until(test.name+" is refused", func() bool {
						h.says("", "1")
						b, _ := os.ReadFile(h.path("shop.failed.txt"))
						return strings.Contains(string(b), test.why) && !h.exists("shop.update")
					})
					if b, err := os.ReadFile(h.path("shop.failed")); err != nil || !bytes.Equal(b, test.update) {
						t.Errorf("%s: it is not kept: %v", test.name, err)
					}
					if !h.same("shop.run", one) || h.exists("shop.backup") {
						t.Errorf("%s: files %s", test.name, h.files())
					}
				}
				h.write("shop.update", whole)
				h.becomes("2", "1")
			}, "mode = "+mode, "wait = 300ms")
		})
	}
}

// TestInside: requests that are inside in any way stay in their version, which is not unloaded before the last has ended. New ones are
// answered by the other version.
func TestInside(t *testing.T) {
	files := []string{gate(t, 1), gate(t, 2), gate(t, 3), gate(t, 4)}
	both(t, files[0], func(t *testing.T, h *host) {
		for n := 1; n < 3; n++ {
			var waiting []<-chan answer
			for range 4 {
				waiting = append(waiting, h.later("wait"), h.later("pending"))
			}
			old, new := strconv.Itoa(n), strconv.Itoa(n+1)
			h.until("8 inside", func() bool { return h.life("inside "+old) == 8 })
			for _, query := range []string{"early", "sync", "early", "sync", ""} { // these end
				h.says(query, old)
			}
			h.put(files[n], "shop.update")
			h.becomes(new, old)
			for _, query := range []string{"early", "sync", ""} {
				h.says(query, new)
			}
			h.versions(n + 1)
			defer func() {
				for _, w := range waiting {
					if a := <-w; a.status != http.StatusOK || a.text != old {
						t.Errorf("a request that was inside version %s: %v", old, a)
					}
				}
			}()
		}
		h.put(files[3], "shop.update") // two have given way and have not ended: this one waits
		h.until("told", func() bool { return strings.Contains(h.log.String(), "the update waits") || h.pool == nil })
		if n := h.life("unloaded"); n != 0 {
			t.Errorf("%d versions are unloaded: %s", n, h.read("life"))
		}
		h.says("", "3")
		h.append("go", "go")
		h.becomes("4", "3")
		h.until("three are unloaded", func() bool { return h.life("unloaded") == 3 })
		h.versions(1)
	})
}

// life counts the lines of a fixture that begin so.
func (h *host) life(line string) int {
	return strings.Count("\n"+h.read("life"), "\n"+line)
}

func (h *host) read(name string) string {
	b, _ := os.ReadFile(h.path(name)) // what is not there has no text
	return string(b)
}

// gate is a version of the fixture of that name.
func gate(t *testing.T, n int) string {
	t.Helper()
	return testext.Fixture(t, "gate", fmt.Sprintf("-DVERSION=%d", n))
}

// TestHeld: new requests wait for the end of the old ones.
func TestHeld(t *testing.T) {
	both(t, gate(t, 1), func(t *testing.T, h *host) {
		old := []<-chan answer{h.later("wait"), h.later("pending")}
		h.until("inside", func() bool { return h.life("inside 1") == 2 })
		h.put(gate(t, 2), "shop.update")
		var new []<-chan answer
		h.until("held", func() bool {
			a := h.later("")
			select {
			case a := <-a:
				if a.text != "1" {
					t.Fatalf("got %v", a)
				}
				return false
			case <-time.After(100 * time.Millisecond):
				new = append(new, a)
				return true
			}
		})
		h.append("go", "go")
		for _, a := range old {
			if a := <-a; a.text != "1" {
				t.Errorf("got %v, want 1", a)
			}
		}
		for _, a := range new {
			if a := <-a; a.text != "2" {
				t.Errorf("got %v, want 2", a)
			}
		}
		if life := strings.Fields(h.read("life")); h.life("unloaded 1") != 1 || h.life("loaded 2") != 1 {
			t.Errorf("life: %q", life)
		}
	}, "mode = hold")
}

// TestHeldTooLong: a request that does not end keeps an update from being taken that may not run beside it, and nobody waits
// longer than was said.
func TestHeldTooLong(t *testing.T) {
	both(t, gate(t, 1), func(t *testing.T, h *host) {
		old := h.later("pending")
		h.until("inside", func() bool { return h.life("inside 1") == 1 })
		h.put(gate(t, 2), "shop.update")
		h.until("refused", func() bool {
			h.says("", "1")
			return strings.Contains(h.read("shop.failed.txt"), "1 requests were still inside the version in force after 300ms")
		})
		h.append("go", "go")
		if a := <-old; a.text != "1" {
			t.Errorf("got %v", a)
		}
		h.put(gate(t, 2), "shop.update")
		h.becomes("2", "1")
	}, "mode = hold", "wait = 300ms")
}

// append writes to a file that is there, which the private copies have a link to.
func (h *host) append(name, text string) {
	h.t.Helper()
	f, err := os.OpenFile(h.path(name), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestKilled kills the worker at any point of a swap. What runs next is one of the versions, complete, and in the end the last one.
func TestKilled(t *testing.T) {
	files := []string{build(t, 1), build(t, 2)}
	h := install(t, files[0])
	h.start(true)
	for n := range swaps() / 10 {
		h.put(files[(n+1)%2], "shop.update")
		time.Sleep(time.Duration(n%20) * time.Millisecond)
		for _, pid := range h.pids() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		if !h.same("shop.run", files[0]) && !h.same("shop.run", files[1]) {
			t.Fatalf("kill %d: files %s", n, h.files())
		}
		h.until("served again", func() bool { a := h.ask(""); return a.status == http.StatusOK })
	}
	h.put(build(t, 3), "shop.update")
	h.until("the last version", func() bool { return h.ask("").text == "3" })
	if !h.same("shop.run", build(t, 3)) || h.exists("shop.update") {
		t.Errorf("files %s", h.files())
	}
}
