//go:build linux

package update

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/image"
)

func TestLook(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	f.nothing()
	f.put("proposal.so=a") // the same bytes in another file
	f.nothing()
	f.put("proposal.update=b")
	for range 2 {
		c := f.candidate()
		if c.Path != f.Update() || c.Kind != Dropped || c.SHA256 != hashOfBuild("b") || c.Size != buildSize || c.Refuse != "" {
			t.Errorf("got %+v", c)
		}
	}
	f.put("proposal.update=c proposal.so=d")
	if c := f.candidate(); c.SHA256 != hashOfBuild("c") {
		t.Errorf("got %+v, want what was dropped first", c)
	}
	os.Remove(f.Update())
	if c := f.candidate(); c.Path != f.Image() || c.Kind != Overwritten || c.SHA256 != hashOfBuild("d") {
		t.Errorf("got %+v", c)
	}
	f.put("proposal.so.update=e")
	if c := f.candidate(); c.Kind != Dropped || c.SHA256 != hashOfBuild("e") {
		t.Errorf("the long form: got %+v", c)
	}
	os.Remove(filepath.Join(f.folder, "proposal.so.update"))
	f.put("proposal.so=a")
	f.nothing()
	os.Remove(f.Image())
	f.nothing()
	f.put("proposal.run=b")
	if c := f.candidate(); c.Path != f.path(".run") || c.Kind != Overwritten {
		t.Errorf("NAME.run: got %+v", c)
	}
}

// TestLookInPlace: the same file gets other bytes of the same size and time.
func TestLookInPlace(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	f.nothing()
	st, err := os.Stat(f.Image())
	must(t, err)
	must(t, os.WriteFile(f.Image(), build("b", buildSize), 0o755))
	must(t, os.Chtimes(f.Image(), time.Time{}, st.ModTime()))
	if c := f.candidate(); c.SHA256 != hashOfBuild("b") {
		t.Errorf("got %+v", c)
	}
}

func TestLookRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(path string) error
		want string
	}{
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "it is a directory: put the file itself there"},
		{"pipe", func(p string) error { return unix.Mkfifo(p, 0o600) }, "it is a named pipe (FIFO): put the file itself there"},
		{"link", func(p string) error { return os.Symlink("proposal.so", p) }, "it is a symbolic link: put the file itself there, or a hard link"},
		{"dangling link", func(p string) error { return os.Symlink("nowhere", p) }, "it is a symbolic link: put the file itself there, or a hard link"},
		{"looping link", func(p string) error { return os.Symlink(filepath.Base(p), p) }, "it is a symbolic link: put the file itself there, or a hard link"},
		{"socket", func(p string) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Bind(fd, &unix.SockaddrUnix{Name: p})
		}, "it is a socket: put the file itself there"},
		{"huge", func(p string) error {
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, image.MaxSize+1))
		}, "it has 1073741825 bytes, more than the 1073741824 an image may have"},
		{"empty", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "it is empty"},
		{"half", func(p string) error { return os.WriteFile(p, build("b", 9000)[:5000], 0o600) }, "truncated: 5000 bytes of 9000"},
		{"text", func(p string) error { return os.WriteFile(p, []byte("int main"), 0o600) }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t, "proposal.so=a")
			f.Settle, f.Patience = 5*time.Millisecond, 10*time.Millisecond
			must(t, test.make(f.Update()))
			c := f.candidate()
			if c.Refuse != test.want || c.Kind != Dropped {
				t.Errorf("got %+v, want refused: %q", c, test.want)
			}
			before := contentOf(f.Update())
			failed, err := f.Reject(c, f.copy("a"), "because")
			if err != nil || failed != f.Failed() {
				t.Errorf("%q, %v", failed, err)
			}
			f.want("proposal.failed.txt=text proposal.failed=" + before + " proposal.so=a")
			f.nothing()
		})
	}
}

// TestLookTruncated: a file cut at any 4 KiB is waited for, and refused in the end.
func TestLookTruncated(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	whole := build("b", 3<<20+1000)
	must(t, os.WriteFile(f.Update(), whole, 0o755))
	if c := f.candidate(); c.Refuse != "" {
		t.Fatalf("got %+v", c)
	}
	for size := int64(3 << 20); size >= 0; size -= 4 << 10 {
		must(t, os.Truncate(f.Update(), size))
		f.Patience = time.Hour
		if s := f.Look(); s.Candidate != nil || s.Why == "" || s.Again <= 0 || s.Again > f.Settle {
			t.Fatalf("%d bytes: got %+v, want to wait", size, s)
		}
		f.Patience = 0
		want := fmt.Sprintf("truncated: %d bytes of %d", size, len(whole))
		if size == 0 {
			want = "it is empty"
		}
		if s := f.Look(); s.Candidate == nil || s.Candidate.Refuse != want {
			t.Fatalf("%d bytes: got %+v, want %q", size, s, want)
		}
	}
}

func TestLookPlainName(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	files := All([]string{f.Image(), filepath.Join(f.folder, "proposal.dll")})
	f.Files = files[0]
	f.Serving(hashOfBuild("a"))
	f.put("proposal.update=b")
	c := f.candidate()
	if c.Refuse != "several images here have files of this name: call it proposal.so.update" {
		t.Errorf("got %+v", c)
	}
	_, err := f.Reject(c, f.copy("a"), c.Refuse)
	must(t, err)
	f.want("proposal.so.failed.txt=text proposal.so.failed=b proposal.so=a")
	if s := files[1].look(); s != nil {
		t.Errorf("the other image: got %+v", s)
	}
}

// look looks once.
func (f *Files) look() *Candidate { return f.Look().Candidate }

// TestLookWriter: as long as somebody has the file open for writing it is no candidate, however complete it is.
func TestLookWriter(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	hold := func(path string) (end func()) {
		t.Helper()
		cmd := play(t, "hold", path)
		in, err := cmd.StdinPipe()
		must(t, err)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		if line, _ := bufio.NewReader(out).ReadString('\n'); line != "holding\n" {
			t.Fatalf("the writer says %q", line)
		}
		return func() {
			in.Close()
			must(t, cmd.Wait())
		}
	}
	for _, name := range []string{"proposal.update", "proposal.so"} {
		f.put(name + "=b")
		f.Patience = 0
		f.Settle = 0
		end := hold(filepath.Join(f.folder, name))
		for range 5 {
			if s := f.Look(); s.Candidate != nil || s.Again < soon || s.Again > later || !strings.Contains(s.Why, "somebody has it open for writing") {
				t.Errorf("%s: got %+v", name, s)
			}
		}
		end()
		c := f.candidate()
		end = hold(c.Path)
		if _, err := f.Accept(c, f.copy("a"), 3); !errors.Is(err, ErrGone) {
			t.Errorf("%s is written again: got %v, want %v", name, err, ErrGone)
		}
		failed, err := f.Reject(c, f.copy("a"), "because")
		if failed != "" || err != nil {
			t.Errorf("%s is written again: rejected as %q, %v", name, failed, err)
		}
		end()
		must(t, os.Remove(c.Path))
	}
	f.want("")
}

func roleHold(args []string) error {
	file, err := os.OpenFile(args[0], os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Println("holding")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestLookSlowWriter: a writer who opens and closes the file for each piece, as some tools do.
func TestLookSlowWriter(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	whole := build("b", buildSize)
	for n := 0; n < len(whole); n += 20000 {
		if s := f.Look(); n > 0 && (s.Candidate != nil || s.Again == 0) {
			t.Fatalf("%d bytes of %d: got %+v", n, len(whole), s)
		}
		file, err := os.OpenFile(f.Update(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o755)
		must(t, err)
		_, err = file.Write(whole[n:min(n+20000, len(whole))])
		must(t, errors.Join(err, file.Close()))
	}
	if c := f.candidate(); c.SHA256 != hash(whole) {
		t.Errorf("got %+v", c)
	}
}

// TestLookWithoutLease: a user who owns the file not cannot ask who writes. Then the file must be unchanged for a while.
func TestLookWithoutLease(t *testing.T) {
	f := newFolder(t, "proposal.so=a proposal.update=b")
	readable(t, f.folder)
	out := output(t, nobody(play(t, "look", f.Image(), hashOfBuild("a"))))
	if waited := strings.Contains(out, "it may still be growing\n"); !strings.HasSuffix(out, "candidate dropped \"\"\n") || waited != (os.Geteuid() == 0) {
		t.Errorf("got %q", out)
	}
	must(t, os.Chmod(f.Update(), 0))
	out = output(t, nobody(play(t, "look", f.Image(), hashOfBuild("a"))))
	if want := "cannot read it: permission denied; give it the right to"; !strings.HasPrefix(out, "candidate dropped \"user ") || !strings.Contains(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestLookRights: taking away the rights of what runs is no update; putting something there that cannot be read is one, and is refused.
func TestLookRights(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	f.nothing()
	st, err := os.Stat(f.Image())
	must(t, err)
	must(t, os.Chmod(f.Image(), 0))
	if c := (Candidate{Kind: Overwritten, Stamp: stampOf(st)}); !f.inForce(c) {
		t.Error("only the rights have changed")
	}
	if c := (Candidate{Kind: Overwritten, Stamp: Stamp{Size: 1}}); f.inForce(c) {
		t.Error("another file")
	}
}

// readable lets everybody enter a temporary folder.
func readable(t *testing.T, dir string) {
	t.Helper()
	for ; strings.HasPrefix(filepath.Base(dir), "Test") || len(filepath.Base(dir)) == 3; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
}

// roleLook says what it sees of an image (first argument) that has a hash (the second), until it is a candidate or nothing.
func roleLook(args []string) error {
	f := New(args[0], false)
	f.Serving(args[1])
	last := ""
	for {
		s := f.Look()
		switch {
		case s.Err != nil:
			return s.Err
		case s.Candidate != nil:
			fmt.Printf("candidate %s %q\n", s.Candidate.Kind, s.Candidate.Refuse)
			return nil
		case s.Again == 0:
			fmt.Println("nothing new")
			return nil
		case s.Why != last:
			fmt.Printf("not yet: %s\n", s.Why)
			last = s.Why
		}
		time.Sleep(s.Again)
	}
}

// TestLookClock: files from the past and the future are files, and a clock that jumps is no change of the file.
func TestLookClock(t *testing.T) {
	for _, when := range []time.Time{time.Unix(0, 0), time.Now().Add(-time.Hour), time.Now().Add(1000 * 24 * time.Hour)} {
		f := newFolder(t, "proposal.so=a")
		f.nothing()
		must(t, os.Chtimes(f.Image(), when, when))
		f.nothing()
		f.put("proposal.update=b")
		must(t, os.Chtimes(f.Update(), when, when))
		if _, err := f.Accept(f.candidate(), f.copy("a"), 1); err != nil {
			t.Error(err)
		}
		must(t, os.Chtimes(f.Backup(1), when, when))
		f.put("proposal.so=c")
		must(t, os.Chtimes(f.Image(), when, when))
		if _, err := f.Reject(f.candidate(), f.copy("b"), "because"); err != nil {
			t.Error(err)
		}
		f.want("proposal.backup=a proposal.failed.txt=text proposal.failed=c proposal.so=b")
	}
}

func TestLookLink(t *testing.T) {
	f := newFolder(t, "first=a second=b")
	must(t, os.Symlink("first", f.Image()))
	f.nothing()
	must(t, os.Symlink("second", f.Image()+".new"))
	must(t, os.Rename(f.Image()+".new", f.Image()))
	c := f.candidate()
	if c.Kind != Overwritten || c.SHA256 != hashOfBuild("b") {
		t.Errorf("got %+v", c)
	}
	if _, err := f.Accept(c, f.copy("a"), 1); err != nil {
		t.Error(err)
	}
	f.nothing()
	f.put("second=c")
	if _, err := f.Reject(f.candidate(), f.copy("b"), "because"); err != nil {
		t.Error(err)
	}
	f.want("first=a proposal.backup=a proposal.failed.txt=text proposal.failed=link:second proposal.so=b second=c")
	must(t, os.Remove(f.Image()))
	must(t, os.Symlink("proposal.so", f.Image()))
	if s := f.Look(); !errors.Is(s.Err, syscall.ELOOP) {
		t.Errorf("got %+v, want %v", s, syscall.ELOOP)
	}
	must(t, os.Remove(f.Image()))
	must(t, os.Symlink("nowhere", f.Image()))
	f.nothing()
}

func TestLookFolder(t *testing.T) {
	f := New(filepath.Join(t.TempDir(), "gone", "proposal.so"), false)
	if s := f.Look(); s != (Sight{}) {
		t.Errorf("got %+v", s)
	}
	wantError(t, f.Trouble(), "gone\" cannot be read: no such file or directory")
}
