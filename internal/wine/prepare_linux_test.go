package wine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestPrefix looks at a new prefix: what is in it, how large it is, and what leads out of it.
func TestPrefix(t *testing.T) {
	w := need(t)
	prefix := prefixFor(t, w)
	if len(shared.said) != 2 || !strings.Contains(shared.said[0], "takes some seconds") || !strings.Contains(shared.said[1], "is made: ") {
		t.Errorf("said %q", shared.said)
	}
	if size := sizeOf(prefix); size > 40<<20 {
		t.Errorf("it takes %d MB", size>>20)
	}
	if st, err := os.Stat(prefix); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, error %v", st.Mode(), err)
	}
	err := filepath.WalkDir(prefix, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 || filepath.Dir(path) == filepath.Join(prefix, "dosdevices") {
			return err
		}
		target, err := os.Readlink(path)
		if dir := filepath.Dir(target); dir != w.Libraries["amd64"] && dir != w.Libraries["386"] {
			t.Errorf("%s leads to %s", path, target)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(prefix + ".new-*"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if got := processes(t, prefix); len(got) > 0 {
		t.Errorf("still running: %v", got)
	}
	arches := []string{"amd64"}
	if w.Path32 != "" {
		arches = []string{"386", "amd64"}
	}
	s := w.State(prefix)
	if !s.Made || !s.Ours || s.Stale != "" || s.Bad != "" || s.Wine != w.Version || !slices.Equal(s.Arches, arches) {
		t.Errorf("state %+v", s)
	}
}

// TestPrefix386 has a prefix of a 64-bit Wine learn 32-bit programs, where there is a Wine for them.
func TestPrefix386(t *testing.T) {
	w := need(t)
	if err := w.Supports("386"); err != nil {
		t.Skip(err)
	}
	prefix := filepath.Join(t.TempDir(), "p")
	before := *w
	before.Path32 = ""
	if err := before.Prepare(bounded(t), prefix, nil, nil); err != nil {
		t.Fatal(err)
	}
	if s := w.State(prefix); !slices.Equal(s.Arches, []string{"amd64"}) {
		t.Errorf("state %+v", s)
	}
	if err := w.Prepare(bounded(t), prefix, []string{"386"}, nil); err != nil {
		t.Fatal(err)
	}
	if s := w.State(prefix); !slices.Equal(s.Arches, []string{"386", "amd64"}) || s.Size > 60<<20 {
		t.Errorf("state %+v", s)
	}
	for _, arch := range []string{"amd64", "386"} {
		if _, ok := w.Has(prefix, arch, "bcryptprimitives.dll"); !ok {
			t.Errorf("no bcryptprimitives.dll for %s", arch)
		}
	}
}

// compiled compiles a program of testdata for Windows.
func compiled(t *testing.T, name string, libraries ...string) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), name+".exe")
	args := append([]string{"-Wall", "-o", exe, filepath.Join("testdata", name+".c")}, libraries...)
	out, err := exec.Command("x86_64-w64-mingw32-gcc", args...).CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	return exe
}

// TestUses runs a program that uses what libraries do: through links to Wine's own libraries, with fewer services than usual.
func TestUses(t *testing.T) {
	w := need(t)
	exe := compiled(t, "uses", "-lws2_32", "-liphlpapi", "-lole32", "-luuid", "-lshell32", "-ladvapi32")
	prefix := prefixFor(t, w)
	said := run(t, w, prefix, exe)
	n := 0
	for line := range strings.Lines(said) {
		if strings.Contains(line, " failed ") {
			t.Errorf("%s", line)
		}
		if strings.Contains(line, " ok ") {
			n++
		}
	}
	if n != 11 || !strings.Contains(said, `documents are C:\users\`) {
		t.Errorf("said %s", said)
	}
}

func TestProgram(t *testing.T) {
	w := &Wine{Path: "/w/wine64", Version: "wine-1"}
	t.Setenv("WINEDEBUG", "")
	t.Setenv("WINEDLLOVERRIDES", "")
	t.Setenv("TMPDIR", "/other") // of this process, not of all that use the prefix
	command, env, err := w.Program("/p", "amd64", "/x/worker.exe")
	if want := []string{"/w/wine64", "/x/worker.exe"}; err != nil || !slices.Equal(command, want) {
		t.Errorf("got %q, %v", command, err)
	}
	want := []string{"WINEPREFIX=/p", "HOME=/p/nobody", "TMPDIR=/tmp", "DISPLAY=", "WAYLAND_DISPLAY=", "WINEDEBUG=fixme-all", "WINEDLLOVERRIDES=winedbg.exe=;winemenubuilder.exe="}
	if !slices.Equal(env, want) {
		t.Errorf("got %q, want %q", env, want)
	}
	t.Setenv("TMPDIR", TemporaryOf("/h/p")) // as Keep has it
	if _, env, _ = w.Program("/h/p", "amd64", "/x/worker.exe"); !slices.Contains(env, "TMPDIR=/h/tmp") {
		t.Errorf("got %q", env)
	}
	t.Setenv("WINEDEBUG", "+relay")
	if _, env, _ = w.Program("/p", "amd64", "/x/worker.exe"); !slices.Contains(env, "WINEDEBUG=+relay") {
		t.Errorf("got %q", env)
	}
	missing, ok := errors.AsType[*MissingError](w.Supports("386"))
	if !ok || missing.What != "a 32-bit DLL needs a 32-bit Wine, and wine-1 here is 64-bit only" || !strings.Contains(missing.Help, "wine32:i386") {
		t.Errorf("got %v", missing)
	}
	if _, _, err = w.Program("/p", "386", "/x/worker.exe"); err == nil {
		t.Error("a 32-bit program is run without a 32-bit Wine")
	}
	w.Path32 = "/w/wine"
	if command, _, err = w.Program("/p", "386", "worker.exe"); err != nil || command[0] != "/w/wine" || !filepath.IsAbs(command[1]) {
		t.Errorf("got %q, %v", command, err)
	}
	if _, _, err = w.Program("/p", "arm64", "/x/worker.exe"); err == nil || !strings.Contains(err.Error(), `"arm64"`) {
		t.Errorf("got %v", err)
	}
}

// TestPrepareTogether has several prepare one prefix that a killed process left behind.
func TestPrepareTogether(t *testing.T) {
	w := need(t)
	prefix := filepath.Join(t.TempDir(), "p")
	left := prefix + ".new-1234"
	if err := os.MkdirAll(filepath.Join(left, "drive_c"), 0o700); err != nil {
		t.Fatal(err)
	}
	var made, waited int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			err := w.Prepare(bounded(t), prefix, nil, func(what string) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case strings.HasPrefix(what, "making"):
					made++
				case strings.HasPrefix(what, "waiting"):
					waited++
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if made != 1 || waited != 3 {
		t.Errorf("made %d times, %d waited", made, waited)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}

	// It is of another Wine: what somebody put into its registry and its C: drive stays.
	exe := compiled(t, "uses", "-lws2_32", "-liphlpapi", "-lole32", "-luuid", "-lshell32", "-ladvapi32")
	run(t, w, prefix, exe)
	if err := w.Wait(bounded(t), prefix); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(prefix, "drive_c", "windows", "system32", "price.dll")
	if err := os.WriteFile(own, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs, ok := w.Brings("amd64", "KERNEL32.dll")
	if !ok {
		t.Fatal("Wine has no kernel32.dll")
	}
	before, err := os.Stat(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&stamp{Format: format, Wine: "wine-5.0", Arches: []string{"amd64"}}).write(prefix); err != nil {
		t.Fatal(err)
	}
	if s := w.State(prefix); s.Stale != "it is of wine-5.0, and this is "+w.Version {
		t.Errorf("stale since %q", s.Stale)
	}
	if err := w.Prepare(bounded(t), prefix, nil, nil); err != nil {
		t.Fatal(err)
	}
	registry, err := os.ReadFile(filepath.Join(prefix, "system.reg"))
	if err != nil || !strings.Contains(string(registry), `[Software\\Shop]`) {
		t.Errorf("the registry lost what was in it, error %v", err)
	}
	if data, err := os.ReadFile(own); err != nil || string(data) != "mine" {
		t.Errorf("a library of somebody's: %q, %v", data, err)
	}
	after, err := os.Stat(theirs)
	if err != nil || !after.ModTime().Equal(before.ModTime()) || !os.SameFile(before, after) {
		t.Errorf("Wine's own library was written to: %v, error %v", after, err)
	}
	if size := sizeOf(prefix); size > 40<<20 {
		t.Errorf("it takes %d MB", size>>20)
	}
	run(t, w, prefix, exe)
}

// TestPrepareInterrupted: nothing is left, and nothing runs on.
func TestPrepareInterrupted(t *testing.T) {
	w := need(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(bounded(t))
	enough := errors.New("enough")
	done := make(chan error)
	go func() { done <- w.Prepare(ctx, filepath.Join(dir, "p"), nil, nil) }()
	var work string
	until(t, "a registry that is being made", func() bool {
		list, _ := filepath.Glob(filepath.Join(dir, "p.new-*", "drive_c", "windows"))
		if len(list) > 0 {
			work = filepath.Dir(filepath.Dir(list[0]))
		}
		return len(list) > 0
	})
	cancel(enough)
	if err := <-done; !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 || list[0].Name() != "p.lock" {
		t.Errorf("left: %v, error %v", list, err)
	}
	until(t, "the end of all programs", func() bool { return len(processes(t, work)) == 0 })
}

// TestPrepareKilled: what a killed process left, with what it had started, is removed by the next one.
func TestPrepareKilled(t *testing.T) {
	w := need(t)
	prefix := filepath.Join(t.TempDir(), "p")
	cmd := exec.Command(os.Args[0], "-test.run=^TestPrepareForKilled$")
	cmd.Env = append(os.Environ(), "PREPARE="+prefix)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "a prefix that is being made", func() bool {
		list, _ := filepath.Glob(prefix + ".new-*/drive_c/windows/system32/*.dll")
		return len(list) > 10
	})
	cmd.Process.Kill()
	cmd.Wait()
	left, _ := filepath.Glob(prefix + ".new-*")
	if len(left) != 1 {
		t.Fatalf("left: %q", left)
	}
	if err := w.Prepare(bounded(t), prefix, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
	until(t, "the end of all programs", func() bool { return len(processes(t, left[0]))+len(processes(t, prefix)) == 0 })
	if s := w.State(prefix); !s.Ours || s.Stale != "" {
		t.Errorf("state %+v", s)
	}
}

func TestPrepareForKilled(t *testing.T) {
	if prefix := os.Getenv("PREPARE"); prefix != "" {
		need(t).Prepare(bounded(t), prefix, nil, nil)
	}
}

// TestPrepareBadPlaces: places where no prefix can be, or where there is one of somebody else's.
func TestPrepareBadPlaces(t *testing.T) {
	w := need(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(filepath.Join(full, "things"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ prefix, want, state string }{
		{full, "the folder is not empty and is no Wine prefix: name another, or empty it", "is not empty and is no Wine prefix"},
		{filepath.Join(file, "p"), "not a directory", ""},
		{file, "not a directory", "cannot be read"},
		{"/proc/isapid/p", "no such file or directory", "cannot be made"},
	}
	if os.Geteuid() == 0 {
		tests[3].state = "0 MB free" // root may write anywhere
	}
	for _, test := range tests {
		err := w.Prepare(bounded(t), test.prefix, nil, nil)
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("prepare the Wine prefix %q: ", test.prefix)) || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.prefix, err, test.want)
		}
		if s := w.State(test.prefix); s.Made || !strings.Contains(s.Bad, test.state) || (s.Bad == "") != (s.Help == "") {
			t.Errorf("%s: state %+v", test.prefix, s)
		}
	}
	if err := w.Prepare(bounded(t), full, []string{"arm64"}, nil); err == nil || !strings.Contains(err.Error(), "arm64") {
		t.Errorf("got %v", err)
	}

	theirs := filepath.Join(dir, "theirs")
	if err := os.MkdirAll(SystemFolder(theirs, "amd64"), 0o700); err != nil {
		t.Fatal(err)
	}
	registry := filepath.Join(theirs, "system.reg")
	if err := os.WriteFile(registry, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Prepare(bounded(t), theirs, nil, nil); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(registry); err != nil || string(data) != "theirs" {
		t.Errorf("their registry: %q, %v", data, err)
	}
	if _, ok := w.Has(theirs, "amd64", "BCRYPTPRIMITIVES.DLL"); !ok {
		t.Error("workers cannot start there: there is no bcryptprimitives.dll")
	}
	if s := w.State(theirs); !s.Made || s.Ours || s.Bad != "" {
		t.Errorf("state %+v", s)
	}
}

// TestLockedPrefix: who waits for another is told so, and can give up.
func TestLockedPrefix(t *testing.T) {
	w := need(t)
	prefix := filepath.Join(t.TempDir(), "p")
	unlock, err := lock(t.Context(), prefix+".lock", func() { t.Error("it is not locked") })
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	var said []string
	err = w.Prepare(ctx, prefix, nil, func(what string) { said = append(said, what); cancel() })
	if !errors.Is(err, context.Canceled) || len(said) != 1 || !strings.HasPrefix(said[0], "waiting for another process") {
		t.Errorf("got %v, said %q", err, said)
	}
}

// TestCopyOfFullDisk: a library that Wine could not copy whole is noticed in a new prefix, and is somebody's own in another.
func TestCopyOfFullDisk(t *testing.T) {
	dir := t.TempDir()
	wines, prefix := filepath.Join(dir, "x86_64-windows"), filepath.Join(dir, "p")
	system := SystemFolder(prefix, "amd64")
	for _, d := range []string{wines, system} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{wines + "/a.dll": "whole", system + "/A.dll": "whole", wines + "/b.dll": "whole", system + "/b.dll": "wh", system + "/own.dll": "x"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := &Wine{Libraries: map[string]string{"amd64": wines}}
	if err := w.linkLibraries(prefix, true); err == nil || err.Error() != "Wine did not copy drive_c/windows/system32/b.dll whole: is the disk full?" {
		t.Errorf("got %v", err)
	}
	if err := w.linkLibraries(prefix, false); err != nil {
		t.Error(err)
	}
	if target, err := os.Readlink(system + "/A.dll"); err != nil || target != wines+"/a.dll" {
		t.Errorf("link to %q, error %v", target, err)
	}
	if err := unlinkLibraries(prefix); err != nil {
		t.Error(err)
	}
	list, err := os.ReadDir(system)
	if err != nil || len(list) != 2 {
		t.Errorf("left: %v, error %v", list, err)
	}
}

// TestHoldEnds: what is held ends with the process that holds it, however that ends.
func TestHoldEnds(t *testing.T) {
	w := need(t)
	prefix := prefixFor(t, w)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldForKilled$")
	cmd.Env = append(os.Environ(), "HOLD="+prefix)
	if _, err := cmd.StdinPipe(); err != nil { // whose end would let it release
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := out.Read(make([]byte, 1)); n != 1 {
		t.Fatal(err)
	}
	if serverOf(t, w, prefix) == 0 {
		t.Fatal("no server runs")
	}
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	until(t, "the end of all programs", func() bool { return len(processes(t, prefix)) == 0 })
}

// TestHoldTogether: another process that holds the prefix, too, and releases it ends nothing of this one's.
func TestHoldTogether(t *testing.T) {
	w := need(t)
	prefix := prefixFor(t, w)
	held, err := w.Hold(bounded(t), prefix, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	server := serverOf(t, w, prefix)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldForKilled$")
	cmd.Env = append(os.Environ(), "HOLD="+prefix)
	cmd.Stdin = strings.NewReader("") // it releases at once
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if now := serverOf(t, w, prefix); server == 0 || now != server {
		t.Errorf("the server is process %d, want %d", now, server)
	}
	run(t, w, prefix, "hostname")
}

// TestHoldInTurns: who begins to hold a prefix when another releases it gets a server that stays.
func TestHoldInTurns(t *testing.T) {
	w := need(t)
	prefix := prefixFor(t, w)
	before, err := w.Hold(bounded(t), prefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		released := make(chan struct{})
		go func() {
			defer close(released)
			before.Release()
		}()
		next, err := w.Hold(bounded(t), prefix, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		<-released
		run(t, w, prefix, "hostname")
		before = next
	}
	before.Release()
	until(t, "the end of all programs", func() bool { return len(processes(t, prefix)) == 0 })
}

func TestHoldForKilled(t *testing.T) {
	prefix := os.Getenv("HOLD")
	if prefix == "" {
		return
	}
	held, err := need(t).Hold(bounded(t), prefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
	held.Release()
}
