//go:build linux

// Package updatetest is what everybody must do who replaces an image by the files beside it, seen from outside: files are dropped, and
// requests and files tell what came of it. The server runs it in both modes, isapiloader does, and package update with next to
// nothing around it.
package updatetest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/testext"
)

// Server is what is tested: something that serves version 1 of the fixture called version, and keeps two backups.
type Server struct {
	Folder string        // of the image
	Run    string        // name of the file that runs: "shop.so". The others begin with its name without ".so"
	Answer func() string // what a request is answered now: the number of a version. Called again and again
	Again  func()        // ends it and starts it again
	Loads  bool          // code is run, so that one that refuses to be loaded is noticed
}

// Version is a build of the fixture.
func Version(t testing.TB, n int, flags ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testext.Fixture(t, "version", append(flags, fmt.Sprintf("-DVERSION=%d", n))...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Protocol runs the tests. start gives each a server of its own, which serves until the test ends.
func Protocol(t *testing.T, start func(t *testing.T) *Server) {
	for _, test := range []struct {
		name string
		run  func(f *folder)
	}{
		{"dropped", dropped},
		{"overwritten", overwritten},
		{"backups", backups},
		{"same", same},
		{"refused", refused},
		{"written slowly", slowly},
		{"newest wins", newest},
		{"others", others},
		{"started again", again},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t)
			f := &folder{TB: t, Server: s, name: strings.TrimSuffix(s.Run, filepath.Ext(s.Run))}
			f.serves(1)
			test.run(f)
		})
	}
}

type folder struct {
	testing.TB
	*Server
	name string
}

// dropped: NAME.update takes the place of what runs.
func dropped(f *folder) {
	f.put(".update", Version(f, 2))
	f.becomes(2, 1)
	f.has(f.Run, 2)
	f.has(f.name+".backup", 1)
	f.gone(".update", ".failed", ".failed.txt", ".backup.2")
}

// overwritten: so does what is written over the run file, in one step or into it.
func overwritten(f *folder) {
	f.rename(f.Run, Version(f, 2))
	f.becomes(2, 1)
	f.has(f.name+".backup", 1)
	f.write(f.Run, Version(f, 3))
	f.becomes(3, 2)
	f.has(f.Run, 3)
	f.has(f.name+".backup", 2)
	f.has(f.name+".backup.2", 1)
	f.gone(".update", ".failed", ".failed.txt")
}

// backups: the newest ones are kept.
func backups(f *folder) {
	for n := 2; n <= 5; n++ {
		f.put(".update", Version(f, n))
		f.becomes(n, n-1)
	}
	f.has(f.name+".backup", 4)
	f.has(f.name+".backup.2", 3)
	f.gone(".backup.3")
}

// same: the same bytes are no other version, and leave no backup.
func same(f *folder) {
	f.put(".update", Version(f, 1))
	f.until("taken", func() bool { return !f.exists(".update") })
	f.serves(1)
	f.has(f.Run, 1)
	f.gone(".backup", ".failed")
}

// refused: what cannot serve is put aside with the reason, and what runs serves on.
func refused(f *folder) {
	text, wrong := []byte("this is no library"), bytes.Clone(Version(f, 2))
	wrong[18] = 183 // EM_AARCH64
	type bad struct {
		name string
		b    []byte
		why  string
	}
	files := []bad{
		{"text", text, "a text or source file"},
		{"another machine", wrong, "arm64"},
		{"no entry point", Version(f, 2, "-DNOPROC"), "HttpExtensionProc"},
	}
	if f.Loads {
		files = append(files, bad{"refuses", Version(f, 2, "-DREFUSE"), "GetExtensionVersion returned FALSE"})
	}
	aside := func(name, why string) {
		f.until(name+" is put aside", func() bool {
			f.serves(1)
			reason, _ := os.ReadFile(f.path(".failed.txt")) // there is none yet
			return strings.Contains(string(reason), why) && f.exists(".failed")
		})
		f.has(f.Run, 1)
		f.gone(".update", ".backup")
		if err := os.Remove(f.path(".failed.txt")); err != nil {
			f.Error(err)
		}
	}
	for _, c := range files {
		f.put(".update", c.b)
		aside(c.name, c.why)
		f.holds(".failed", c.b)
		f.rename(f.Run, c.b)
		aside(c.name+", overwritten", c.why)
		f.holds(".failed", c.b)
	}
	for _, c := range []struct {
		name string
		make func(path string) error
		why  string
		mode fs.FileMode
	}{
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "it is a directory", fs.ModeDir},
		{"pipe", func(p string) error { return unix.Mkfifo(p, 0o600) }, "it is a named pipe", fs.ModeNamedPipe},
		{"link", func(p string) error { return os.Symlink(f.Run, p) }, "it is a symbolic link", fs.ModeSymlink},
		{"link to nothing", func(p string) error { return os.Symlink("nothing", p) }, "it is a symbolic link", fs.ModeSymlink},
	} {
		if err := c.make(f.path(".update")); err != nil {
			f.Fatal(err)
		}
		aside(c.name, c.why)
		if st, err := os.Lstat(f.path(".failed")); err != nil || st.Mode().Type() != c.mode {
			f.Errorf("%s: %v, %v", c.name, st, err)
		}
	}
	f.put(".update", Version(f, 2))
	f.becomes(2, 1)
}

// slowly: a file is not touched while somebody writes to it, nor a half one whose writer pauses.
func slowly(f *folder) {
	whole := Version(f, 2)
	file, err := os.Create(f.path(".update"))
	if err != nil {
		f.Fatal(err)
	}
	const pieces = 8
	for i := range pieces {
		if i == pieces/2 { // the writer comes back
			file.Close()
			f.serves(1)
			if file, err = os.OpenFile(f.path(".update"), os.O_WRONLY|os.O_APPEND, 0); err != nil {
				f.Fatal(err)
			}
		}
		if _, err := file.Write(whole[len(whole)*i/pieces : len(whole)*(i+1)/pieces]); err != nil {
			f.Fatal(err)
		}
		for range 5 {
			f.serves(1)
		}
		f.gone(".failed", ".backup")
	}
	if err := file.Close(); err != nil {
		f.Fatal(err)
	}
	f.becomes(2, 1)
	f.has(f.Run, 2)
	f.gone(".update", ".failed")
}

// newest: of files dropped one after the other the last serves in the end.
func newest(f *folder) {
	for n := 2; n <= 6; n++ {
		f.put(".update", Version(f, n))
	}
	f.until("answered 6", func() bool { return f.Answer() == "6" })
	f.has(f.Run, 6)
	f.gone(".update", ".failed")
}

// others: what is not of the protocol stays as it is.
func others(f *folder) {
	names := []string{"other.update", f.name + "2.update", f.name + ".ini", f.name + ".updated", "." + f.name + ".update", f.name + ".update.part"}
	for _, name := range names {
		f.write(name, []byte(name))
	}
	f.put(".update", Version(f, 2))
	f.becomes(2, 1)
	f.put(".update", []byte("this is no library"))
	f.until("put aside", func() bool { return f.exists(".failed") && !f.exists(".update") })
	for _, name := range names {
		if b, err := os.ReadFile(filepath.Join(f.Folder, name)); err != nil || string(b) != name {
			f.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// again: what was taken is what runs from then on, and what came while nobody looked is taken.
func again(f *folder) {
	f.put(".update", Version(f, 2))
	f.becomes(2, 1)
	f.Again()
	f.serves(2)
	f.has(f.name+".backup", 1)
	f.put(".update", Version(f, 3))
	f.Again()
	f.becomes(3, 2)
	f.has(f.Run, 3)
	f.has(f.name+".backup", 2)
}

// path is that of a file of the protocol, by the end of its name.
func (f *folder) path(end string) string { return filepath.Join(f.Folder, f.name+end) }

// put has a file of the protocol appear in one step.
func (f *folder) put(end string, b []byte) {
	f.Helper()
	f.rename(f.name+end, b)
}

func (f *folder) rename(name string, b []byte) {
	f.Helper()
	f.write("part", b)
	if err := os.Rename(filepath.Join(f.Folder, "part"), filepath.Join(f.Folder, name)); err != nil {
		f.Fatal(err)
	}
}

func (f *folder) write(name string, b []byte) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.Folder, name), b, 0o755); err != nil {
		f.Fatal(err)
	}
}

func (f *folder) exists(end string) bool {
	_, err := os.Lstat(f.path(end))
	return err == nil
}

// gone fails the test if there is one of these files.
func (f *folder) gone(ends ...string) {
	f.Helper()
	for _, end := range ends {
		if f.exists(end) {
			f.Errorf("there is %s", f.name+end)
		}
	}
}

// has fails the test unless a file is that version.
func (f *folder) has(name string, version int) {
	f.Helper()
	if b, err := os.ReadFile(filepath.Join(f.Folder, name)); err != nil || !bytes.Equal(b, Version(f, version)) {
		f.Errorf("%s is not version %d: %d bytes, %v", name, version, len(b), err)
	}
}

func (f *folder) holds(end string, want []byte) {
	f.Helper()
	if b, err := os.ReadFile(f.path(end)); err != nil || !bytes.Equal(b, want) {
		f.Errorf("%s: %d bytes, %v; want %d others", f.name+end, len(b), err, len(want))
	}
}

func (f *folder) serves(version int) {
	f.Helper()
	if got, want := f.Answer(), fmt.Sprint(version); got != want {
		f.Errorf("answered %q, want %s", got, want)
	}
}

// becomes waits until a version serves. Until then the one before does.
func (f *folder) becomes(version, before int) {
	f.Helper()
	f.until(fmt.Sprintf("answered %d", version), func() bool {
		got := f.Answer()
		if got != fmt.Sprint(version) && got != fmt.Sprint(before) {
			f.Fatalf("answered %q, want %d or %d", got, before, version)
		}
		return got == fmt.Sprint(version)
	})
	f.until("written down", func() bool { return !f.exists(".update") })
}

func (f *folder) until(what string, fact func() bool) {
	f.Helper()
	for end := time.Now().Add(time.Minute); !fact(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("never: %s", what)
		}
	}
}
