package update

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/image"
)

// site is a folder with an image in it, of which a staged copy is loaded.
type site struct {
	t      *testing.T
	f      *Files
	staged *image.Staged
}

// version is a library of the system, two different ones.
func version(t *testing.T, n int) []byte {
	t.Helper()
	system, err := windows.GetSystemDirectory()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(system, []string{"version.dll", "winmm.dll"}[n]))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, f: New(filepath.Join(t.TempDir(), "shop.dll"), false)}
	put(t, s.f.Image(), version(t, 0))
	staged, err := image.Stage(s.f.Image(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	lib, err := windows.LoadLibrary(staged.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(windows.FreeLibrary(lib), staged.Remove()); err != nil {
			t.Error(err)
		}
	})
	s.staged = staged
	s.f.Serving(staged.SHA256)
	return s
}

// candidate waits for one.
func (s *site) candidate() Candidate {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		sight := s.f.Look()
		if sight.Err != nil {
			s.t.Fatal(sight.Err)
		}
		if sight.Candidate != nil {
			return *sight.Candidate
		}
	}
	s.t.Fatalf("no candidate: %+v", s.f.Look())
	return Candidate{}
}

func (s *site) copy() Copy { return Copy{Path: s.staged.Path, SHA256: s.staged.SHA256} }

func (s *site) has(path string, want []byte) {
	s.t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != string(want) {
		s.t.Errorf("%s: %d bytes, %v; want %d", filepath.Base(path), len(b), err, len(want))
	}
}

// TestDropped: a file that is dropped takes the place of the image while that is loaded; what gave way is kept.
func TestDropped(t *testing.T) {
	s := newSite(t)
	put(t, s.f.Update(), version(t, 1))
	c := s.candidate()
	if c.Kind != Dropped || c.Refuse != "" {
		t.Errorf("got %+v", c)
	}
	backup, err := s.f.Accept(c, s.copy(), 2)
	if err != nil {
		t.Fatal(err)
	}
	s.has(s.f.Run(), version(t, 1))
	s.has(backup, version(t, 0))
	if _, err := os.Stat(s.f.Update()); !os.IsNotExist(err) {
		t.Errorf("the candidate is left: %v", err)
	}
	failed, err := s.f.TakeBack(s.copy(), "it is bad")
	if err != nil {
		t.Fatal(err)
	}
	s.has(s.f.Run(), version(t, 0))
	s.has(failed, version(t, 1))
}

// TestOverwritten: the image itself is overwritten while it is loaded, and refused.
func TestOverwritten(t *testing.T) {
	s := newSite(t)
	put(t, s.f.Run(), version(t, 1))
	c := s.candidate()
	if c.Kind != Overwritten || c.Refuse != "" {
		t.Errorf("got %+v", c)
	}
	failed, err := s.f.Reject(c, s.copy(), "it is bad")
	if err != nil {
		t.Fatal(err)
	}
	s.has(s.f.Run(), version(t, 0))
	s.has(failed, version(t, 1))
	if b, err := os.ReadFile(s.f.FailedText()); err != nil || !strings.Contains(string(b), "it is bad") {
		t.Errorf("got %q, %v", b, err)
	}
	if sight := s.f.Look(); sight.Candidate != nil || sight.Err != nil {
		t.Errorf("after it was put aside: %+v", sight)
	}
}

// TestWriter: a file that somebody still writes, for himself alone or not, is none yet.
func TestWriter(t *testing.T) {
	for name, share := range map[string]uint32{"alone": 0, "shared": windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			path, err := windows.UTF16PtrFromString(s.f.Update())
			if err != nil {
				t.Fatal(err)
			}
			h, err := windows.CreateFile(path, windows.GENERIC_WRITE, share, nil, windows.CREATE_NEW, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			f := os.NewFile(uintptr(h), "writer")
			defer f.Close()
			if _, err := f.Write(version(t, 1)); err != nil {
				t.Fatal(err)
			}
			for range 20 { // it is whole, but who knows
				sight := s.f.Look()
				if sight.Candidate != nil || sight.Err != nil || sight.Why == "" {
					t.Fatalf("while it is written: %+v", sight)
				}
				time.Sleep(5 * time.Millisecond)
			}
			f.Close()
			if c := s.candidate(); c.Refuse != "" {
				t.Errorf("got %+v", c)
			}
		})
	}
}

// TestReader: who reads the files, as a scanner does to each that is new, only delays what is done with them.
func TestReader(t *testing.T) {
	s := newSite(t)
	put(t, s.f.Update(), version(t, 1))
	c := s.candidate()
	scanner, err := os.Open(s.f.Update())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := s.f.Accept(c, s.copy(), 2)
		done <- err
	}()
	time.AfterFunc(50*time.Millisecond, func() { scanner.Close() })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.has(s.f.Run(), version(t, 1))
}

// TestNotices: the system tells of changes in a folder, long before the next poll.
func TestNotices(t *testing.T) {
	folder := t.TempDir()
	changed := make(chan string, 100)
	w := NewWatcher(time.Hour, func(folder string) { changed <- folder }, func(folder string, err error) { t.Errorf("%s: %v", folder, err) })
	defer w.Close()
	w.Add(folder)
	next := func(what string) {
		t.Helper()
		select {
		case got := <-changed:
			if got != folder {
				t.Errorf("%s: notice of %q", what, got)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: no notice", what)
		}
	}
	next("added")
	put(t, filepath.Join(folder, "a"), nil)
	next("made")
	for len(changed) > 0 {
		<-changed
	}
	if err := os.Rename(filepath.Join(folder, "a"), filepath.Join(folder, "b")); err != nil {
		t.Fatal(err)
	}
	next("renamed")
}

// TestLock: who has another process's lock waits for it.
func TestLock(t *testing.T) {
	s := newSite(t)
	lock, err := os.OpenFile(s.f.LockFile(), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if ok, err := tryLock(lock); !ok || err != nil {
		t.Fatal(ok, err)
	}
	again, err := os.OpenFile(s.f.LockFile(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if ok, err := tryLock(again); ok || err != nil {
		t.Fatalf("locked twice: %v, %v", ok, err)
	}
	done := make(chan error)
	go func() { done <- s.f.Append(Entry{Kind: "trial"}) }()
	lock.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
