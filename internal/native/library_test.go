//go:build unix && cgo

package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/toolchain"
)

// library compiles code into a library with that SONAME, linked with others.
func library(t *testing.T, code, name string, with ...string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, strings.TrimSuffix(name, ".so")+".c")
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	testext.Source(t, code+"/* */\n") // skips the test where there is no compiler
	_, err := toolchain.Compile(t.Context(), source, dir, toolchain.Options{Flags: []string{"-Wl,-soname," + name}, Sources: with})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// TestGenerations loads two images of one file name at once: each runs its own code, in any order of loading and unloading.
func TestGenerations(t *testing.T) {
	one := open(t, staged(t, testext.Source(t, fmt.Sprintf(numbered, 1)), "shop.so"))
	two := open(t, staged(t, testext.Source(t, fmt.Sprintf(numbered, 2)), "shop.so"))
	if a, b := version(t, one), version(t, two); a != 1 || b != 2 {
		t.Errorf("generations 1 and 2 run the code of %d and %d", a, b)
	}
	if unloaded, err := one.Close(); !unloaded || err != nil {
		t.Errorf("close: unloaded %t, %v", unloaded, err)
	}
	three := open(t, staged(t, testext.Source(t, fmt.Sprintf(numbered, 3)), "shop.so"))
	if a, b := version(t, two), version(t, three); a != 2 || b != 3 {
		t.Errorf("generations 2 and 3 run the code of %d and %d", a, b)
	}
	for _, l := range []*Library{two, three} {
		if unloaded, err := l.Close(); !unloaded || err != nil {
			t.Errorf("close: unloaded %t, %v", unloaded, err)
		}
	}
}

// TestUnloaded: Close says whether the image left memory.
func TestUnloaded(t *testing.T) {
	for _, c := range []struct {
		lib  string
		want bool
	}{
		{testext.Fixture(t, "hello"), true},
		{testext.Source(t, `// a unique symbol, as inline statics of C++ are
__asm__(".data\n.globl one\n.type one, @gnu_unique_object\n.size one, 4\none: .long 1\n.text\n");
extern int one;
int get(void) { return one; }
`), false},
		{testext.Example(t, "go-mux"), false},
		{testext.Source(t, `#include <dlfcn.h>
static int here;
__attribute__((constructor)) static void stay(void) {
	Dl_info self;
	if (dladdr(&here, &self)) dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
}
`), false},
	} {
		path := staged(t, c.lib, filepath.Base(c.lib))
		unloaded, err := open(t, path).Close()
		if err != nil || unloaded != c.want {
			t.Errorf("%s: unloaded %t, %v; want %t", c.lib, unloaded, err, c.want)
		}
		maps, err := os.ReadFile("/proc/self/maps")
		if err == nil && strings.Contains(string(maps), path) == c.want {
			t.Errorf("%s: unloaded is %t, but /proc/self/maps has it: %t", c.lib, c.want, !c.want)
		}
	}
}

// TestConstructorFault: after faults in constructors and destructors the loader is free for this and every other thread.
func TestConstructorFault(t *testing.T) {
	lib := testext.Fixture(t, "crash_at")
	for range 20 {
		for _, name := range []string{"constructor-segv.so", "constructor-abort.so", "constructor-exit.so"} {
			_, err := Open(staged(t, lib, name))
			var f *Fault
			if !errors.As(err, &f) || !strings.Contains(f.StackText(), "constructor") {
				t.Fatalf("%s: %v; want a fault in constructor", name, err)
			}
		}
		l := open(t, staged(t, lib, "destructor-segv.so"))
		if _, err := l.Close(); err == nil {
			t.Error("close after a fault in a destructor reports none")
		}
		hello := open(t, staged(t, testext.Fixture(t, "hello"), "hello.so"))
		found := false
		thread, err := StartThread(0, func() { found = loaded(hello.path) != 0 }) // asks the loader on a thread of its own
		if err != nil {
			t.Fatal(err)
		}
		thread.Join()
		if !found {
			t.Error("another thread does not find the library that was loaded")
		}
		if _, err := hello.Close(); err != nil {
			t.Error(err)
		}
	}
	if loader.poisoned {
		t.Error("the loader's thread is poisoned: its lock was left held")
	}
}

// TestBefore: an image gets the library that was loaded before it, and is refused if it would get another of that name.
func TestBefore(t *testing.T) {
	dep := library(t, "int answer(void) { return 42; }\n", "libanswer.so")
	image := library(t, "int answer(void);\n"+strings.Replace(numbered, "%d", "answer()", 1), "shop.so", dep)
	if l, err := Open(image); err == nil {
		t.Error("the loader found the library without help")
		_, _ = l.Close()
	}
	if l, err := Open(image, filepath.Join(t.TempDir(), "libmissing.so")); err == nil {
		t.Error("a missing library before it was no error")
		_, _ = l.Close()
	}
	first := open(t, image, dep)
	if v := version(t, first); v != 42 {
		t.Errorf("it got %d from its library, want 42", v)
	}
	other := library(t, "int answer(void) { return 43; }\n", "libanswer.so")
	if l, err := Open(staged(t, image, "shop.so"), other); err == nil {
		t.Error("a second library of that name was no error")
		_, _ = l.Close()
	} else if !strings.Contains(err.Error(), "another library of that name is loaded already") {
		t.Errorf("second library of that name: %v", err)
	}
	if loaded(dep) == 0 {
		t.Error("the library before is not loaded")
	}
	if _, err := first.Close(); err != nil {
		t.Error(err)
	}
	if loaded(dep) != 0 {
		t.Error("the library before stays loaded after Close")
	}
}

// TestFaultNamesItsPlace: signal, address, and the stack with functions and lines.
func TestFaultNamesItsPlace(t *testing.T) {
	l := open(t, staged(t, testext.Source(t, `static volatile int *nowhere = (volatile int *)0x10;
__attribute__((noinline)) int inner(void) { return *nowhere; }
int GetExtensionVersion(void *v) { (void)v; return inner() + 1; }
`), "source.so"))
	defer l.Close()
	_, _, _, err := GetExtensionVersion(l.Lookup("GetExtensionVersion"), 0)
	var f *Fault
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault", err)
	}
	if f.Signal != "SIGSEGV" || f.Addr != 0x10 || len(f.Stack) < 2 {
		t.Fatalf("fault is %+v", f)
	}
	for i, want := range []struct{ symbol, line string }{{"inner+", "source.c:2"}, {"GetExtensionVersion+", "source.c:3"}} {
		if fr := f.Stack[i]; !strings.HasPrefix(fr.Symbol, want.symbol) || fr.Line != want.line {
			t.Errorf("frame %d is %v, want %s at %s", i, fr, want.symbol, want.line)
		}
	}
}

// TestSymbolsOfBadFiles: a file that is none, or lies, gives addresses only, and soon.
func TestSymbolsOfBadFiles(t *testing.T) {
	lib, err := os.ReadFile(testext.Fixture(t, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range 400 {
		bad := append([]byte(nil), lib...)
		switch {
		case i < 100: // cut
			bad = bad[:len(bad)*i/100]
		case i < 164: // in the header
			bad[i-100] ^= 0xff
		default: // in the section headers at the end
			bad[len(bad)-1-(i-164)*7] ^= 0xff
		}
		path := filepath.Join(dir, "bad.so")
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		f := Frame{Offset: 0x1100}
		loadSymbols(path).name(&f, false)
	}
	huge := filepath.Join(dir, "huge.so")
	if err := os.WriteFile(huge, lib, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, maxSymbolFile+1); err != nil {
		t.Fatal(err)
	}
	if table := loadSymbols(huge); len(table.syms) != 0 || table.dwarf != nil {
		t.Error("a file beyond the bound was read")
	}
}

// TestNothingIsLeft: what is loaded, faults and is unloaded leaves no descriptor, thread or mapping behind.
func TestNothingIsLeft(t *testing.T) {
	lib := staged(t, testext.Fixture(t, "crash"), "crash.so")
	count := func(dir string) int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Skip(err)
		}
		return len(entries)
	}
	cycle := func() {
		l := open(t, lib)
		s := NewSlot(silent{})
		defer s.Release()
		s.Fill(&Texts{QueryString: "segv"}, 0, nil)
		if _, err := HTTPExtensionProc(l.Lookup("HttpExtensionProc"), s); err == nil {
			t.Fatal("no fault")
		}
		if unloaded, err := l.Close(); !unloaded || err != nil {
			t.Fatalf("close: %t, %v", unloaded, err)
		}
	}
	for range 5 {
		cycle()
	}
	fds, threads := count("/proc/self/fd"), count("/proc/self/task")
	for range 200 {
		cycle()
	}
	if n := count("/proc/self/fd"); n > fds {
		t.Errorf("%d descriptors, before %d", n, fds)
	}
	for end := time.Now().Add(30 * time.Second); count("/proc/self/task") > threads+8; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d threads, before %d", count("/proc/self/task"), threads)
		}
	}
	if maps := readMaps(); len(maps) > 2000 {
		t.Errorf("%d mappings", len(maps))
	}
}
