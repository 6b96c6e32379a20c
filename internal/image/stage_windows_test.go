package image

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/underwine"
)

// onWine tells whether this is Wine, which has neither symbolic links nor junctions, and lets libraries be deleted that are loaded.
func onWine() bool {
	return underwine.Version() != ""
}

// library is a folder with a library of the system in it.
func library(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	system, err := windows.GetSystemDirectory()
	if err != nil {
		t.Fatal(err)
	}
	return dir, write(t, dir, "shop.dll", string(read(t, filepath.Join(system, "version.dll"))))
}

// TestStage: the copy has what lies beside the image, and when it goes that stays.
func TestStage(t *testing.T) {
	from, path := library(t)
	dir := filepath.Join(t.TempDir(), "made", "as needed")
	write(t, from, "Shop.ini", "colour=red")
	write(t, from, "Isapid-worker-386.exe", "runs")
	if own := executable(t); filepath.VolumeName(own) == filepath.VolumeName(from) {
		if err := os.Link(own, filepath.Join(from, "server.exe")); err != nil {
			t.Fatal(err)
		}
	}
	write(t, from, "helper.dll", strings.Repeat("h", maxCopied+1))
	locked := write(t, from, "locked.txt", "read only")
	if err := os.Chmod(locked, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(from, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(from, "templates"), "a.txt", "hello")
	before := names(t, from)
	s, err := Stage(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(s.Path) != "shop.dll" || !bytes.Equal(read(t, s.Path), read(t, path)) {
		t.Errorf("got %+v", s)
	}
	folder := filepath.Dir(s.Path)
	for name, want := range map[string]string{"Shop.ini": "colour=red", "locked.txt": "read only"} {
		if got := string(read(t, filepath.Join(folder, name))); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
	for _, name := range []string{"Isapid-worker-386.exe", "server.exe"} {
		if _, err := os.Lstat(filepath.Join(folder, name)); !os.IsNotExist(err) {
			t.Errorf("%s, a program of ours, is beside the copy: %v", name, err)
		}
	}
	if st, err := os.Stat(filepath.Join(folder, "helper.dll")); err != nil || st.Size() != maxCopied+1 {
		t.Errorf("helper.dll: %v, %v", st, err)
	}
	if !onWine() && string(read(t, filepath.Join(folder, "templates", "a.txt"))) != "hello" {
		t.Error("a folder beside the image is not beside the copy")
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
	if got := names(t, from); !slices.Equal(got, before) || string(read(t, filepath.Join(from, "templates", "a.txt"))) != "hello" {
		t.Errorf("the source's folder has %q, had %q", got, before)
	}
	if st, err := os.Stat(locked); err != nil || st.Mode()&0o200 != 0 {
		t.Errorf("a file that was read-only: %v, %v", st.Mode(), err)
	}
}

// TestStageLoaded: while the copy is loaded the source is free to be overwritten, renamed and removed. The copy goes when it is unloaded.
func TestStageLoaded(t *testing.T) {
	from, path := library(t)
	dir := t.TempDir()
	s, err := Stage(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	lib, err := windows.LoadLibrary(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, from, "shop.dll", "a new version")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path + ".old"); err != nil {
		t.Error(err)
	}
	if err := s.Remove(); err == nil && !onWine() {
		t.Error("a loaded library is removed")
	}
	if err := windows.FreeLibrary(lib); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// TestCopied: on another volume a library and small files are copied, and others left out.
func TestCopied(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for name, size := range map[string]int{"small.txt": 3, "large.dll": maxCopied + 1} {
		if err := copyBeside(write(t, from, name, strings.Repeat("x", size)), filepath.Join(to, name)); err != nil {
			t.Error(err)
		}
		if got := len(read(t, filepath.Join(to, name))); got != size {
			t.Errorf("%s: %d bytes", name, got)
		}
	}
	if err := copyBeside(filepath.Join(from, "none"), filepath.Join(to, "none")); err != nil {
		t.Error(err)
	}
	if got := names(t, to); !slices.Equal(got, []string{"large.dll", "small.txt"}) {
		t.Errorf("got %q", got)
	}
}

// TestMountPoint: the bytes of a junction. The expected ones are laid out by hand from the documentation of REPARSE_DATA_BUFFER.
func TestMountPoint(t *testing.T) {
	got, err := mountPoint(`C:\x`)
	if err != nil {
		t.Fatal(err)
	}
	want := "030000a0" + "2400" + "0000" + // tag, length of what follows, nothing
		"0000" + "1000" + "1200" + "0800" + // where the names are, and their lengths
		"5c003f003f005c0043003a005c0078000000" + // \??\C:\x
		"43003a005c0078000000" // C:\x
	if hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
	if _, err := mountPoint(`C:\` + strings.Repeat("x", 10_000)); err == nil {
		t.Error("a path that has no room is taken")
	}
	if _, err := mountPoint("C:\\a\x00b"); err == nil {
		t.Error("NUL is taken")
	}
}
