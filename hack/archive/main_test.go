package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSameBytes(t *testing.T) {
	files := map[string]string{"isapid-1/bin/isapid": "program", "isapid-1/README.md": "text", "isapid-1/a/b/c": ""}
	for _, ending := range []string{".tar.gz", ".zip"} {
		var first []byte
		for n := range 2 {
			root := t.TempDir()
			for name, text := range files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				mode := os.FileMode(0o600 + 0o40*os.FileMode(n)) // who made it may have had another umask
				if filepath.Base(name) == "isapid" {
					mode |= 0o100
				}
				if err := os.WriteFile(path, []byte(text), mode); err != nil {
					t.Fatal(err)
				}
				when := time.Unix(int64(1e9+n*1000), 0)
				if err := os.Chtimes(path, when, when); err != nil {
					t.Fatal(err)
				}
			}
			out := filepath.Join(t.TempDir(), "out"+ending)
			if err := pack(out, filepath.Join(root, "isapid-1"), "1700000000"); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				first = data
			} else if !bytes.Equal(first, data) {
				t.Errorf("%s: the same files give other bytes", ending)
			}
		}
		if got := unpack(t, ending, first); !maps.Equal(got, files) {
			t.Errorf("%s has %v", ending, got)
		}
	}
}

// unpack reads an archive, and checks times and modes.
func unpack(t *testing.T, ending string, data []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	add := func(name string, when time.Time, mode os.FileMode, r io.Reader) {
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
		if when.Unix() != 1700000000 {
			t.Errorf("%s: time %v", name, when)
		}
		if want := map[bool]os.FileMode{true: 0o755, false: 0o644}[name == "isapid-1/bin/isapid"]; mode != want {
			t.Errorf("%s: mode %v, want %v", name, mode, want)
		}
	}
	if ending == ".zip" {
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, f.Modified, f.Mode(), r)
			r.Close()
		}
		return files
	}
	g, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(g); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		add(h.Name, h.ModTime, h.FileInfo().Mode(), r)
	}
}

func TestBadCalls(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "x.zip")
	if err := pack(out, dir, ""); err == nil {
		t.Error("no time is needed")
	}
	if err := pack(filepath.Join(t.TempDir(), "x.rar"), dir, "1"); err == nil {
		t.Error("there are other archives")
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := pack(out, dir, "1"); err == nil {
		t.Error("a link is packed")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a half archive is left")
	}
}
