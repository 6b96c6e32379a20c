//go:build linux

package update

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crashes are the changes that are interrupted at every step. All begin with "a" in force.
var crashes = []struct {
	name, before string
	backups      int
	change       func(f *folder, backups int) error
}{
	{"accept", "proposal.so=a proposal.update=b", 0, accept},
	{"accept and rotate", "proposal.so=a proposal.update=b proposal.backup=x proposal.backup.2=y", 2, accept},
	{"accept the long form", "proposal.run=a proposal.so.update=b proposal.backup=x", 1, accept},
	{"accept what overwrote", "proposal.so=b proposal.backup=x proposal.backup.2=y", 3, keepAnd(accept)},
	{"accept what was given", "proposal.so=a given=b proposal.backup=x", 3, accept},
	{"reject", "proposal.so=a proposal.update=b proposal.failed=z proposal.failed.txt=old", 0, reject},
	{"reject what overwrote", "proposal.so=b proposal.backup=x proposal.backup.2=y proposal.failed=z proposal.failed.txt=old", 3, keepAnd(reject)},
	{"reject what overwrote, with no backup", "proposal.so=b", 0, reject},
	{"take back", "proposal.so=a proposal.update=b proposal.backup=x proposal.backup.2=y", 2, takeBack},
	{"take back without backups", "proposal.so=a proposal.update=b", 0, takeBack},
	{"take back what overwrote", "proposal.so=b proposal.backup=x", 3, keepAnd(takeBack)},
	{"several in a row", "proposal.so=a proposal.update=b proposal.backup=x", 2, backAndForth},
	{"with a long journal", "proposal.so=a proposal.update=b", 1, longJournal},
	{"take back what was given", "proposal.so=a given=b proposal.failed=z proposal.failed.txt=old", 1, takeBack},
}

func accept(f *folder, backups int) error {
	c := f.Look().Candidate
	if c == nil {
		c = &Candidate{Path: filepath.Join(f.folder, "given"), SHA256: hashOfBuild("b"), Kind: Given}
	}
	err := f.Append(Entry{Kind: "trial", Serving: c.SHA256})
	if err == nil {
		_, err = f.Accept(*c, f.old(), backups)
	}
	return err
}

func reject(f *folder, _ int) error {
	_, err := f.Reject(*f.Look().Candidate, f.old(), "because")
	return err
}

func takeBack(f *folder, backups int) error {
	err := accept(f, backups)
	if err == nil {
		_, err = f.TakeBack(f.old(), "because")
	}
	if err == nil {
		err = f.Append(Entry{Kind: "taken back", Serving: hashOfBuild("a")})
	}
	return err
}

// backAndForth takes b, takes it back, takes it again from a command, and rejects a.
func backAndForth(f *folder, backups int) error {
	if err := takeBack(f, backups); err != nil {
		return err
	}
	if err := os.Rename(f.Failed(), filepath.Join(f.folder, "given")); err != nil {
		return err
	}
	if err := takeBack(f, backups); err != nil {
		return err
	}
	if err := os.Rename(f.Failed(), f.Update()); err != nil {
		return err
	}
	if err := reject(f, backups); err != nil {
		return err
	}
	return accept(f, backups)
}

// longJournal is accept with a journal that gets too long.
func longJournal(f *folder, backups int) error {
	lines := strings.Repeat(`{"time":"2001-02-03T04:05:06Z","kind":"earlier"}`+"\n", maxEntries)
	if err := os.WriteFile(f.JournalFile(), []byte(lines), 0o600); err != nil {
		return err
	}
	return accept(f, backups)
}

func keepAnd(then func(*folder, int) error) func(*folder, int) error {
	return func(f *folder, backups int) error {
		if err := f.Keep(f.old()); err != nil {
			return err
		}
		return then(f, backups)
	}
}

// old is the private copy of what is in force.
func (f *folder) old() Copy { return Copy{filepath.Join(f.private, "a"), hashOfBuild("a")} }

// roleCrash makes a change (first argument: its number) in a folder (the second) with a folder of private copies (the third) and kills
// itself before a step (the last, from 1); before none it says how many there are.
func roleCrash(args []string) error {
	number, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	last, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	f := &folder{Files: New(filepath.Join(args[1], "proposal.so"), false), private: args[2]}
	f.Serving(hashOfBuild("a"))
	chunk = 32 << 10
	steps := 0
	step = func(string) {
		if steps++; steps == last {
			syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	err = crashes[number].change(f, crashes[number].backups)
	fmt.Print(steps)
	return err
}

// inMemory has temporary folders in memory where that is possible: how long a disk takes is of no interest here.
func inMemory(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "isapid-update-test-")
	if err != nil {
		return
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
}

func TestCrash(t *testing.T) {
	inMemory(t)
	points := make([]int, len(crashes))
	t.Run("all", func(t *testing.T) {
		for number := range crashes {
			t.Run(crashes[number].name, func(t *testing.T) {
				t.Parallel()
				points[number] = crashEverywhere(t, number)
			})
		}
	})
	total := 0
	for _, n := range points {
		total += n
	}
	if t.Logf("killed at %d points", total); total < 500 && !t.Failed() {
		t.Errorf("killed at %d points only", total)
	}
}

// crashEverywhere interrupts a change before each of its steps and returns how many there are.
func crashEverywhere(t *testing.T, number int) int {
	crash := crashes[number]
	whole := newFolder(t, crash.before)
	whole.copy("a")
	steps, err := strconv.Atoi(output(t, play(t, "crash", strconv.Itoa(number), whole.folder, whole.private, "0")))
	must(t, err)
	for n := 1; n <= steps; n++ {
		f := newFolder(t, crash.before)
		f.private = whole.private
		out, err := play(t, "crash", strconv.Itoa(number), f.folder, f.private, strconv.Itoa(n)).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: %v, %s", n, err, out)
		}
		f.legal(fmt.Sprintf("step %d of %d", n, steps), crash.before, crash.backups)
		if t.Failed() {
			return n
		}
	}
	return steps
}

var temporaryFile = regexp.MustCompile(`\S*\.tmp\S*`)

// legal checks a folder in which a change from "a" to "b" was interrupted, and puts it right.
func (f *folder) legal(when, before string, backups int) {
	f.t.Helper()
	left := f.state()
	fail := func(format string, args ...any) {
		f.t.Helper()
		f.t.Errorf("%s: %s\nbefore  %s\nleft    %s\nthen    %s", when, fmt.Sprintf(format, args...), before, left, f.state())
	}
	f.Files = New(f.Image(), false)
	if run := contentOf(f.Run()); run != "a" && run != "b" {
		fail("what runs is %s", run)
	}
	r, err := f.Recover()
	if err != nil {
		fail("%v", err)
	}
	run := contentOf(f.Run())
	if run != "a" && run != "b" || r.Run != hashOfBuild(run) {
		fail("what runs is %s, not %s", run, r.Run)
	}
	after := " " + f.state() + " "
	if temporaryFile.MatchString(after) {
		fail("temporary files are left")
	}
	if !strings.Contains(after, "=b ") {
		fail("the new version is lost")
	}
	if again, err := f.Recover(); err != nil || again.Did != nil || again.Run != r.Run {
		fail("recovered once more: %+v, %v", again, err)
	}
	if last := r.Last; last != nil && last.Serving != r.Serving {
		fail("the journal says %+v", r)
	}
	if kept := strings.Contains(before, "=a") && (backups > 0 || run == "a"); kept && !strings.Contains(after, "=a ") {
		fail("the old version is lost")
	}
	list, err := f.Backups()
	if err != nil {
		fail("%v", err)
	}
	var numbers []string
	for i, b := range list {
		if b.Path != f.Backup(i+1) {
			fail("there is a gap in the backups")
		}
		numbers = append(numbers, contentOf(b.Path))
	}
	// What was kept before is kept in its order, but for the oldest that had to go.
	earlier := strings.Count(before, ".backup")
	if got, want := strings.TrimPrefix(strings.Join(numbers, ""), "a"), "xy"[:earlier]; !strings.HasPrefix(want, got) || len(got) < min(earlier, max(backups-1, 0)) {
		fail("the earlier backups are %q", got)
	}
	// And it goes on from there.
	f.Serving(hashOfBuild(run))
	old := Copy{Path: filepath.Join(f.private, "run")}
	must(f.t, os.WriteFile(old.Path, build(run, buildSize), 0o700))
	old.SHA256 = hashOfBuild(run)
	f.put("proposal.update=c")
	os.Remove(filepath.Join(f.folder, "proposal.so.update"))
	err = ErrGone
	for errors.Is(err, ErrGone) { // a child process that is just being started may have it open for writing, as all we have
		c := f.candidate()
		if c.SHA256 != hashOfBuild("c") {
			fail("found %+v", c)
		}
		_, err = f.Accept(c, old, 1)
	}
	if err != nil {
		fail("%v", err)
	}
	if got := contentOf(f.Run()) + contentOf(f.Backup(1)); got != "c"+run {
		fail("what runs and its backup are %s, want %s", got, "c"+run)
	}
}

// TestKill kills a process that swaps all the time, whenever it is.
func TestKill(t *testing.T) {
	inMemory(t)
	f := newFolder(t, "proposal.so=a")
	f.copy("a")
	f.copy("b")
	seen := map[string]int{}
	for n := range 300 {
		cmd := play(t, "swap", f.folder, f.private, strconv.Itoa(n))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		if _, err := out.Read(make([]byte, 1)); err != nil {
			rest, _ := io.ReadAll(out)
			t.Fatalf("it swaps not: %v, %s", err, rest)
		}
		time.Sleep(time.Duration(rand.IntN(15000)) * time.Microsecond)
		must(t, cmd.Process.Kill())
		rest, _ := io.ReadAll(out)
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%v: %s", err, rest)
		}
		left := f.state()
		if run := contentOf(f.Run()); run != "a" && run != "b" {
			t.Fatalf("what runs is %s in %s", run, left)
		}
		for _, name := range temporaryFile.FindAllString(left, -1) {
			seen[name]++
		}
		r, err := New(f.Image(), false).Recover()
		must(t, err)
		state := f.state()
		if run := contentOf(f.Run()); r.Run != hashOfBuild(run) || temporaryFile.MatchString(state) {
			t.Fatalf("recovered %+v from %s: %s", r, left, state)
		}
		list, err := f.Backups()
		must(t, err)
		if len(list) > 0 && list[0].SHA256 == r.Run {
			t.Fatalf("%d backups in %s", len(list), state)
		}
		for i, b := range list {
			if b.Path != f.Backup(i+1) || !strings.Contains("ab", contentOf(b.Path)) {
				t.Fatalf("the backups are %s", state)
			}
		}
		for _, name := range []string{f.Failed(), f.Update()} {
			if content := contentOf(name); len(content) == 1 && !strings.Contains("ab", content) {
				t.Fatalf("%s is %s", name, content)
			}
		}
	}
	f.Serving(hashOfBuild(contentOf(f.Run())))
	f.put("proposal.update=c")
	_, err := f.Accept(f.candidate(), f.copy(contentOf(f.Run())), 3)
	must(t, err)
	if list, err := f.Backups(); len(list) > 3 || err != nil {
		t.Errorf("%d backups, %v", len(list), err)
	}
	t.Logf("temporary files after a kill: %v", seen)
}

// roleSwap swaps what is in a folder (first argument) with the copies in another (the second) until it is killed.
func roleSwap(args []string) error {
	f := &folder{Files: New(filepath.Join(args[0], "proposal.so"), false), private: args[1]}
	private := func(name string) Copy { return Copy{filepath.Join(f.private, name), hashOfBuild(name)} }
	fmt.Print("x")
	for {
		run := contentOf(f.Run())
		other := map[string]string{"a": "b", "b": "a"}[run]
		f.Serving(hashOfBuild(run))
		c := Candidate{Path: private(other).Path, SHA256: hashOfBuild(other), Kind: Given}
		if way := rand.IntN(3); way > 0 {
			name := []string{f.Update(), f.Run()}[way-1]
			err := os.WriteFile(name+".new", build(other, buildSize), 0o700)
			if err == nil {
				err = os.Rename(name+".new", name)
			}
			s := f.Look()
			if err != nil || s.Candidate == nil {
				return fmt.Errorf("%w: %+v", err, s)
			}
			c = *s.Candidate
		}
		old := private(run)
		if c.Kind == Overwritten {
			if err := f.Keep(old); err != nil {
				return err
			}
		}
		if rand.IntN(3) == 0 {
			if _, err := f.Reject(c, old, "because"); err != nil {
				return err
			}
			continue
		}
		if err := f.Append(Entry{Kind: "trial", Serving: c.SHA256}); err != nil {
			return err
		}
		if _, err := f.Accept(c, old, 3); err != nil {
			return err
		}
		if rand.IntN(2) == 0 {
			if _, err := f.TakeBack(old, "because"); err != nil {
				return err
			}
		}
	}
}
