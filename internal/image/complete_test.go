package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func complete(b []byte) error { return Complete(bytes.NewReader(b), int64(len(b))) }

// TestCompleteCut: no beginning of a library is complete, and what is missing is never less than it was.
func TestCompleteCut(t *testing.T) {
	images := corpus(t, "*-*")
	dir := t.TempDir()
	for _, how := range []struct{ cc, name, flag string }{
		{"gcc", "symbols.so", "-g"}, {"gcc", "stripped.so", "-s"},
		{"x86_64-w64-mingw32-gcc", "symbols.dll", "-g"}, {"x86_64-w64-mingw32-gcc", "stripped.dll", "-s"},
	} {
		images[how.name] = read(t, compile(t, how.cc, dir, how.name, extensionSource, "-shared", "-fPIC", how.flag))
	}
	for name, b := range images {
		if err := complete(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := complete(append(b[:len(b):len(b)], "more"...)); err != nil {
			t.Errorf("%s and more: %v", name, err)
		}
		wanted := int64(0)
		for n := range b {
			if len(b) > 20000 && n > 1000 && n%97 != 0 {
				continue
			}
			err := complete(b[:n])
			if n > 0 && n < 4 { // too short to be anything
				if !errors.Is(err, ErrNotImage) {
					t.Fatalf("%d bytes of %s: %v, want %v", n, name, err, ErrNotImage)
				}
				continue
			}
			var cut *TruncatedError
			if !errors.As(err, &cut) || cut.Have != int64(n) || cut.Want <= int64(n) || cut.Want > int64(len(b)) && n >= 1024 {
				t.Fatalf("%d bytes of %d of %s: %v", n, len(b), name, err)
			}
			if cut.Want < wanted {
				t.Fatalf("%d bytes of %s: %v, of one less it should have %d", n, name, err, wanted)
			}
			wanted = cut.Want
			i := parseBytes(b[:n])
			if n > 0 && i.Incomplete == "" && !cut.Loads {
				t.Fatalf("%d bytes of %s: %v, but Inspect finds nothing missing", n, name, err)
			}
		}
	}
}

func TestCompleteOthers(t *testing.T) {
	elf := corpus(t, "elf-amd64")["elf-amd64"]
	change := func(off int, value uint64) []byte {
		b := bytes.Clone(elf)
		binary.LittleEndian.PutUint64(b[off:], value)
		return b
	}
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "truncated: 0 bytes of 1"},
		{"text", []byte("int main"), "neither an ELF nor a PE file"},
		{"script", []byte("#!/bin/sh"), "neither an ELF nor a PE file"},
		{"section headers beyond what an image may have", change(40, 1<<40), ""},
		{"section headers at the end of numbers", change(40, ^uint64(63)), ""},
		{"section headers a little away", change(40, uint64(len(elf))), fmt.Sprintf("truncated: %d bytes of ", len(elf))},
	}
	for _, test := range tests {
		got := ""
		if err := complete(test.b); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCompleteUnreadable(t *testing.T) {
	path := write(t, t.TempDir(), "a.so", string(corpus(t, "elf-amd64")["elf-amd64"]))
	f, st, err := openImage(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := Complete(f, st.Size()); err == nil {
		t.Error("a file that cannot be read is complete")
	}
}

func FuzzComplete(f *testing.F) {
	for _, b := range corpus(f, "*-*") {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := complete(b)
		var cut *TruncatedError
		if err != nil && !errors.Is(err, ErrNotImage) && (!errors.As(err, &cut) || cut.Want <= cut.Have) {
			t.Error(err)
		}
		if i := parseBytes(b); errors.Is(err, ErrNotImage) != (len(b) > 0 && i.Format != FormatELF && i.Format != FormatPE) {
			t.Errorf("%v, but the format is %s", err, i.Format)
		}
	})
}
