//go:build linux

package update

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// build is a complete ELF file of size bytes, one of many: its name is in it. It has a header, and one section header at its end.
func build(name string, size int) []byte {
	b := make([]byte, size)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], 3)               // ET_DYN
	le.PutUint16(b[18:], 62)              // x86-64
	le.PutUint32(b[20:], 1)               // version
	le.PutUint64(b[40:], uint64(size-64)) // section headers
	le.PutUint16(b[52:], 64)              // header size
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[58:], 64) // of a section header
	le.PutUint16(b[60:], 1)
	copy(b[64:size-64], strings.Repeat("build "+name+"; ", (size-128)/(len(name)+8)))
	return b
}

const buildSize = 300 << 10 // more than a chunk

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// hashes are those of the builds, made when they are asked for.
var hashes sync.Map

func hashOfBuild(name string) string {
	sum, ok := hashes.Load(name)
	if !ok {
		sum = hash(build(name, buildSize))
		hashes.Store(name, sum)
	}
	return sum.(string)
}

// folder is the folder of an image, proposal.so.
type folder struct {
	*Files
	t       testing.TB
	private string // where the copies are
}

// newFolder makes a folder with builds, as in "proposal.so=a proposal.update=b". The version in force is "a".
func newFolder(t testing.TB, builds string) *folder {
	t.Helper()
	f := &folder{t: t, private: t.TempDir()}
	dir := t.TempDir()
	f.Files = New(filepath.Join(dir, "proposal.so"), false)
	f.Serving(hashOfBuild("a"))
	f.put(builds)
	return f
}

// put writes files anew.
func (f *folder) put(builds string) {
	f.t.Helper()
	for _, part := range strings.Fields(builds) {
		name, content, _ := strings.Cut(part, "=")
		b := []byte(content)
		if len(content) == 1 {
			b = build(content, buildSize)
		}
		path := filepath.Join(f.folder, name)
		os.Remove(path)
		if err := os.WriteFile(path, b, 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
}

// copy is a private copy of a build.
func (f *folder) copy(name string) Copy {
	f.t.Helper()
	b := build(name, buildSize)
	path := filepath.Join(f.private, name)
	if err := os.WriteFile(path, b, 0o555); err != nil && !errors.Is(err, os.ErrPermission) {
		f.t.Fatal(err)
	}
	return Copy{path, hash(b)}
}

// state is what is in the folder, as in put. Of a text there is only "text"; what says nothing of the protocol is left out.
func (f *folder) state() string {
	entries, err := os.ReadDir(f.folder)
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, ".journal") {
			continue
		}
		list = append(list, name+"="+contentOf(filepath.Join(f.folder, name)))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func contentOf(path string) string {
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		return err.Error()
	case st.IsDir():
		return "directory"
	case st.Mode()&os.ModeSymlink != 0:
		target, _ := os.Readlink(path)
		return "link:" + filepath.Base(target)
	case !st.Mode().IsRegular():
		return "special"
	case st.Size() > 1<<20:
		return "huge"
	case strings.HasSuffix(path, ".txt"):
		return "text"
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	sum := hash(b)
	for name := 'a'; name <= 'z'; name++ {
		if sum == hashOfBuild(string(name)) {
			return string(name)
		}
	}
	return fmt.Sprintf("%q", b[:min(len(b), 20)])
}

func (f *folder) want(state string) {
	f.t.Helper()
	if got := f.state(); got != state {
		f.t.Errorf("got  %s\nwant %s", got, state)
	}
}

// look looks until there is a candidate or nothing new.
func (f *folder) look() Sight {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		s := f.Look()
		if s.Again == 0 || s.Candidate != nil || s.Err != nil {
			return s
		}
		if time.Now().After(end) {
			f.t.Fatalf("still not there after a minute: %s", s.Why)
		}
		time.Sleep(s.Again)
	}
}

// candidate looks for one that must be there.
func (f *folder) candidate() Candidate {
	f.t.Helper()
	s := f.look()
	if s.Candidate == nil {
		f.t.Fatalf("no candidate: %+v in %s", s, f.state())
	}
	return *s.Candidate
}

func (f *folder) nothing() {
	f.t.Helper()
	if s := f.look(); s != (Sight{}) {
		f.t.Errorf("got %+v, want nothing new", s)
	}
}

func (f *folder) text() string {
	f.t.Helper()
	b, err := os.ReadFile(f.FailedText())
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

func wantError(t testing.TB, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("got error\n  %s\nwant\n  %s", got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
