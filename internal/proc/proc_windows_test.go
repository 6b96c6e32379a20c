package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/underwine"
)

func init() {
	parts["family"] = func([]string) { // starts a grandchild that never ends, and waits
		startChild("PROC_TEST_CHILD=stubborn", os.Stdout)
		wait()
	}
	parts["stubborn"] = func([]string) {
		fmt.Println("grandchild", os.Getpid())
		time.Sleep(time.Hour)
	}
	parts["middle"] = func([]string) { // a front
		path, _ := os.Executable()
		s := Spec{Path: path, Env: []string{"PROC_TEST_CHILD=stubborn"}}
		s.Output = func(line string, _ bool) { fmt.Println(line) }
		if _, err := Start(s); err != nil {
			panic(err)
		}
		wait()
	}
	parts["alone"] = func([]string) { // tells whether it may start another
		if err := startChild("PROC_TEST_CHILD=exit", os.Stdout); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println("started")
		}
	}
	parts["class"] = func([]string) {
		class, err := windows.GetPriorityClass(windows.CurrentProcess())
		fmt.Println(class, err)
	}
	parts["own exit"] = func(args []string) {
		code, _ := strconv.ParseUint(args[0], 0, 32)
		windows.TerminateProcess(windows.CurrentProcess(), uint32(code))
	}
	parts["eat"] = func(args []string) {
		for n := number(args[0]); n > 0; n -= 1 << 20 {
			eaten = append(eaten, bytes.Repeat([]byte("e"), 1<<20))
		}
		fmt.Println("full")
	}
}

var eaten [][]byte

func startChild(environment string, out *os.File) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	attr := &os.ProcAttr{Env: []string{environment, "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, Files: []*os.File{nil, out, out}}
	_, err = os.StartProcess(path, []string{path, "0"}, attr)
	return err
}

// grandchild reads the number of the process a part started, and watches it.
func (c *child) grandchild() windows.Handle {
	c.t.Helper()
	pid, ok := strings.CutPrefix(c.line(), "grandchild ")
	if !ok {
		pid, ok = strings.CutPrefix(c.line(), "grandchild ")
	}
	if !ok {
		c.t.Fatal("no grandchild")
	}
	h, err := windows.OpenProcess(windows.SYNCHRONIZE|windows.PROCESS_TERMINATE, false, uint32(number(pid)))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		windows.TerminateProcess(h, 1)
		windows.CloseHandle(h)
	})
	if ended(c.t, h, 0) {
		c.t.Fatal("it ended too early")
	}
	return h
}

func ended(t *testing.T, process windows.Handle, limit time.Duration) bool {
	t.Helper()
	s, err := windows.WaitForSingleObject(process, uint32(limit.Milliseconds()))
	if err != nil {
		t.Fatal(err)
	}
	return s == windows.WAIT_OBJECT_0
}

// TestJob: what the child started ends with it, however that ends.
func TestJob(t *testing.T) {
	t.Run("kill", func(t *testing.T) {
		c := begin(t, spec(t, "family"))
		g := c.grandchild()
		if err := c.Kill(); err != nil {
			t.Fatal(err)
		}
		if e := c.end(); e.Signal != syscall.SIGKILL || e.Code != -1 || e.String() != "killed" {
			t.Errorf("got %+v, %s", e, e)
		}
		if !ended(t, g, 0) {
			t.Error("the grandchild lives on")
		}
	})
	t.Run("exit", func(t *testing.T) {
		c := begin(t, spec(t, "family"))
		g := c.grandchild()
		c.stream.Close()
		if e := c.end(); e.Code != 0 || e.Signal != 0 {
			t.Error(e)
		}
		if !ended(t, g, 0) {
			t.Error("the grandchild lives on")
		}
	})
}

// TestParentDeath: a child does not outlive the process that started it.
func TestParentDeath(t *testing.T) {
	s := spec(t, "middle")
	c := begin(t, s)
	g := c.grandchild()
	h, err := windows.OpenProcess(windows.PROCESS_TERMINATE, false, uint32(c.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(h)
	if err := windows.TerminateProcess(h, 9); err != nil { // only the front: its own job lives on for a moment
		t.Fatal(err)
	}
	if !ended(t, g, time.Minute) {
		t.Error("the grandchild lives on")
	}
	if e := c.end(); e.Code != 9 {
		t.Error(e)
	}
}

// TestInherits: a child has the three handles it was given, whatever this process has open.
func TestInherits(t *testing.T) {
	r, w := pipe(t)
	if err := windows.SetHandleInformation(windows.Handle(w.Fd()), windows.HANDLE_FLAG_INHERIT, windows.HANDLE_FLAG_INHERIT); err != nil {
		t.Fatal(err)
	}
	c := begin(t, spec(t, "wait"))
	c.expect("ready")
	w.Close()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF { // the child would keep it open
		t.Errorf("got %d, %v", n, err)
	}
	if ended(t, c.group.process, 0) {
		t.Error("the child ended: the test shows nothing")
	}
}

// TestStatus: exit codes of 32 bits come through, and those of the system are named.
func TestStatus(t *testing.T) {
	for code, want := range map[uint32]string{
		7:          "exit code 7",
		0xc0000005: "exit code 0xc0000005 (access violation)",
		0xc0001234: "exit code 0xc0001234",
		0xffffffff: "exit code 0xffffffff",
	} {
		e := begin(t, spec(t, "own exit", fmt.Sprint(code))).end()
		if strconv.IntSize == 32 && code == 0xffffffff {
			want = "exit code -1"
		}
		if uint32(e.Code) != code || e.Signal != 0 || e.String() != want {
			t.Errorf("%#x: got %+v, %s", code, e, e)
		}
	}
}

func TestNice(t *testing.T) {
	if wine() {
		t.Skip("Wine starts every process with the same class")
	}
	for nice, want := range map[int]uint32{
		0: windows.NORMAL_PRIORITY_CLASS, 3: windows.BELOW_NORMAL_PRIORITY_CLASS, 19: windows.IDLE_PRIORITY_CLASS, -5: windows.ABOVE_NORMAL_PRIORITY_CLASS, -20: windows.HIGH_PRIORITY_CLASS,
	} {
		s := spec(t, "class")
		s.Nice = nice
		if got := begin(t, s).rest(); got != fmt.Sprint(want, " <nil>") {
			t.Errorf("nice %d: got %s, want %d", nice, got, want)
		}
	}
}

// TestLimits: what Windows can limit is limited. Wine takes the limits and does not heed them.
func TestLimits(t *testing.T) {
	t.Run("processes", func(t *testing.T) {
		s := spec(t, "alone", "0")
		s.Limits.Processes = new(uint64(1))
		c := begin(t, s)
		if got := c.rest(); got != "refused" && !wine() || len(c.Notes()) > 0 {
			t.Errorf("got %q, notes %q", got, c.Notes())
		}
	})
	t.Run("memory", func(t *testing.T) {
		s := spec(t, "eat", "300000000")
		s.Cgroup = Cgroup{Name: "eat", MemoryMax: 128 << 20, CPUMax: 1 << 20}
		c := begin(t, s)
		if got := c.rest(); strings.Contains(got, "full") && !wine() || len(c.Notes()) > 0 && !wine() {
			t.Errorf("got %q, notes %q", got, c.Notes())
		}
	})
	t.Run("notes", func(t *testing.T) {
		s := spec(t, "exit", "0")
		s.Limits = Limits{Files: new(uint64(10)), AddressSpace: new(Unlimited), FileSize: new(uint64(1)), Core: new(uint64(0)), LockedMemory: new(uint64(0)), CPUSeconds: new(uint64(1000)), Processes: new(Unlimited)}
		s.Cgroup.Parent = "/sys/fs/cgroup"
		c := begin(t, s)
		want := []string{
			"cgroup parent: Windows has no cgroups: the child is in a job object of its own",
			"limit of files: Windows has none", "limit of file size: Windows has none", "limit of locked memory: Windows has none",
		}
		if !slices.Equal(c.Notes(), want) {
			t.Errorf("got %q", c.Notes())
		}
	})
}

// wine tells whether this is Wine.
func wine() bool {
	return underwine.Version() != ""
}

func TestLook(t *testing.T) {
	c := begin(t, spec(t, "wait"))
	c.expect("ready")
	if m, err := c.Memory(); err != nil || m.Resident < 1<<20 || m.Private < 1<<18 && !wine() { // Wine knows only what is swapped out
		t.Errorf("got %+v, %v", m, err)
	}
	if n, err := c.Threads(); err != nil || n < 2 || n > 100 {
		t.Errorf("%d threads, %v", n, err)
	}
	if user, system, err := c.CPU(); err != nil || user < 0 || user+system > time.Minute || user+system == 0 {
		t.Errorf("CPU time %v and %v, %v", user, system, err)
	}
	c.Kill()
	for { // before its end, between its end and when that is known, and after
		if _, err := c.Memory(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		if _, _, err := c.CPU(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		if _, err := c.Threads(); errors.Is(err, os.ErrProcessDone) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	c.end()
	if c.Exit().MaxRSS < 1<<20 && !wine() {
		t.Errorf("it had %d bytes at most", c.Exit().MaxRSS)
	}
}

// TestArguments: a child gets its arguments as they are, and has SYSTEMROOT.
func TestArguments(t *testing.T) {
	for _, arg := range []string{"", " ", `"`, `\`, `a\"b`, `C:\Program Files\`, "ä€𝄞", "%PATH%", "a\nb"} {
		if got := begin(t, spec(t, "print", arg)).rest(); got != arg {
			t.Errorf("got %q, want %q", got, arg)
		}
	}
	if got := begin(t, spec(t, "env")).rest(); !strings.Contains(strings.ToUpper(got), "SYSTEMROOT=") {
		t.Errorf("got %q", got)
	}
}

func startErrors(t *testing.T, dir, file string) []startError {
	none := filepath.Join(dir, "none.exe")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	begin := func(path string) string { return fmt.Sprintf("start %q: ", path) }
	junk := filepath.Join(dir, "junk.exe")
	if err := os.WriteFile(junk, bytes.Repeat([]byte("junk"), 1000), 0o700); err != nil {
		t.Fatal(err)
	}
	return []startError{
		{"no program", Spec{Path: none}, begin(none) + "there is no such program"},
		{"a folder", Spec{Path: dir}, begin(dir) + "it is a folder, not a program"},
		{"junk", Spec{Path: junk}, begin(junk) + windows.ERROR_BAD_EXE_FORMAT.Error() + ": it is not a program for this system"},
		{"no folder", Spec{Path: program, Dir: none}, begin(program) + fmt.Sprintf("working folder %q: there is no such folder", none)},
		{"a file as folder", Spec{Path: program, Dir: file}, begin(program) + fmt.Sprintf("working folder %q: it is not a folder", file)},
		{"a user", Spec{Path: program, User: "Administrator"}, begin(program) + "user and group cannot be chosen on Windows, where a child runs as this process does: leave them out"},
		{"a stream", Spec{Path: program, Stream: os.Stdin}, begin(program) + "there is no descriptor 3 on Windows: a child is spoken to by its standard input and output"},
		{"NUL in an argument", Spec{Path: program, Args: []string{"a\x00b"}}, begin(program) + "invalid argument"},
		{"NUL in the environment", Spec{Path: program, Env: []string{"a\x00b"}}, begin(program) + "invalid argument"},
	}
}
