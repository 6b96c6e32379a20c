package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// Host is a process that an image might be loaded into.
type Host struct {
	System, Arch string // Go's names
	Libc         string // as in Info

	// Brings says whether a Windows that is not this system has a DLL. Without it, it has what every Windows has.
	Brings func(name string) bool
}

// thisHost describes this process.
var thisHost = sync.OnceValue(func() Host {
	h := Host{System: runtime.GOOS, Arch: runtime.GOARCH}
	if exe, err := os.Executable(); err == nil {
		h.Libc = libcOf(exe)
	}
	return h
})

// libcOf tells an executable's C library by its loader; "" for one that has none.
func libcOf(exe string) string {
	f, st, err := openImage(exe)
	if err != nil {
		return ""
	}
	defer f.Close()
	i := &Info{Path: exe, Size: st.Size()}
	e := &elfFile{view: &view{r: f, size: uint64(st.Size())}}
	e.parse(i)
	switch loader := filepath.Base(i.Interpreter); {
	case strings.HasPrefix(loader, "ld-musl-"):
		return "musl"
	case strings.HasPrefix(loader, "ld-linux"), strings.HasPrefix(loader, "ld64.so"), loader == "ld.so.1":
		return "glibc"
	}
	return ""
}

// LoadableHere returns nil if this process can load the image as an extension or filter, as far as the file tells. The
// error is one sentence for people: which file, what is wrong with it, and what would help.
func (i *Info) LoadableHere() error {
	return i.LoadableIn(thisHost())
}

// LoadableIn is [Info.LoadableHere] for another process.
func (i *Info) LoadableIn(h Host) error {
	for _, reason := range []string{i.notImage(), i.notWhole(), i.notForHost(h), i.notLibrary(), i.lacksLibrary(h), i.lacksExports()} {
		if reason != "" {
			return errors.New(printable(filepath.Base(i.Path)) + ": " + reason)
		}
	}
	return nil
}

// printable returns a name as it is if it can do no harm to a terminal or a log, else quoted.
func printable(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` {
		return q
	}
	return name
}

// notImage judges files of other formats.
func (i *Info) notImage() string {
	const name = "name the shared library itself (.so or .dll)"
	switch i.Format {
	case FormatELF, FormatPE:
		return ""
	case FormatEmpty:
		return "an empty file: the copy failed or has not begun; copy the library again"
	case FormatDirectory:
		return "a directory, not a file: " + name
	case FormatScript:
		return "a script, not a shared library: " + name + "; a libtool .la file names it, too"
	case FormatText:
		return "a text or source file, not a shared library: compile it, or " + name
	case FormatArchive:
		return "a static library (archive), which cannot be loaded: link its objects into a shared library"
	case FormatMachO:
		return "a macOS library (Mach-O): build it for " + systemName(runtime.GOOS)
	case FormatDOS:
		return "a DOS or 16-bit Windows program: no 32- or 64-bit host can load it; it has to be built anew"
	default:
		return "neither an ELF nor a PE file, so not a shared library: " + name
	}
}

func (i *Info) notWhole() string {
	switch {
	case i.Incomplete != "":
		return fmt.Sprintf("incomplete: %s, but the file has %d; wait for the copy to end, or copy it again", i.Incomplete, i.Size)
	case i.Damaged != "":
		return "damaged: " + i.Damaged + "; copy or build it again"
	}
	return ""
}

// notForHost compares system, processor and C library.
func (i *Info) notForHost(h Host) string {
	what := fmt.Sprintf("%s; this is %d-bit %s (%s)", i.describe(), bitsOf(h.Arch), systemName(h.System), h.Arch)
	switch {
	case i.System == h.System && i.Arch == h.Arch:
	case i.System == "windows" && h.System != "windows":
		return what + ": it needs a Windows host or Wine"
	case i.System != h.System:
		return fmt.Sprintf("%s: it needs a %s host, or has to be built for this one", what, systemName(i.System))
	default:
		return fmt.Sprintf("%s: it needs an isapid built for %s, or has to be built for %s", what, i.Arch, h.Arch)
	}
	if i.Libc != "" && h.Libc != "" && i.Libc != h.Libc {
		return fmt.Sprintf("built for the C library %s, but this process uses %s, and one process cannot have both: "+
			"build it against %s, or use an isapid built for %s", i.Libc, h.Libc, h.Libc, i.Libc)
	}
	return ""
}

func (i *Info) notLibrary() string {
	switch i.Type {
	case TypeLibrary:
		return ""
	case TypeExecutable:
		return "an executable program, not a shared library: link it with -shared (a CGI program does not become an extension by that)"
	case TypeObject:
		return "an object file, not a shared library: link it with -shared"
	case TypeCore:
		return "a memory dump (core), not a shared library"
	default:
		return "not a shared library"
	}
}

func (i *Info) lacksExports() string {
	if i.Kind != KindNone {
		return ""
	}
	for _, m := range i.Mangled {
		if m.Name != "DllMain" && !i.exports(m.Name) {
			return fmt.Sprintf("exports %s only under a C++ name (%s): declare it extern \"C\"", m.Name, printable(m.Symbol))
		}
	}
	for _, pair := range [][2]string{{"GetExtensionVersion", "HttpExtensionProc"}, {"GetFilterVersion", "HttpFilterProc"}} {
		for n, name := range pair {
			if i.exports(name) {
				return fmt.Sprintf("exports %s but not %s, and needs both: export it, too", name, pair[1-n])
			}
		}
	}
	return "exports neither GetExtensionVersion and HttpExtensionProc (an extension) nor GetFilterVersion and HttpFilterProc " +
		"(a filter): it is another library, or its entry points are not exported"
}

// describe names what the image is: "32-bit Windows DLL (386)".
func (i *Info) describe() string {
	kind := string(i.Type)
	if i.System == "windows" && i.Type == TypeLibrary {
		kind = "DLL"
	}
	return fmt.Sprintf("%d-bit %s %s (%s)", i.Bits, systemName(i.System), kind, i.Arch)
}

func systemName(goos string) string {
	names := map[string]string{"linux": "Linux", "windows": "Windows", "freebsd": "FreeBSD", "netbsd": "NetBSD", "openbsd": "OpenBSD",
		"darwin": "macOS", "android": "Android", "solaris": "Solaris", "hurd": "Hurd"}
	if n := names[goos]; n != "" {
		return n
	}
	return goos
}

// bitsOf tells the size of an address on a processor Go names.
func bitsOf(arch string) int {
	switch arch {
	case "386", "arm", "mips", "mipsle", "amd64p32":
		return 32
	}
	return 64
}
