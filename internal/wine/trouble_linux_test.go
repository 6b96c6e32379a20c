package wine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// copied is a copy of the prefix of these tests.
func copied(t *testing.T, w *Wine, to string) {
	t.Helper()
	from := prefixFor(t, w)
	if err := w.Wait(bounded(t), from); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	os.Remove(filepath.Join(to, "wineserver"))
}

// wantError fails the test unless an error says all that.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q in it", err, part)
		}
	}
}

// TestRepair: of a prefix that is not whole any more the next Prepare makes one that is.
func TestRepair(t *testing.T) {
	w := need(t)
	prefix := filepath.Join(t.TempDir(), "p")
	copied(t, w, prefix)
	steps := []struct {
		spoil       func() error
		stale, what string
	}{
		{func() error { return os.Remove(filepath.Join(prefix, timestampName)) }, "Wine would change it by itself", "a file of Wine's"},
		{func() error { return os.WriteFile(filepath.Join(prefix, timestampName), []byte("1676758571\n"), 0o600) }, "Wine would change it by itself", "what Wine says"},
		{func() error {
			return errors.Join(os.RemoveAll(filepath.Join(prefix, "drive_c")), os.WriteFile(filepath.Join(prefix, timestampName), []byte(neverUpdate), 0o600))
		}, "kernel32.dll is missing", "the drive"},
		{func() error { return os.Truncate(filepath.Join(prefix, "system.reg"), 0) }, "system.reg is missing", "the registry"},
	}
	for _, step := range steps {
		if err := step.spoil(); err != nil {
			t.Fatal(err)
		}
		if s := w.State(prefix); !strings.HasSuffix(s.Stale, step.stale) {
			t.Errorf("without %s: %+v", step.what, s)
		}
	}
	if err := w.Prepare(bounded(t), prefix, nil, nil); err != nil {
		t.Fatal(err)
	}
	if s := w.State(prefix); s.Stale != "" || s.Bad != "" {
		t.Errorf("state %+v", s)
	}
	if _, ok := w.Has(prefix, "amd64", "bcryptprimitives.dll"); !ok || incomplete(prefix, "amd64") != "" || !neverUpdates(prefix) {
		t.Errorf("it is not whole: bcryptprimitives.dll %v, missing %q", ok, incomplete(prefix, "amd64"))
	}
	if got := run(t, w, prefix, "cmd", "/d", "/c", "echo", "runs"); strings.TrimSpace(got) != "runs" {
		t.Errorf("said %q", got)
	}
}

// TestTroubledDisk runs TestOnTroubledDisk where nobody else sees what it mounts.
func TestTroubledDisk(t *testing.T) {
	w := need(t)
	if os.Geteuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		t.Skip("only root can mount a disk, and not everywhere")
	}
	dir := t.TempDir()
	copied(t, w, filepath.Join(dir, "from"))
	cmd := exec.CommandContext(bounded(t), "unshare", "-m", os.Args[0], "-test.run=^TestOnTroubledDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "TROUBLED="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestOnTroubledDisk") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestOnTroubledDisk has a prefix on a disk that cannot be written to, then can, and has no room for another. Only it may start Wine in a prefix that Wine
// would change.
func TestOnTroubledDisk(t *testing.T) {
	dir := os.Getenv("TROUBLED")
	if dir == "" {
		t.Skip("it is a part of TestTroubledDisk")
	}
	w, disk := need(t), filepath.Join(dir, "disk")
	prefix := filepath.Join(disk, "p")
	if err := errors.Join(os.Mkdir(disk, 0o700), unix.Mount("none", disk, "tmpfs", 0, "size=24m")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", filepath.Join(dir, "from"), prefix).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := unix.Mount("none", disk, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	const bad = "cannot be written to, and Wine writes its registry there"
	wantError(t, w.Prepare(bounded(t), prefix, nil, nil), bad, "give this user the right, and mount its disk")
	if s := w.State(prefix); !s.Made || !strings.HasSuffix(s.Bad, bad) || s.Help == "" {
		t.Errorf("state %+v", s)
	}
	_, err := w.Hold(bounded(t), prefix, nil)
	wantError(t, err, bad)
	wantError(t, w.Prepare(bounded(t), filepath.Join(disk, "new"), nil, nil), "may not write to "+disk, "name another folder")
	if err := unix.Mount("none", disk, "tmpfs", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.Prepare(bounded(t), prefix, nil, nil); err != nil {
		t.Error(err)
	}

	// Somebody has Wine change the prefix when its server starts. It would write through the links: not here, whatever happens.
	libraries, regedit := w.Libraries["amd64"], filepath.Join(prefix, "drive_c", "windows", "regedit.exe")
	err = errors.Join(unix.Mount(libraries, libraries, "", unix.MS_BIND, ""), unix.Mount("", libraries, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""),
		os.Remove(filepath.Join(prefix, timestampName)), os.Remove(regedit))
	if err != nil {
		t.Fatal(err)
	}
	held, err := w.Hold(bounded(t), prefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	held.Release()
	if _, err := os.Lstat(regedit); !errors.Is(err, os.ErrNotExist) || !neverUpdates(prefix) {
		t.Errorf("Wine has changed the prefix, or may: %v", err)
	}

	wantError(t, w.Prepare(bounded(t), filepath.Join(disk, "new"), nil, nil), "MB free: make room")
	wantError(t, w.orFull(prefix, syscall.EIO), "the disk got full while it was made")
	if err := (&stamp{Format: format, Wine: "wine-5.0", Arches: []string{"amd64"}}).write(prefix); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.Prepare(bounded(t), prefix, nil, nil), "MB free: make room")
	if missing := incomplete(prefix, "amd64"); missing != "" {
		t.Errorf("%s was removed by what could not be done", missing)
	}
}

// TestPrepareNotOurs: a prefix of another user's is refused at once, and a path that is too long for Wine.
func TestPrepareNotOurs(t *testing.T) {
	w := need(t)
	if os.Geteuid() == 0 {
		prefix := filepath.Join(t.TempDir(), "p")
		copied(t, w, prefix)
		if err := os.Chown(prefix, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		wantError(t, w.Prepare(bounded(t), prefix, nil, nil), "belongs to another user", "run isapid as that user")
		_, err := w.Hold(bounded(t), prefix, nil)
		wantError(t, err, "belongs to another user")
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("a", 200), strings.Repeat("b", 100), "p")
	wantError(t, w.Prepare(bounded(t), long, nil, nil), "bytes, and Wine takes no more than 300", "name another folder")
	if s := w.State(long); s.Bad == "" || s.Help == "" {
		t.Errorf("state %+v", s)
	}
}
