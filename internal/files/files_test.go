package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMkdirTemp(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	for range 20 {
		path, err := MkdirTempPrivate(dir, "isapid-*-x")
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		if filepath.Dir(path) != dir || seen[name] || !strings.HasPrefix(name, "isapid-") || !strings.HasSuffix(name, "-x") {
			t.Errorf("got %q", path)
		}
		seen[name] = true
		if err := os.WriteFile(filepath.Join(path, "file"), nil, 0o600); err != nil {
			t.Error(err)
		}
	}
	if path, err := MkdirTempPrivate(filepath.Join(dir, "none"), "x"); err == nil {
		t.Errorf("made %q in no folder", path)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b")
	for range 2 {
		if err := MkdirAllPrivate(path); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(path, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "c")} {
		if err := MkdirAllPrivate(path); err == nil {
			t.Errorf("made %q, where there is a file", path)
		}
	}
}

func TestRemoveAll(t *testing.T) {
	dir := t.TempDir()
	keep := filepath.Join(dir, "keep")
	tree := filepath.Join(dir, "tree")
	for _, d := range []string{keep, filepath.Join(tree, "a", "b"), filepath.Join(tree, "empty")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{filepath.Join(keep, "file"), filepath.Join(tree, "file"), filepath.Join(tree, "a", "b", "file")} {
		if err := os.WriteFile(f, nil, 0o400); err != nil { // on Windows it is marked read-only
			t.Fatal(err)
		}
	}
	_ = os.Symlink(keep, filepath.Join(tree, "link")) // where it may be made
	link(t, keep, filepath.Join(tree, "a", "folder link"))
	for range 2 {
		if err := RemoveAll(tree); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(tree); !os.IsNotExist(err) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(keep, "file")); err != nil {
		t.Errorf("it went through a link: %v", err)
	}
	if err := RemoveAll(filepath.Join(keep, "file")); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(keep); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestOpenFile: who has a file open sees what is in it, whatever others do to its name.
func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if f, err := OpenFile(path, os.O_RDONLY, 0); err == nil {
		t.Errorf("opened %s, which is not there", f.Name())
		f.Close()
	} else if !os.IsNotExist(err) {
		t.Error(err)
	}
	f, err := OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	add := func(text string) {
		t.Helper()
		if _, err := f.WriteString(text); err != nil {
			t.Error(err)
		}
	}
	add("one ")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	add("two ")
	other, err := OpenFile(path+".old", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.WriteString("ONE"); err != nil {
		t.Error(err)
	}
	add("three")
	if b, err := os.ReadFile(path + ".old"); err != nil || string(b) != "ONE two three" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := OpenFile(path+".old", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); !os.IsExist(err) {
		t.Errorf("it is there already: %v", err)
	}
	if err := os.Remove(path + ".old"); err != nil {
		t.Error(err)
	}
	add("four") // to nobody
	fresh, err := OpenFile(path+".old", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	fresh.Close()
	if st, err := os.Stat(path + ".old"); err != nil || st.Size() != 0 {
		t.Errorf("%v, %v", st, err)
	}
}

// TestOpenFolder: a folder can be opened and read.
func TestOpenFolder(t *testing.T) {
	dir := t.TempDir()
	f, err := OpenFile(dir, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.IsDir() {
		t.Errorf("%v, %v", st, err)
	}
}

// TestRename: a file takes the place of another one as soon as nobody has that open.
func TestRename(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, path := range []string{from, to} {
		if err := os.WriteFile(path, []byte(path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- Rename(from, to) }()
	f.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(to); err != nil || string(b) != from {
		t.Errorf("got %q, %v", b, err)
	}
	if err := Rename(from, to); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

// TestRemove: a file goes as soon as nobody has it open.
func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- Remove(path) }()
	f.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Remove(path); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

// TestTruncate: also a file that is appended to can be made shorter, and what is appended then comes right after.
func TestTruncate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString("one two")
	if err := Truncate(f, path, 3); err != nil {
		t.Fatal(err)
	}
	f.WriteString(" three")
	if b, err := os.ReadFile(path); err != nil || string(b) != "one three" {
		t.Errorf("got %q, %v", b, err)
	}
}
