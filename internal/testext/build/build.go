// Package build makes the libraries that tests load, and keeps them in the user's cache folder under a hash of everything they are
// made of. It knows no tests: a test binary that runs where there is no compiler, under Wine, asks a server of this package
// that runs outside ([Serve], [Ask]).
package build

import (
	"context"
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
	"time"

	"github.com/isapid/isapid/internal/toolchain"
	"github.com/isapid/isapid/sdk"
)

// Request is one library. Exactly one of Command, Source, Code and Go is given.
type Request struct {
	Command []string // a compiler with all its arguments, which is run as it is: what it makes is not cached, and no path is answered
	Source  string   // absolute path of a source in C, C++ or Pascal
	Code    string   // a source in C; the library is called source
	Go      string   // absolute path of the folder of a Go package
	Flags   []string
	Target  string // "" is this system; "windows/amd64", "windows/386"
}

// Library answers the path of the library, from the cache if it is there. root is the folder of the module. A missing compiler is
// a [*toolchain.MissingError].
func Library(ctx context.Context, root string, r Request) (string, error) {
	switch {
	case len(r.Command) > 0:
		return "", run(ctx, r.Command)
	case r.Go != "":
		return goLibrary(ctx, root, r)
	case r.Code != "":
		dir, err := os.MkdirTemp("", "isapid-source-")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(dir)
		r.Source = filepath.Join(dir, "source.c")
		if err := os.WriteFile(r.Source, []byte(r.Code), 0o600); err != nil {
			return "", err
		}
	}
	return compile(ctx, root, r)
}

func run(ctx context.Context, command []string) error {
	said, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%q: %w\n%s", command, err, said)
	}
	return nil
}

// shims is the folder with the headers that MinGW-w64 does not have and fixtures use.
const shims = "testdata/ext/windows"

// compile makes the library of a source in C, C++ or Pascal.
func compile(ctx context.Context, root string, r Request) (string, error) {
	key := sha256.New()
	o := toolchain.Options{Flags: r.Flags, Target: r.Target}
	if strings.HasSuffix(r.Source, ".pas") && ending(r.Target) == ".dll" {
		var err error
		if o.Compiler, err = pascal(ctx, r.Target); err != nil {
			return "", err
		}
	}
	if ending(r.Target) == ".dll" {
		fmt.Fprintln(key, "shims")
		if err := hashFS(key, os.DirFS(filepath.Join(root, shims))); err != nil {
			return "", err
		}
	}
	command, err := toolchain.Command(ctx, r.Source, o)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(key, strings.Join(command, "\n"))
	if ending(r.Target) == ".dll" { // not part of the key: the module may be anywhere
		o.Flags = append([]string{"-I", filepath.Join(root, shims)}, r.Flags...)
	}
	if o.Compiler != "" {
		o.Flags = r.Flags
	}
	if err := hashSources(key, filepath.Dir(r.Source), r.Source); err != nil {
		return "", err
	}
	if err := hashFS(key, sdk.FS()); err != nil {
		return "", err
	}
	name := strings.TrimSuffix(filepath.Base(r.Source), filepath.Ext(r.Source)) + ending(r.Target)
	return cached(key, name, func(dir string) error {
		_, err := toolchain.Compile(ctx, r.Source, dir, o)
		return err
	})
}

// goLibrary makes the library of a Go package.
func goLibrary(ctx context.Context, root string, r Request) (string, error) {
	command, err := toolchain.Command(ctx, "cgo.c", toolchain.Options{Target: r.Target})
	if err != nil {
		return "", err
	}
	key := sha256.New()
	fmt.Fprintln(key, "go build", runtime.Version(), r.Target)
	for _, files := range []fs.FS{os.DirFS(r.Go), os.DirFS(filepath.Join(root, "sdk", "go")), sdk.FS()} {
		if err := hashFS(key, files); err != nil {
			return "", err
		}
	}
	name := filepath.Base(r.Go) + ending(r.Target)
	return cached(key, name, func(out string) error {
		cmd := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-o", filepath.Join(out, name), ".")
		cmd.Dir = r.Go
		if system, arch, ok := strings.Cut(r.Target, "/"); ok {
			cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOOS="+system, "GOARCH="+arch, "CC="+command[0])
		}
		said, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("go build %s: %w\n%s", r.Go, err, said)
		}
		return nil
	})
}

// Program answers a command of the module, the folder name in cmd, built for this system or "windows/amd64", "windows/386". Versions of
// it that nobody has asked for in a day are removed.
func Program(ctx context.Context, root, name, target string) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, ".build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	file, env := name, os.Environ()
	if system, arch, other := strings.Cut(target, "/"); other {
		file, env = name+".exe", append(env, "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(work, file), "./cmd/"+name)
	cmd.Dir, cmd.Env = root, env
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", file, err, said)
	}
	// Whoever runs an older one keeps it: the name gets the hash of the file.
	key := sha256.New()
	if err := hashFS(key, os.DirFS(work)); err != nil {
		return "", err
	}
	path, err := cached(key, file, func(dir string) error {
		return os.Rename(filepath.Join(work, file), filepath.Join(dir, file))
	})
	if err != nil {
		return "", err
	}
	return path, sweep(cache, path)
}

// sweep notes that a program is in use, and removes those of its name that are not.
func sweep(cache, path string) error {
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil {
		return err
	}
	all, err := filepath.Glob(filepath.Join(cache, "*", filepath.Base(path)))
	if err != nil {
		return err
	}
	for _, other := range all {
		if fi, err := os.Stat(other); err == nil && now.Sub(fi.ModTime()) > 24*time.Hour {
			os.RemoveAll(filepath.Dir(other)) // another test binary may be at it, too
		}
	}
	return nil
}

func ending(target string) string {
	if strings.HasPrefix(target, "windows/") || target == "" && runtime.GOOS == "windows" {
		return ".dll"
	}
	return ".so"
}

// Cache is the folder that holds what tests share: the user's own, made if it is not there.
func Cache() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		user = os.TempDir()
	}
	cache := filepath.Join(user, "isapid-test")
	return cache, os.MkdirAll(cache, 0o700)
}

// cached answers the file called name in the cache folder of key. If it is not there, build makes it in another folder
// that then takes the place in one step: whoever else builds the same loses the race and uses the winner's.
func cached(key hash.Hash, name string, build func(dir string) error) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, hex.EncodeToString(key.Sum(nil)[:16]))
	lib := filepath.Join(dir, name)
	if _, err := os.Stat(lib); err == nil {
		return lib, nil
	}
	work, err := os.MkdirTemp(cache, ".build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := build(work); err != nil {
		return "", err
	}
	if err := os.Rename(work, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return lib, nil
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
