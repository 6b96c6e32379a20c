package wine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// findTimeout is how long Wine may take to tell its version. It takes some milliseconds.
const findTimeout = 10 * time.Second

// Find returns the Wine of this machine: the one that ISAPID_WINE names (its 64-bit program, or the folder of that), else Debian's, one below
// /opt, or the first that PATH has. The error is a [*MissingError] if there is none.
func Find() (*Wine, error) {
	if runtime.GOOS == "windows" {
		return nil, errors.New("this is Windows: Wine is not needed")
	}
	if named := os.Getenv("ISAPID_WINE"); named != "" {
		w := at(named)
		if w == nil {
			return nil, fmt.Errorf("there is no Wine at %q, which ISAPID_WINE names: name its program wine64 or wine, or the folder with that", named)
		}
		return w.ask()
	}
	places := []string{"/usr/lib/wine", "/usr/lib64/wine"}
	for _, pattern := range []string{"/usr/lib/*-linux-gnu/wine", "/opt/wine*/bin"} {
		if dirs, err := filepath.Glob(pattern); err == nil {
			places = append(places, dirs...)
		}
	}
	for _, dir := range append(places, filepath.SplitList(os.Getenv("PATH"))...) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if w := at(dir); w != nil {
			return w.ask()
		}
	}
	return nil, errNone
}

// What Find says where there is no Wine, and the same about a 32-bit library, for which the 64-bit Wine alone may be too little.
var (
	errNone   = &MissingError{What: "a Windows DLL needs Wine, and there is none here", Help: "on Debian: apt-get install wine64"}
	errNone32 = &MissingError{What: errNone.What, Help: "on Debian: dpkg --add-architecture i386 && apt-get update && apt-get install wine64 wine32:i386"}
)

// at returns the Wine whose program is at a path, or in that folder; nil if there is none.
func at(path string) *Wine {
	dir, names := path, []string{"wine64", "wine"}
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		dir, names = filepath.Dir(path), []string{filepath.Base(path)}
	}
	loader := firstProgram(dir, names...)
	if loader == "" {
		return nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(loader))
	if err != nil {
		return nil
	}
	w := &Wine{Path: loader, Libraries: libraries(dir)}
	if w.Server = firstProgram(dir, "wineserver64", "wineserver"); w.Server == "" || w.Libraries["amd64"] == "" {
		return nil
	}
	if w.Libraries["386"] == "" {
		return w
	}
	// Since version 9 one program runs both, if it was built so; then it has no 32-bit libraries of Unix.
	both := filepath.Join(filepath.Dir(w.Libraries["386"]), "i386-unix")
	if _, err := os.Stat(both); err != nil {
		w.Path32 = loader
	} else if w.Path32 = firstProgram(dir, "wine", "wine32"); w.Path32 == loader && filepath.Base(loader) == "wine64" {
		w.Path32 = ""
	}
	return w
}

// firstProgram returns the path of the first of these that is a program; links are followed, scripts are none of them.
func firstProgram(dir string, names ...string) string {
	for _, name := range names {
		path, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 && isELF(path) {
			return path
		}
	}
	return ""
}

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := f.Read(head)
	return n == 4 && string(head) == "\x7fELF"
}

// libraries finds the folders with Windows libraries that belong to the programs in dir.
func libraries(dir string) map[string]string {
	found := map[string]string{}
	for _, arch := range []struct{ goarch, folder, debian string }{{"amd64", "x86_64-windows", "x86_64-linux-gnu"}, {"386", "i386-windows", "i386-linux-gnu"}} {
		places := []string{
			dir, // of Debian since 14: all in /usr/lib/x86_64-linux-gnu/wine
			filepath.Join(dir, "..", arch.debian, "wine"), // /usr/lib/wine beside /usr/lib/x86_64-linux-gnu
		}
		for _, lib := range []string{"lib", "lib64", "lib32", "lib/" + arch.debian} {
			places = append(places, filepath.Join(dir, "..", lib, "wine"))
		}
		i := slices.IndexFunc(places, func(p string) bool {
			_, err := os.Stat(filepath.Join(p, arch.folder, "ntdll.dll"))
			return err == nil
		})
		if i >= 0 {
			found[arch.goarch] = filepath.Join(places[i], arch.folder)
		}
	}
	return found
}

// ask returns w with its version.
func (w *Wine) ask() (*Wine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, w.Path, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("Wine (%s) does not tell its version: %w", w.Path, err)
	}
	w.Version = strings.TrimSpace(string(out))
	if w.Path32 == w.Path && major(w.Version) < 9 {
		w.Path32 = "" // it could be built so before, but did not work well
	}
	return w, nil
}

// major is the first number of a version such as "wine-10.0 (Debian 10.0~repack-6)"; 0 if there is none.
func major(version string) (n int) {
	fmt.Sscanf(version, "wine-%d", &n)
	return n
}
