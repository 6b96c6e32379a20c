package update

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNames(t *testing.T) {
	tests := []struct {
		image         string
		long          bool
		update, other string
		plain         string
	}{
		{"proposal.so", false, "proposal.update", "proposal.so.update", ""},
		{"proposal.so", true, "proposal.so.update", "", "proposal.update"},
		{"proposal.run", false, "proposal.update", "proposal.run.update", ""},
		{"proposal", false, "proposal.update", "", ""},
		{"proposal", true, "proposal.update", "", ""},
		{"libshop.so.1", false, "libshop.so.update", "libshop.so.1.update", ""},
		{".so", false, ".so.update", "", ""},
		{"shop.update", false, "shop.update.update", "", ""},
		{"shop.backup", true, "shop.backup.update", "", ""},
		{"shop.Failed", false, "shop.Failed.update", "", ""},
	}
	for _, test := range tests {
		f := New(filepath.Join("/d", test.image), test.long)
		if got := filepath.Base(f.Update()); got != test.update || f.other != test.other || f.plain != test.plain {
			t.Errorf("%s, long %t: got %q, %q, %q, want %q, %q, %q", test.image, test.long, got, f.other, f.plain, test.update, test.other, test.plain)
		}
	}
	f := New("/d/proposal.so", false)
	for got, want := range map[string]string{f.Image(): "proposal.so", f.Backup(1): "proposal.backup", f.Backup(2): "proposal.backup.2",
		f.Failed(): "proposal.failed", f.FailedText(): "proposal.failed.txt", f.JournalFile(): "proposal.journal", f.LockFile(): "proposal.lock"} {
		if filepath.Base(got) != want || filepath.Base(filepath.Dir(got)) != "d" || filepath.Dir(got) != f.Folder() {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNamesShared(t *testing.T) {
	tests := []struct {
		images, updates, plain []string
	}{
		{[]string{"/d/a.so", "/d/b.so"}, []string{"a.update", "b.update"}, []string{"", ""}},
		{[]string{"/d/a.so", "/e/a.dll"}, []string{"a.update", "a.update"}, []string{"", ""}},
		{[]string{"/d/a.so", "/d/a.dll"}, []string{"a.so.update", "a.dll.update"}, []string{"a.update", "a.update"}},
		{[]string{"/d/a.so", "/d/a"}, []string{"a.so.update", "a.update"}, []string{"", ""}},
		{[]string{"/d/a.so", "/d/a.so.1"}, []string{"a.update", "a.so.1.update"}, []string{"", ""}},
		{[]string{"/d/a.so.1", "/d/a.so.2"}, []string{"a.so.1.update", "a.so.2.update"}, []string{"a.so.update", "a.so.update"}},
	}
	for _, test := range tests {
		for i, f := range All(test.images) {
			if got := filepath.Base(f.Update()); got != test.updates[i] || f.plain != test.plain[i] {
				t.Errorf("%q: %s has %q and refuses %q, want %q and %q", test.images, test.images[i], got, f.plain, test.updates[i], test.plain[i])
			}
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "proposal.so")
	run := filepath.Join(dir, "proposal.run")
	f := New(image, false)
	check := func(want string) {
		t.Helper()
		if got := f.Run(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check(image)
	for _, path := range []string{run, image} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		check(path)
	}
	os.Remove(image)
	check(run)
	f = New(run, false)
	check(run)
}
