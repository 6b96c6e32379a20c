package image

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("IMAGE_TEST_STAGE_IN"); dir != "" {
		stageAndWait(dir)
	}
	os.Exit(m.Run())
}

// stageAndWait is a process that stages an image, says so, and waits for its end.
func stageAndWait(dir string) {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	s, err := Stage(path, dir)
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(s.Path + "\n")
	os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestStageWrongVersion: bytes that do not have the hash are not staged.
func TestStageWrongVersion(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	image, file := filepath.Join(from, "shop.so"), write(t, from, "v2", "x")
	wrong := strings.Repeat("0", 64)
	_, err := StageVersion(image, file, wrong, dir)
	want := fmt.Sprintf("stage %q from %q: it is not the version that is wanted: its SHA-256 is %s, and should be %s",
		image, file, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", wrong)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// TestSourceChanges changes the source at the point of Stage where the copy has been made and not yet been verified.
func TestSourceChanges(t *testing.T) {
	tests := []struct {
		name   string
		change func(path string) error
		want   error
	}{
		{"not at all", func(string) error { return nil }, nil},
		{"longer", func(p string) error { return appendTo(p, "y") }, ErrChanged},
		{"shorter", func(p string) error { return os.Truncate(p, 1) }, ErrChanged},
		{"replaced by the same", func(p string) error {
			return errors.Join(os.WriteFile(p+".new", []byte("old"), 0o600), os.Rename(p+".new", p))
		}, ErrChanged},
		{"removed", os.Remove, ErrChanged},
		{"same size and time", func(p string) error {
			st, err := os.Stat(p)
			return errors.Join(err, os.WriteFile(p, []byte("new"), 0), os.Chtimes(p, st.ModTime(), st.ModTime()))
		}, ErrChanged},
	}
	for _, test := range tests {
		path := write(t, t.TempDir(), "a.so", "old")
		src, before, err := openImage(path)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		var dst bytes.Buffer
		_, n, err := copyHashing(&dst, src)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS == "windows" && (test.name == "replaced by the same" || test.name == "removed") {
			continue // the one has to wait as long as the file is open, the other is seen when it is closed
		}
		if err := test.change(path); err != nil {
			t.Fatal(err)
		}
		if err := unchanged(src, before, bytes.NewReader(dst.Bytes()), n); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func TestStageManySiblings(t *testing.T) {
	from := t.TempDir()
	for n := range maxLinks + 10 {
		write(t, from, "a"+string(rune('0'+n%10))+strings.Repeat("x", n/10), "")
	}
	write(t, from, "zlib.so.1", "")
	s, err := Stage(write(t, from, "image.so", "x"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Remove()
	got := names(t, filepath.Dir(s.Path))
	if len(got) != maxLinks+1 || !slices.Contains(got, "zlib.so.1") || !slices.Contains(got, "image.so") {
		t.Errorf("got %d entries, zlib.so.1 %v", len(got), slices.Contains(got, "zlib.so.1"))
	}
	if st, err := os.Lstat(s.Path); err != nil || !st.Mode().IsRegular() {
		t.Errorf("the image itself: %v, %v", st, err)
	}
}

// TestLeftBehind kills one process that has a staged image and lets another live; a third cleans up after the first only.
func TestLeftBehind(t *testing.T) {
	dir := t.TempDir()
	start := func() (path string, end func()) {
		cmd := exec.Command(executable(t))
		cmd.Env = append(os.Environ(), "IMAGE_TEST_STAGE_IN="+dir)
		cmd.Stderr = os.Stderr
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end = sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })
		t.Cleanup(end)
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line), end
	}
	alive, _ := start()
	dead, kill := start()
	kill()
	if _, err := os.Stat(dead); err != nil {
		t.Fatalf("a killed process leaves its image: %v", err)
	}
	stranger := filepath.Join(dir, homePrefix()+"file")
	os.WriteFile(stranger, nil, 0o600)
	young := filepath.Join(dir, homePrefix()+"young") // somebody is about to lock it
	os.Mkdir(young, 0o700)

	s, err := Stage(write(t, t.TempDir(), "a.so", "x"), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Remove()
	if _, err := os.Stat(filepath.Dir(filepath.Dir(dead))); !os.IsNotExist(err) {
		t.Errorf("the folder of the dead process: %v", err)
	}
	for _, path := range []string{alive, stranger, young} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("it should be left alone: %v", err)
		}
	}
}

func TestStageConcurrently(t *testing.T) {
	dir, path := t.TempDir(), write(t, t.TempDir(), "a.so", "x")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				s, err := Stage(path, dir)
				if err != nil {
					t.Error(err)
					return
				}
				if b, err := os.ReadFile(s.Path); string(b) != "x" {
					t.Errorf("got %q, %v", b, err)
				}
				if err := s.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// TestHomeDisappears has somebody clean up the temporary folder below a running process.
func TestHomeDisappears(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody can remove the lock, which is open")
	}
	dir, path := t.TempDir(), write(t, t.TempDir(), "a.so", "x")
	a, err := Stage(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(filepath.Dir(a.Path))); err != nil {
		t.Fatal(err)
	}
	b, err := Stage(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Remove(), b.Remove()); err != nil {
		t.Error(err)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
}
