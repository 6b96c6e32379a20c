//go:build unix

package image

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestStage(t *testing.T) {
	from, dir := t.TempDir(), filepath.Join(t.TempDir(), "made", "as needed")
	path := compile(t, "gcc", from, "shop.so", extensionSource, "-shared", "-fPIC", "-Wl,--build-id=0xc0ffee")
	write(t, from, "shop.ini", "colour=red")
	os.Symlink("shop.so", filepath.Join(from, "shop.so.1"))
	os.Symlink("nowhere", filepath.Join(from, "dangling"))
	a, err := Stage(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Stage(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	if a.Path == b.Path || filepath.Base(a.Path) != "shop.so" || !strings.HasPrefix(a.Path, dir+"/") {
		t.Errorf("paths %q and %q", a.Path, b.Path)
	}
	i := inspect(t, path)
	if a.SHA256 != i.SHA256 || a.Size != i.Size || a.BuildID != "c0ffee" || a.Source != path {
		t.Errorf("got %+v, want as %+v", a, i)
	}
	if string(read(t, a.Path)) != string(read(t, path)) {
		t.Error("the copy differs")
	}
	folder := filepath.Dir(a.Path)
	if want := []string{"dangling", "shop.ini", "shop.so", "shop.so.1"}; !slices.Equal(names(t, folder), want) {
		t.Errorf("got %q, want %q", names(t, folder), want)
	}
	if got := read(t, filepath.Join(folder, "shop.ini")); string(got) != "colour=red" {
		t.Errorf("shop.ini: got %q", got)
	}
	if got, _ := os.Readlink(filepath.Join(folder, "shop.so.1")); got != "shop.so" {
		t.Errorf("the image under another name: got a link to %q, want one to the copy", got)
	}
	for path, want := range map[string]os.FileMode{a.Path: 0o500, folder: 0o700, filepath.Dir(folder): 0o700, dir: 0o700} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, mode %v, want %v", path, err, st.Mode(), want)
		}
	}
	for range 2 {
		if err := a.Remove(); err != nil {
			t.Error(err)
		}
	}
	if string(read(t, b.Path)) != string(read(t, path)) {
		t.Error("removing one copy damaged the other")
	}
	if err := b.Remove(); err != nil {
		t.Error(err)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
	if want := []string{"dangling", "shop.ini", "shop.so", "shop.so.1"}; !slices.Equal(names(t, from), want) {
		t.Errorf("source folder: got %q, want %q", names(t, from), want)
	}
}

// TestStageVersion stages bytes from elsewhere, whatever is at the image's own path.
func TestStageVersion(t *testing.T) {
	other := t.TempDir()
	path := compile(t, "gcc", other, "v2", extensionSource, "-shared", "-fPIC", "-Wl,--build-id=0xc0ffee")
	write(t, other, "not-a-neighbour", "")
	sum := inspect(t, path).SHA256
	for _, test := range []struct {
		name, sum string
		lay       func(image string) error // what is at the image's path
	}{
		{"nothing there", sum, func(string) error { return nil }},
		{"garbage there", strings.ToUpper(sum), func(image string) error { return os.WriteFile(image, []byte("no image"), 0o600) }},
		{"a directory there", sum, func(image string) error { return os.Mkdir(image, 0o700) }},
		{"any hash", "", func(image string) error { return os.WriteFile(image, []byte("no image"), 0o600) }},
		{"no folder", sum, func(image string) error { return os.RemoveAll(filepath.Dir(image)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, dir := t.TempDir(), t.TempDir()
			image := filepath.Join(from, "shop.so")
			write(t, from, "shop.ini", "colour=red")
			os.Symlink("shop.so", filepath.Join(from, "shop.so.1"))
			if err := test.lay(image); err != nil {
				t.Fatal(err)
			}
			s, err := StageVersion(image, path, test.sum, dir)
			if err != nil {
				t.Fatal(err)
			}
			if s.Source != image || filepath.Base(s.Path) != "shop.so" || s.SHA256 != sum || s.BuildID != "c0ffee" {
				t.Errorf("got %+v", s)
			}
			if !bytes.Equal(read(t, s.Path), read(t, path)) {
				t.Error("the copy has other bytes")
			}
			want := []string{"shop.ini", "shop.so", "shop.so.1"}
			if test.name == "no folder" {
				want = []string{"shop.so"}
			}
			if got := names(t, filepath.Dir(s.Path)); !slices.Equal(got, want) {
				t.Errorf("beside the copy: %q, want %q", got, want)
			}
			if i, err := s.Inspect(); err != nil || i.Kind != KindExtension || i.SHA256 != sum || i.Size != s.Size {
				t.Errorf("inspected: %+v, %v", i, err)
			}
			if err := s.Remove(); err != nil {
				t.Error(err)
			}
			if left := names(t, dir); left != nil {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestStageInTemporaryFolder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path := write(t, t.TempDir(), "a.so", "x")
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	s, err := Stage(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(s.Path); st.Mode().Perm() != 0o400 {
		t.Errorf("mode %v, want 0400", st.Mode())
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if left := names(t, os.TempDir()); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestStageErrors(t *testing.T) {
	dir, from := t.TempDir(), t.TempDir()
	fifo := filepath.Join(from, "fifo.so")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	huge := write(t, from, "huge.so", "")
	if err := os.Truncate(huge, maxImage+1); err != nil {
		t.Fatal(err)
	}
	file := write(t, from, "file", "x")
	tests := []struct{ source, dir, want string }{
		{from, dir, "it is a directory; name the library in it"},
		{filepath.Join(from, "absent.so"), dir, "no such file or directory"},
		{fifo, dir, "it is neither a file nor a directory"},
		{huge, dir, "it has 1073741825 bytes, more than the 1073741824 an image may have"},
		{file, filepath.Join(file, "below"), "not a directory"},
	}
	for _, test := range tests {
		_, err := Stage(test.source, test.dir)
		if err == nil || !strings.HasPrefix(err.Error(), "stage \""+test.source+"\": ") || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("got %v, want …%s", err, test.want)
		}
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestNoexec(t *testing.T) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 4 || !slices.Contains(strings.Split(f[3], ","), "noexec") || f[1] == "/proc" || !filepath.IsLocal(f[1][1:]) {
			continue
		}
		if st, err := os.Stat(f[1]); err != nil || !st.IsDir() {
			continue
		}
		_, err := Stage(os.Args[0], f[1])
		want := `no code can be loaded from the staging folder "` + f[1] + `" (mount option noexec): set TMPDIR to a folder on another file system`
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want …%s", err, want)
		}
		return
	}
	t.Skip("no file system is mounted noexec here")
}

func TestStageUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	path := write(t, t.TempDir(), "a.so", "x")
	os.Chmod(path, 0)
	if _, err := Stage(path, t.TempDir()); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

// TestFullDisk copies to the device that is always full.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	if _, _, err := copyHashing(full, strings.NewReader("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

// TestStageIn: the copy is made in a folder that has what lies beside the image, and only the copy goes.
func TestStageIn(t *testing.T) {
	from, folder := t.TempDir(), t.TempDir()
	path := write(t, from, "shop.dll", "x")
	write(t, from, "shop.ini", "colour=red")
	write(t, from, "SHOP.DLL", "another one for some, not for all")
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := LinkBeside(root, path); err != nil {
		t.Fatal(err)
	}
	s, err := StageIn(path, path, "", folder)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"shop.dll", "shop.ini"}; !slices.Equal(names(t, folder), want) {
		t.Errorf("got %q, want %q", names(t, folder), want)
	}
	if s.Path != filepath.Join(folder, "shop.dll") || s.Source != path || string(read(t, s.Path)) != "x" {
		t.Errorf("got %+v", s)
	}
	if again, err := StageIn(path, path, "", folder); err == nil {
		t.Errorf("staged twice: %+v", again)
	}
	for range 2 {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"shop.ini"}; !slices.Equal(names(t, folder), want) {
		t.Errorf("got %q, want %q", names(t, folder), want)
	}
	if _, err := StageIn(path, path, "wrong", folder); err == nil || !strings.Contains(err.Error(), "not the version that is wanted") {
		t.Errorf("got %v", err)
	}
	if want := []string{"shop.ini"}; !slices.Equal(names(t, folder), want) {
		t.Errorf("after an error: %q, want %q", names(t, folder), want)
	}
}
