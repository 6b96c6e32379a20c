package misuse

import (
	"fmt"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/native"
)

func nobody(executor.Finding) {}

func TestNobodyWatches(t *testing.T) {
	for _, of := range []Of{
		{}, {Checks: executor.ChecksOn}, {Found: nobody}, {Found: nobody, Checks: executor.ChecksOff}, {Found: nobody, Checks: "much"},
	} {
		w := New(of)
		if w != nil || w.Closely() {
			t.Errorf("%+v is watched", of)
		}
		w.Tell(executor.Unfinished, "HttpExtensionProc", 1, "nothing")
		w.Caller(executor.Unfinished, 1, 0, 1, "nothing")
		w.Threads(0)
		w.Close()
	}
}

func TestClosely(t *testing.T) {
	for checks, want := range map[executor.Checks]int{executor.ChecksOn: 1000, executor.ChecksSampled: 10} {
		w := New(Of{Checks: checks, Found: nobody})
		defer w.Close()
		n := 0
		for range 1000 {
			if w.Closely() {
				n++
			}
		}
		if n != want {
			t.Errorf("%s: %d of 1000 requests are looked at closely, want %d", checks, n, want)
		}
	}
}

// TestWhoItWas: an image is known by its number, or by its file in the stack; the last one of a file is meant, and those that are closed
// are known for a while.
func TestWhoItWas(t *testing.T) {
	stack := func(image string) []native.Frame { return []native.Frame{{Image: "/lib/libc.so.6"}, {Image: image}} }
	watch := func(number uint64, staged string) *Watch {
		return New(Of{Number: number, Staged: staged, Checks: executor.ChecksOn, Found: nobody})
	}
	first, second, again := watch(1001, "/a"), watch(1002, "/b"), watch(1003, "/a")
	second.Close()
	for _, c := range []struct {
		name   string
		number uint64
		stack  []native.Frame
		want   *Watch
	}{
		{"number", 1001, nil, first},
		{"number of one that is closed", 1002, nil, second},
		{"number before stack", 1001, stack("/b"), first},
		{"number of nobody", 1004, stack("/a"), nil},
		{"stack", 0, stack("/b"), second},
		{"stack of a file that was loaded again", 0, stack("/a"), again},
		{"stack of others", 0, stack("/c"), nil},
		{"nothing", 0, nil, nil},
	} {
		if got := watched.of(c.number, c.stack); got != c.want {
			t.Errorf("%s: found %+v, want %+v", c.name, got, c.want)
		}
	}
	first.Close()
	again.Close()
	for i := range 10 * maxClosed {
		watch(uint64(2000+i), fmt.Sprint("/file", i)).Close()
	}
	if n := len(watched.all); n > maxClosed+2 {
		t.Errorf("%d images are remembered, want at most %d that are closed", n, maxClosed)
	}
	if w := watched.of(0, stack("/file1")); w != nil {
		t.Error("an image that was closed long ago is still known")
	}
}
