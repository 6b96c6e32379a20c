package wine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// WorkerFolders are where the Windows workers are looked for, in this order: the folder that ISAPID_WORKERS names (and then no other),
// that of this program, lib/isapid beside it, /usr/lib/isapid.
func WorkerFolders() []string {
	if named := os.Getenv("ISAPID_WORKERS"); named != "" {
		return []string{named}
	}
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dirs = append(dirs, filepath.Dir(exe), filepath.Join(filepath.Dir(exe), "..", "lib", "isapid"))
	}
	if runtime.GOOS != "windows" {
		dirs = append(dirs, "/usr/lib/isapid")
	}
	return dirs
}

// Workers is [Setup.Worker] where the operator has chosen nothing.
func Workers(arch string) (string, error) { return Setup{}.Worker(arch) }

// Worker returns the path of the Windows worker for images of that processor, amd64 or 386. The error is a [*MissingError] if it is not found.
func (s Setup) Worker(arch string) (string, error) {
	name := "isapid-worker-" + arch + ".exe"
	dirs := WorkerFolders()
	if s.Workers != "" {
		dirs = []string{s.Workers}
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return filepath.Abs(path)
		}
	}
	return "", &MissingError{
		What: fmt.Sprintf("a DLL for windows/%s needs the program %s, which is not in %s", arch, name, strings.Join(dirs, ", ")),
		Help: fmt.Sprintf("install all of isapid's package, or CGO_ENABLED=0 GOOS=windows GOARCH=%s go build -o %s github.com/isapid/isapid/cmd/isapid-worker", arch,
			filepath.Join(dirs[0], name)),
	}
}
