package wine

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Wine is an installed Wine.
type Wine struct {
	Path    string // the program that runs 64-bit Windows programs
	Path32  string // the one that runs 32-bit ones; "" if there is none
	Server  string // the wineserver
	Version string // as it says itself: "wine-8.0 (Debian 8.0~repack-4)"

	// Libraries are the folders with the Windows libraries that Wine brings, by Go's name of the processor.
	Libraries map[string]string
}

// Brings returns the file of a library that Wine has itself, for programs of that processor.
func (w *Wine) Brings(arch, name string) (string, bool) {
	dir := w.Libraries[arch]
	if dir == "" || name != filepath.Base(name) {
		return "", false
	}
	path := filepath.Join(dir, strings.ToLower(name))
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
		return "", false
	}
	return path, true
}

// Supports returns nil if programs of that processor can be run, else a sentence that says what to install.
func (w *Wine) Supports(arch string) error {
	switch arch {
	case "amd64":
		return nil
	case "386":
		if w.Path32 != "" {
			return nil
		}
		return &MissingError{What: "a 32-bit DLL needs a 32-bit Wine, and " + w.Version + " here is 64-bit only",
			Help: "on Debian: dpkg --add-architecture i386 && apt-get update && apt-get install wine32:i386"}
	}
	return fmt.Errorf("Wine runs no Windows programs for %q here, only for amd64 and 386", arch)
}

// Program returns the command that starts a Windows program of that processor in a prefix, and what has to be added to its environment.
// The arguments of the program come after the command. The prefix must have been prepared for that processor.
func (w *Wine) Program(prefix, arch, exe string) (command, env []string, err error) {
	if err := w.Supports(arch); err != nil {
		return nil, nil, err
	}
	if prefix, err = filepath.Abs(prefix); err != nil {
		return nil, nil, err
	}
	if exe, err = filepath.Abs(exe); err != nil {
		return nil, nil, err
	}
	loader := w.Path
	if arch == "386" {
		loader = w.Path32
	}
	return []string{loader, exe}, w.environment(prefix), nil
}

// environment is what every process of Wine gets to know. What only matters in prefixes of ours is in their registry.
//
// Wine shows HOME to programs and links the user's folders to it when it makes them; there is no such folder, so that it makes its own. Without a
// display no program waits for somebody to press a button. Of Wine's own messages, those about errors are kept (a library that is not
// found, say), unless the user wants others. What crashes ends without a debugger, also in a prefix of somebody else's.
//
// Debian's Wine looks for its server in the folder for temporary files, which must be the same for all who use the prefix, whatever theirs is:
// two servers for one prefix end each other's programs.
//
// Where no language is set, as in most services and containers, Wine would find no file whose name has other letters than those of ASCII.
func (w *Wine) environment(prefix string) []string {
	env := []string{
		"WINEPREFIX=" + prefix,
		"HOME=" + filepath.Join(prefix, "nobody"),
		"TMPDIR=" + serverFolder(prefix),
		"DISPLAY=",
		"WAYLAND_DISPLAY=",
	}
	for _, v := range []struct{ name, usual string }{{"WINEDEBUG", "fixme-all"}, {"WINEDLLOVERRIDES", "winedbg.exe=;winemenubuilder.exe="}} {
		if set := os.Getenv(v.name); set != "" {
			v.usual = set
		}
		env = append(env, v.name+"="+v.usual)
	}
	if plain(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))) {
		env = append(env, "LC_CTYPE=C.UTF-8")
		if all := os.Getenv("LC_ALL"); all != "" { // it would count more
			env = append(env, "LC_ALL=", "LANG="+all)
		}
	}
	return env
}

// serverFolder is where Wine keeps the socket of its server: what Wine by hand takes, but with a prefix of [Keep] what that has made.
func serverFolder(prefix string) string {
	if own := TemporaryOf(prefix); os.TempDir() == own {
		return own
	}
	return "/tmp"
}

// plain tells whether a locale is the one without a language.
func plain(locale string) bool { return locale == "" || locale == "C" || locale == "POSIX" }

// MissingError says that something is not installed.
type MissingError struct {
	What string // what is missing
	Help string // the command that installs it
}

func (e *MissingError) Error() string { return e.What + ": " + e.Help }
