//go:build linux

package update

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRecover(t *testing.T) {
	tests := []struct {
		name, before string
		make         func(f *folder) error
		after        string
		did          string
	}{
		{"nothing", "proposal.so=a proposal.update=b proposal.backup=c proposal.failed=d", nil,
			"proposal.backup=c proposal.failed=d proposal.so=a proposal.update=b", ""},
		{"a candidate on its way", "proposal.so=a proposal.update.tmp=b", nil, "proposal.so=a proposal.update=b",
			"gave a candidate its name back: proposal.update"},
		{"a candidate on its way and a newer one", "proposal.so=a proposal.update.tmp=b proposal.update=c", nil, "proposal.so=a proposal.update=c",
			"removed a candidate that a newer one has followed"},
		{"half copies", "proposal.so=a proposal.run.tmp=half proposal.backup.tmp=half proposal.failed.txt.tmp=half proposal.journal.tmp=half", nil,
			"proposal.so=a", "removed the unfinished proposal.run.tmp; removed the unfinished proposal.backup.tmp; " +
				"removed the unfinished proposal.failed.txt.tmp; removed the unfinished proposal.journal.tmp"},
		{"half a rotation", "proposal.so=a proposal.backup.3=b proposal.backup.5=c", nil, "proposal.backup.2=c proposal.backup=b proposal.so=a",
			"closed a gap in the numbers of the backups"},
		{"the newest backup runs", "proposal.so=a proposal.backup=a proposal.backup.2=b", nil, "proposal.backup=b proposal.so=a",
			"removed the newest backup, which is what runs"},
		{"half a rotation, and what is the newest backup then runs", "proposal.so=a proposal.backup.2=a proposal.backup.3=a proposal.backup.4=b", nil,
			"proposal.backup=b proposal.so=a", "closed a gap in the numbers of the backups; removed the newest backup, which is what runs; " +
				"removed the newest backup, which is what runs"},
		{"a second name", "proposal.so=a proposal.failed=b", func(f *folder) error { return os.Link(f.Image(), f.gone()) },
			"proposal.failed=b proposal.so=a", "removed a second name of the run file"},
		{"not put aside yet", "proposal.so=a proposal.failed.tmp=b proposal.failed=c proposal.failed.txt=old", nil,
			"proposal.failed=b proposal.so=a", "made what was to be put aside proposal.failed"},
		{"a directory in the place of the run file", "proposal.run.tmp=a", func(f *folder) error { return os.Mkdir(f.gone(), 0o700) },
			"proposal.failed=directory proposal.so=a", "made the old version proposal.so again; made what was to be put aside proposal.failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t, test.before)
			if test.make != nil {
				must(t, test.make(f))
			}
			r, err := f.Recover()
			must(t, err)
			f.want(test.after)
			if got := strings.Join(r.Did, "; "); got != test.did || r.Run != hashOfBuild("a") {
				t.Errorf("got %q, %s\nwant %q", got, r.Run, test.did)
			}
			if r, err := f.Recover(); err != nil || r.Did != nil {
				t.Errorf("once more: %+v, %v", r, err)
			}
		})
	}
}

// TestRecoverTrial: the journal says what was tried, and the hash whether that runs.
func TestRecoverTrial(t *testing.T) {
	f := newFolder(t, "proposal.so=a proposal.update=b")
	c := f.candidate()
	must(t, f.Append(Entry{Kind: "committed", Serving: hashOfBuild("a")}))
	must(t, f.Append(Entry{Kind: "trial", Serving: c.SHA256}))
	check := func(run string) {
		t.Helper()
		r, err := New(f.Image(), false).Recover()
		if err != nil || r.Last == nil || r.Last.Kind != "trial" || r.Serving != c.SHA256 || r.Run != hashOfBuild(run) {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	check("a")
	_, err := f.Accept(c, f.copy("a"), 1)
	must(t, err)
	check("b")
}

// TestOthersFiles: who may change the folder may take updates, also where the files belong to somebody else, so that there is nothing to be
// asked of them and no second name to be had for them.
func TestOthersFiles(t *testing.T) {
	f := newFolder(t, "proposal.so=a proposal.update=b")
	readable(t, f.folder)
	if os.Geteuid() == 0 {
		must(t, os.Chown(f.folder, 65534, 65534))
	}
	f.copy("a")
	readable(t, f.private)
	for _, want := range []string{"proposal.backup=a proposal.so=b", "proposal.failed.txt=text proposal.failed=c proposal.so=a"} {
		out := output(t, nobody(play(t, "others", f.Image(), f.old().Path)))
		if f.want(want); t.Failed() {
			t.Fatal(out)
		}
		must(t, os.Remove(f.Image()))
		os.Remove(f.Backup(1))
		f.put("proposal.so=c")
	}
}

// roleOthers accepts what was dropped for an image (first argument), or rejects what overwrote it, given what is in force (the second).
func roleOthers(args []string) error {
	sum, _, err := hashFile(args[1])
	if err != nil {
		return err
	}
	f, old := &folder{Files: New(args[0], false), t: nil}, Copy{args[1], sum}
	f.Serving(sum)
	s := f.Look()
	for s.Again > 0 && s.Candidate == nil {
		s = f.Look()
	}
	switch c := s.Candidate; {
	case c == nil:
		return fmt.Errorf("looked: %+v", s)
	case c.Kind == Dropped:
		_, err = f.Accept(*c, old, 3)
	default:
		_, err = f.Reject(*c, old, "because")
	}
	return err
}

// TestTemporaryNames: they are all known to Recover.
func TestTemporaryNames(t *testing.T) {
	f := newFolder(t, "proposal.so=a")
	for _, name := range []string{f.claimed(), f.copied(), f.keeping(), f.gone(), f.written(), f.shortened()} {
		must(t, os.WriteFile(name, nil, 0o600))
	}
	_, err := f.Recover()
	left, globErr := filepath.Glob(filepath.Join(f.folder, "*.tmp"))
	if must(t, errors.Join(err, globErr)); slices.Max(append(left, "")) != "" {
		t.Errorf("left: %q", left)
	}
}
