package executortest

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/winpath"
)

// Images says what the images of a suite are. The zero value: libraries of this system.
type Images struct {
	DLL   string // not "": Windows DLLs for this processor, amd64 or 386, on whatever system
	Plain bool   // the executor reaches its images by a stream that carries no descriptors
}

// windows tells whether the images are DLLs.
func (i Images) windows() bool { return i.DLL != "" || runtime.GOOS == "windows" }

// wine tells whether they are DLLs and this system is none of theirs.
func (i Images) wine() bool { return i.DLL != "" && runtime.GOOS != "windows" }

// pointer is how many bytes one has.
func (i Images) pointer() int {
	if i.DLL == "386" || i.DLL == "" && runtime.GOARCH == "386" {
		return 4
	}
	return 8
}

func (i Images) ending() string {
	if i.windows() {
		return ".dll"
	}
	return ".so"
}

// fixture is a library of testdata/ext.
func (i Images) fixture(t testing.TB, name string, flags ...string) string {
	t.Helper()
	if i.DLL != "" {
		return testext.DLL(t, i.DLL, name, flags...)
	}
	return testext.Fixture(t, name, flags...)
}

// source is a library of a C source.
func (i Images) source(t testing.TB, code string) string {
	t.Helper()
	if i.DLL != "" {
		return testext.SourceDLL(t, i.DLL, code)
	}
	return testext.Source(t, code)
}

// Said is what a fault of one of them is called in a text about it, which names those of Unix.
func (i Images) Said(text string) string {
	if i.windows() {
		text = onWindows.Replace(text)
	}
	return text
}

var onWindows = strings.NewReplacer(
	"SIGSEGV (address not mapped) accessing 0x10", "EXCEPTION_ACCESS_VIOLATION (writing) accessing 0x10",
	"SIGSEGV (stack overflow)", "EXCEPTION_STACK_OVERFLOW",
	"SIGSEGV (no permission for address)", "EXCEPTION_ACCESS_VIOLATION (writing)",
	"SIGSEGV (raised by the code itself)", "EXCEPTION_ACCESS_VIOLATION",
	"SIGSEGV", "EXCEPTION_ACCESS_VIOLATION",
	"SIGABRT (abort)", "called abort()",
	"SIGABRT", "called a", // abort, or assert
	"quick_exit(5)", "ExitProcess(5)",
	"SIGFPE", "EXCEPTION_INT_DIVIDE_BY_ZERO",
	"SIGILL", "EXCEPTION_ILLEGAL_INSTRUCTION",
	"SIGTRAP", "EXCEPTION_BREAKPOINT",
)

// seen is the path of a file as images call it.
func (i Images) seen(path string) string {
	if i.wine() {
		return winpath.FromUnix(path)
	}
	return path
}

// below is the path of a URL below a folder, as images call it.
func (i Images) below(folder, url string) string {
	if i.windows() {
		url = strings.ReplaceAll(url, "/", "\\")
	}
	return i.seen(filepath.Clean(folder)) + url
}

// narrow is a text, of characters that there are in many code pages, as 8-bit functions of the images' system have it.
func (i Images) narrow(text string) string {
	if !i.wine() {
		return ansi.Encode(text)
	}
	var b []byte // code page 1252, for these as Latin-1
	for _, r := range text {
		b = append(b, byte(r))
	}
	return string(b)
}

// unlimited is the beginning of paths that may be long.
func (i Images) unlimited() string {
	if i.windows() {
		return `\\?\`
	}
	return ""
}

// unix skips a test of what there is on Unix only; why is a sentence.
func (i Images) unix(t *testing.T, why string) {
	t.Helper()
	if i.windows() {
		t.Skip("not on Windows: " + why)
	}
}
