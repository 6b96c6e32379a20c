package testext

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/toolchain"
	"github.com/isapid/isapid/sdk"
)

// compile answers the library of a source in C, C++ or Pascal, from the cache if it can.
func compile(t testing.TB, source string, flags ...string) string {
	t.Helper()
	options := toolchain.Options{Flags: flags}
	key := sha256.New()
	command, err := toolchain.Command(t.Context(), source, options)
	var gone *toolchain.MissingError
	if errors.As(err, &gone) {
		missing(t, err)
	}
	check(t, err)
	fmt.Fprintln(key, strings.Join(command, "\n"))
	check(t, hashSources(key, filepath.Dir(source), source))
	check(t, hashFS(key, sdk.FS()))

	name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)) + ".so"
	return cached(t, key, name, func(dir string) error {
		_, err := toolchain.Compile(t.Context(), source, dir, options)
		return err
	})
}

// buildGo answers the library of a Go package.
func buildGo(t testing.TB, dir string) string {
	t.Helper()
	if _, err := toolchain.Command(t.Context(), "cgo.c", toolchain.Options{}); err != nil {
		missing(t, err)
	}
	key := sha256.New()
	fmt.Fprintln(key, "go build", runtime.Version())
	check(t, hashFS(key, os.DirFS(dir)))
	check(t, hashFS(key, os.DirFS(filepath.Join(Root(t), "sdk", "go"))))
	check(t, hashFS(key, sdk.FS()))

	name := filepath.Base(dir) + ".so"
	return cached(t, key, name, func(out string) error {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", filepath.Join(out, name), ".")
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("go build %s: %w\n%s", dir, err, said)
		}
		return nil
	})
}

// cached answers the file called name in the cache folder of key. If it is not there, build makes it in another folder
// that then takes the place in one step: whoever else builds the same loses the race and uses the winner's.
func cached(t testing.TB, key hash.Hash, name string, build func(dir string) error) string {
	t.Helper()
	user, err := os.UserCacheDir()
	if err != nil {
		user = os.TempDir()
	}
	cache := filepath.Join(user, "isapid-test")
	check(t, os.MkdirAll(cache, 0o700))
	dir := filepath.Join(cache, hex.EncodeToString(key.Sum(nil)[:16]))
	lib := filepath.Join(dir, name)
	if _, err := os.Stat(lib); err == nil {
		return lib
	}
	work, err := os.MkdirTemp(cache, ".build-")
	check(t, err)
	defer os.RemoveAll(work)
	check(t, build(work))
	if err := os.Rename(work, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return lib
}

// hashSources adds the source, and the headers and includes beside it, which it may use.
func hashSources(key io.Writer, dir, source string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		switch filepath.Ext(name) {
		case ".h", ".hpp", ".inc":
		default:
			if name != source {
				continue
			}
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(key, "%s %d\n%s", e.Name(), len(data), data)
	}
	return nil
}

// hashFS adds every file.
func hashFS(key io.Writer, files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(key, "%s %d\n%s", name, len(data), data)
		return nil
	})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
