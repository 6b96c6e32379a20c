//go:build linux

package update

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAccept(t *testing.T) {
	tests := []struct {
		name    string
		before  string
		kind    Kind // Given: build b
		backups int
		after   string
	}{
		{"first", "proposal.so=a proposal.update=b", "", 3, "proposal.backup=a proposal.so=b"},
		{"no backups", "proposal.so=a proposal.update=b proposal.backup=x", "", 0, "proposal.so=b"},
		{"rotation", "proposal.so=a proposal.update=b proposal.backup=x proposal.backup.2=y proposal.backup.3=z", "", 3,
			"proposal.backup.2=x proposal.backup.3=y proposal.backup=a proposal.so=b"},
		{"fewer than there are", "proposal.so=a proposal.update=b proposal.backup=x proposal.backup.2=y proposal.backup.3=z", "", 1,
			"proposal.backup=a proposal.so=b"},
		{"a gap", "proposal.so=a proposal.update=b proposal.backup.2=y proposal.backup.5=z", "", 5,
			"proposal.backup.2=y proposal.backup.3=z proposal.backup=a proposal.so=b"},
		{"kept already", "proposal.so=a proposal.update=b proposal.backup=a proposal.backup.2=y", "", 3,
			"proposal.backup.2=y proposal.backup=a proposal.so=b"},
		{"no backups of ours", "proposal.so=a proposal.update=b proposal.backup.02=x proposal.backup.1=y proposal.backup.x=z", "", 1,
			"proposal.backup.02=x proposal.backup.1=y proposal.backup.x=z proposal.backup=a proposal.so=b"},
		{"the same again", "proposal.so=a proposal.update=a", "", 3, "proposal.so=a"},
		{"long form", "proposal.so=a proposal.so.update=b", "", 3, "proposal.backup=a proposal.so=b"},
		{"NAME.run", "proposal.run=a proposal.update=b", "", 3, "proposal.backup=a proposal.run=b"},
		{"nothing ran", "proposal.update=b", "", 3, "proposal.backup=a proposal.so=b"},
		{"overwritten", "proposal.so=b", "", 3, "proposal.backup=a proposal.so=b"},
		{"overwritten, no backups", "proposal.so=b", "", 0, "proposal.so=b"},
		{"given", "proposal.so=a", Given, 3, "proposal.backup=a proposal.so=b"},
		{"given and nothing ran", "", Given, 0, "proposal.so=b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t, test.before)
			given := f.copy("b")
			c := Candidate{Path: given.Path, SHA256: given.SHA256, Kind: Given}
			if test.kind != Given {
				c = f.candidate()
			}
			old := f.copy("a")
			backup, err := f.Accept(c, old, test.backups)
			must(t, err)
			f.want(test.after)
			want := ""
			if strings.Contains(test.after, "backup=a") {
				want = f.Backup(1)
			}
			if backup != want {
				t.Errorf("backup %q, want %q", backup, want)
			}
			f.nothing()
			if r, err := f.Recover(); err != nil || r.Did != nil || r.Run != c.SHA256 {
				t.Errorf("recovered %+v, %v", r, err)
			}
			if contentOf(old.Path) != "a" || contentOf(given.Path) != "b" {
				t.Error("a private copy is gone")
			}
		})
	}
}

func TestAcceptMode(t *testing.T) {
	f := newFolder(t, "proposal.so=a proposal.update=b")
	must(t, os.Chmod(f.Image(), 0o711))
	want := uint32(os.Geteuid())
	if want == 0 {
		want = 1234
		must(t, os.Chown(f.Image(), 1234, 1234))
	}
	_, err := f.Accept(f.candidate(), f.copy("a"), 3)
	must(t, err)
	for _, path := range []string{f.Image(), f.Backup(1)} {
		st, err := os.Stat(path)
		must(t, err)
		if got := st.Sys().(*syscall.Stat_t).Uid; got != want || st.Mode() != 0o711 {
			t.Errorf("%s: owner %d, mode %v, want %d and 0711", path, got, st.Mode(), want)
		}
	}
	_, err = f.TakeBack(f.copy("a"), "because")
	must(t, err)
	if st, _ := os.Stat(f.Image()); st.Mode() != 0o711 || st.Sys().(*syscall.Stat_t).Uid != want {
		t.Errorf("taken back: mode %v", st.Mode())
	}
}

// TestAcceptUnread: a file that was given need not be read before.
func TestAcceptUnread(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	_, err := f.Accept(Candidate{Path: f.copy("b").Path, Kind: Given}, f.copy("a"), 3)
	must(t, err)
	f.want("proposal.backup=a proposal.so=b")
	f.nothing()
	_, err = f.Accept(Candidate{Path: f.copy("b").Path, Kind: Given}, f.copy("b"), 3)
	must(t, err)
	f.want("proposal.backup=a proposal.so=b")
}

// TestAcceptOverwrittenWithoutBackup: it is there, and is not found again; it can be taken back.
func TestAcceptOverwrittenWithoutBackup(t *testing.T) {
	f := newFolder(t, "proposal.so=b")
	c := f.candidate()
	must(t, os.Mkdir(f.keeping(), 0o700))
	must(t, os.WriteFile(filepath.Join(f.keeping(), "x"), nil, 0o600))
	_, err := f.Accept(c, f.copy("a"), 3)
	wantError(t, err, "keep the old version as")
	f.nothing()
	_, err = f.TakeBack(f.copy("a"), "because")
	must(t, err)
	f.want("proposal.backup.tmp=directory proposal.failed.txt=text proposal.failed=b proposal.so=a")
}

// TestAcceptGone: the candidate is not what was looked at.
func TestAcceptGone(t *testing.T) {
	for _, change := range []struct{ put, remove, after string }{
		{"proposal.update=c", "", "proposal.so=a proposal.update=c"},
		{"", "proposal.update", "proposal.so=a"},
	} {
		f := newFolder(t, "proposal.so=a proposal.update=b")
		c := f.candidate()
		f.put(change.put)
		if change.remove != "" {
			must(t, os.Remove(filepath.Join(f.folder, change.remove)))
		}
		if _, err := f.Accept(c, f.copy("a"), 3); !errors.Is(err, ErrGone) {
			t.Errorf("got %v, want %v", err, ErrGone)
		}
		if failed, err := f.Reject(c, f.copy("a"), "because"); failed != "" || err != nil {
			t.Errorf("rejected as %q, %v", failed, err)
		}
		f.want(change.after)
	}
}

// TestAcceptErrors: everything is as it was.
func TestAcceptErrors(t *testing.T) {
	tests := []struct {
		name, before string
		spoil        func(f *folder, c *Candidate, old *Copy)
		want         string
	}{
		{"no copy", "proposal.so=a proposal.update=b", func(f *folder, _ *Candidate, old *Copy) { os.Remove(old.Path) },
			"proposal.backup\": no such file or directory"},
		{"another copy", "proposal.so=a proposal.update=b proposal.backup=x", func(f *folder, _ *Candidate, old *Copy) { *old = Copy{f.copy("c").Path, old.SHA256} },
			"has been changed: its hash is"},
		{"another given", "proposal.so=a proposal.backup=x", func(f *folder, c *Candidate, old *Copy) {
			*c = Candidate{Path: f.copy("c").Path, SHA256: hashOfBuild("d"), Kind: Given}
		}, "has been changed: its hash is"},
		{"no backup can be kept", "proposal.so=a proposal.update=b proposal.backup=x", func(f *folder, _ *Candidate, old *Copy) {
			must(f.t, os.Mkdir(f.Backup(2), 0o700))
			must(f.t, os.Mkdir(f.Backup(3), 0o700))
			must(f.t, os.WriteFile(filepath.Join(f.Backup(3), "x"), nil, 0o600))
			must(f.t, os.Mkdir(f.Backup(4), 0o700))
			must(f.t, os.WriteFile(filepath.Join(f.Backup(4), "x"), nil, 0o600))
			must(f.t, os.Mkdir(f.Backup(5), 0o700))
			must(f.t, unix.Mkfifo(f.keeping(), 0o600))
			must(f.t, os.Remove(f.keeping()))
			must(f.t, os.Mkdir(f.keeping(), 0o700))
			must(f.t, os.WriteFile(filepath.Join(f.keeping(), "x"), nil, 0o600))
		}, "keep the old version as"},
		{"the run file is a directory", "proposal.so=a proposal.update=b proposal.backup=x", func(f *folder, _ *Candidate, old *Copy) {
			must(f.t, os.Remove(f.Image()))
			must(f.t, os.Mkdir(f.Image(), 0o700))
		}, "file exists"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t, test.before)
			c, old := Candidate{}, f.copy("a")
			if strings.Contains(test.before, "update") {
				c = f.candidate()
			}
			test.spoil(f, &c, &old)
			before := f.state()
			backup, err := f.Accept(c, old, 3)
			wantError(t, err, test.want)
			if backup != "" {
				t.Errorf("backup %q", backup)
			}
			f.want(before)
		})
	}
}

func TestReject(t *testing.T) {
	tests := []struct {
		name, before string
		keep         bool
		after        string
	}{
		{"dropped", "proposal.so=a proposal.update=b", false, "proposal.failed.txt=text proposal.failed=b proposal.so=a"},
		{"again", "proposal.so=a proposal.update=b proposal.failed=x proposal.failed.txt=old", false,
			"proposal.failed.txt=text proposal.failed=b proposal.so=a"},
		{"overwritten", "proposal.so=b", false, "proposal.failed.txt=text proposal.failed=b proposal.so=a"},
		{"overwritten, kept before", "proposal.so=b proposal.backup=x", true, "proposal.backup=x proposal.failed.txt=text proposal.failed=b proposal.so=a"},
		{"NAME.run", "proposal.run=b", true, "proposal.failed.txt=text proposal.failed=b proposal.run=a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t, test.before)
			c := f.candidate()
			if test.keep {
				must(t, f.Keep(f.copy("a")))
			}
			failed, err := f.Reject(c, f.copy("a"), "GetExtensionVersion said no")
			if err != nil || failed != f.Failed() {
				t.Errorf("%q, %v", failed, err)
			}
			f.want(test.after)
			for _, want := range []string{"was refused.", "Why:    GetExtensionVersion said no\n", fmt.Sprint(buildSize, " bytes, SHA-256 ", c.SHA256),
				"SHA-256 " + hashOfBuild("a"), "give it the name proposal.update."} {
				if !strings.Contains(f.text(), want) {
					t.Errorf("%q is not in the text:\n%s", want, f.text())
				}
			}
			f.nothing()
		})
	}
}

// TestRejectAgain: a candidate that was refused and could not be put aside is not tried again, until it is touched.
func TestRejectAgain(t *testing.T) {
	f := newFolder(t, "proposal.so=a proposal.update=b")
	must(t, os.Mkdir(f.Failed(), 0o700))
	must(t, os.WriteFile(filepath.Join(f.Failed(), "something"), nil, 0o600))
	c := f.candidate()
	failed, err := f.Reject(c, f.copy("a"), "because")
	wantError(t, err, "make it")
	if failed != "" {
		t.Errorf("failed %q", failed)
	}
	f.want("proposal.failed=directory proposal.so=a proposal.update=b")
	f.nothing()
	must(t, os.Chmod(f.Update(), 0o700))
	f.candidate()

	f = newFolder(t, "proposal.so=b")
	failed, err = f.Reject(f.candidate(), Copy{}, "because")
	if err != nil || failed != "" {
		t.Errorf("without an old version: %q, %v", failed, err)
	}
	f.want("proposal.failed.txt=text proposal.so=b")
	f.nothing()
	f.put("proposal.so=b")
	f.candidate()
}

func TestRejectDirectory(t *testing.T) {
	f := newFolder(t, "")
	must(t, os.Mkdir(f.Image(), 0o700))
	c := f.candidate()
	if c.Refuse == "" || c.Kind != Overwritten {
		t.Errorf("got %+v", c)
	}
	_, err := f.Reject(c, f.copy("a"), c.Refuse)
	must(t, err)
	f.want("proposal.failed.txt=text proposal.failed=directory proposal.so=a")
}

func TestRejectGiven(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	c := f.copy("b")
	if failed, err := f.Reject(Candidate{Path: c.Path, SHA256: c.SHA256, Kind: Given}, f.copy("a"), "because"); failed != "" || err != nil {
		t.Errorf("%q, %v", failed, err)
	}
	f.want("proposal.so=a")
}

func TestTakeBack(t *testing.T) {
	for _, test := range []struct {
		backups       int
		before, after string
	}{
		{0, "proposal.so=a proposal.update=b", "proposal.failed.txt=text proposal.failed=b proposal.so=a"},
		{1, "proposal.so=a proposal.update=b", "proposal.failed.txt=text proposal.failed=b proposal.so=a"},
		{3, "proposal.so=a proposal.update=b proposal.backup=x proposal.backup.2=y proposal.failed=z",
			"proposal.backup.2=y proposal.backup=x proposal.failed.txt=text proposal.failed=b proposal.so=a"},
		{3, "proposal.so=b", "proposal.failed.txt=text proposal.failed=b proposal.so=a"},
		{3, "proposal.run=a proposal.so.update=b", "proposal.failed.txt=text proposal.failed=b proposal.run=a"},
	} {
		f := newFolder(t, test.before)
		_, err := f.Accept(f.candidate(), f.copy("a"), test.backups)
		must(t, err)
		failed, err := f.TakeBack(f.copy("a"), "it was slower")
		if err != nil || failed != f.Failed() {
			t.Errorf("%q, %v", failed, err)
		}
		f.want(test.after)
		if !strings.Contains(f.text(), "ran, and was taken back.\n\nWhy:    it was slower\n") {
			t.Errorf("the text is\n%s", f.text())
		}
		f.nothing()
	}
}

// TestTakeBackOverwritten: what somebody has put there meanwhile is the next candidate.
func TestTakeBackOverwritten(t *testing.T) {
	f := newFolder(t, "proposal.so=a proposal.update=b")
	_, err := f.Accept(f.candidate(), f.copy("a"), 3)
	must(t, err)
	f.put("proposal.so=c")
	if failed, err := f.TakeBack(f.copy("a"), "because"); failed != "" || err != nil {
		t.Errorf("%q, %v", failed, err)
	}
	f.want("proposal.backup=a proposal.so=c")
	if c := f.candidate(); c.SHA256 != hashOfBuild("c") {
		t.Errorf("got %+v", c)
	}
	f.put("proposal.so=a")
	f.nothing()
}

func TestBackups(t *testing.T) {
	f := newFolder(t, "proposal.so=a proposal.backup=b proposal.backup.2=c proposal.backup.10=d proposal.backup.12x=e")
	must(t, os.Mkdir(f.Backup(3), 0o700))
	list, err := f.Backups()
	wantError(t, err, "proposal.backup.3\": it is not a regular file")
	var got []string
	for _, b := range list {
		got = append(got, filepath.Base(b.Path)+"="+contentOf(b.Path))
		if b.Size != buildSize || b.SHA256 != hash(build(contentOf(b.Path), buildSize)) || b.Kept.IsZero() {
			t.Errorf("got %+v", b)
		}
	}
	if want := "proposal.backup=b proposal.backup.2=c proposal.backup.10=d"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFull: every step meets a full disk once.
func TestFull(t *testing.T) {
	t.Log(output(t, apart(play(t, "full", t.TempDir()))))
}

// roleFull works on a small file system of its own.
func roleFull(args []string) (err error) {
	mount := func(size int) (*folder, error) {
		dir := filepath.Join(args[0], fmt.Sprint(size))
		err := errors.Join(os.Mkdir(dir, 0o700), unix.Mount("isapid", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", size)))
		f := &folder{Files: New(filepath.Join(dir, "proposal.so"), false), private: args[0]}
		f.Serving(hashOfBuild("a"))
		return f, err
	}
	write := func(path, name string) { err = errors.Join(err, os.WriteFile(path, build(name, buildSize), 0o700)) }
	state := func(f *folder, want string) {
		if got := f.state(); got != want {
			err = errors.Join(err, fmt.Errorf("got %s, want %s", got, want))
		}
	}
	write(filepath.Join(args[0], "a"), "a")
	old := Copy{filepath.Join(args[0], "a"), hashOfBuild("a")}

	f, mountErr := mount(800) // room for two builds, not for three
	if mountErr != nil {
		return mountErr
	}
	write(f.Image(), "a")
	write(f.Update(), "b")
	s := f.Look()
	_, acceptErr := f.Accept(*s.Candidate, old, 1)
	if !errors.Is(acceptErr, syscall.ENOSPC) || !strings.Contains(acceptErr.Error(), "keep the old version as") {
		err = errors.Join(err, fmt.Errorf("accepted: %w", acceptErr))
	}
	state(f, "proposal.so=a proposal.update=b")
	fmt.Println(acceptErr)
	_, rejectErr := f.Reject(*s.Candidate, old, "the disk is full")
	err = errors.Join(err, rejectErr)
	state(f, "proposal.failed.txt=text proposal.failed=b proposal.so=a")

	if f, mountErr = mount(700); mountErr != nil {
		return errors.Join(err, mountErr)
	}
	write(f.Image(), "b") // overwritten, kept, and then not even room for a text
	s = f.Look()
	err = errors.Join(err, f.Keep(old))
	rest, createErr := os.Create(filepath.Join(f.folder, "rest"))
	err = errors.Join(err, createErr)
	for createErr == nil {
		if _, writeErr := rest.Write(make([]byte, 4096)); writeErr != nil {
			break
		}
	}
	failed, rejectErr := f.Reject(*s.Candidate, old, "because")
	fmt.Println(rejectErr)
	if !errors.Is(rejectErr, syscall.ENOSPC) || failed != f.Failed() {
		err = errors.Join(err, fmt.Errorf("rejected as %q: %w", failed, rejectErr))
	}
	os.Remove(filepath.Join(f.folder, "rest"))
	state(f, "proposal.failed=b proposal.so=a")
	return errors.Join(err, rest.Close())
}

// TestNoRights: somebody who may not change the folder is told what is missing.
func TestNoRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("as the owner of the files")
	}
	f := newFolder(t, "proposal.so=a proposal.update=b")
	readable(t, f.folder)
	if os.Geteuid() != 0 {
		must(t, os.Chmod(f.folder, 0o500))
		defer os.Chmod(f.folder, 0o700)
	}
	out := output(t, nobody(play(t, "change", f.Image(), filepath.Join(f.folder, "proposal.so"))))
	for _, what := range []string{"accept", "reject", "take back", "keep", "append", "recover", "trouble"} {
		_, rest, _ := strings.Cut(out, "\n"+what+": ")
		line, _, _ := strings.Cut(rest, "\n")
		want := fmt.Sprintf("may not change the folder %q (permission denied): give it the rights to write and search it, or do not watch the image", f.folder)
		if what == "recover" {
			want = "<nil>"
		}
		if !strings.Contains(line, want) {
			t.Errorf("%s: got %q, want %q", what, line, want)
		}
	}
	f.want("proposal.so=a proposal.update=b")
}

// roleChange tries everything with an image (first argument), given a copy of what is in force.
func roleChange(args []string) error {
	f := New(args[0], false)
	sum, _, err := hashFile(args[1])
	if err != nil {
		return err
	}
	old := Copy{args[1], sum}
	f.Serving(sum)
	f.Settle = 0
	s := f.Look()
	if s.Candidate == nil {
		return fmt.Errorf("looked: %+v", s)
	}
	_, accepted := f.Accept(*s.Candidate, old, 3)
	_, rejected := f.Reject(*s.Candidate, old, "because")
	_, takenBack := f.TakeBack(old, "because")
	_, recovered := f.Recover()
	fmt.Printf("\naccept: %v\nreject: %v\ntake back: %v\nkeep: %v\nappend: %v\nrecover: %v\ntrouble: %v\n", accepted, rejected, takenBack,
		f.Keep(old), f.Append(Entry{Kind: "trial"}), recovered, f.Trouble())
	return nil
}

// TestTwoServers: of those who saw the same candidate, one takes it.
func TestTwoServers(t *testing.T) {
	for range 20 {
		f := newFolder(t, "proposal.so=a proposal.update=b")
		old := f.copy("a")
		var group sync.WaitGroup
		var mu sync.Mutex
		taken := 0
		var all []func()
		for range 4 {
			g := New(f.Image(), false)
			g.Serving(hashOfBuild("a"))
			c := g.Look().Candidate
			if c == nil {
				t.Fatal("no candidate")
			}
			all = append(all, func() {
				_, err := g.Accept(*c, old, 3)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					taken++
				} else if !errors.Is(err, ErrGone) {
					t.Error(err)
				}
			})
		}
		for _, accept := range all {
			group.Go(accept)
		}
		group.Wait()
		if taken != 1 {
			t.Errorf("taken %d times", taken)
		}
		f.want("proposal.backup=a proposal.so=b")
	}
}
