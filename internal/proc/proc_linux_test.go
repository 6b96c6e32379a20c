package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	parts["descriptors"] = func([]string) { printDescriptors() }
	parts["family"] = playFamily
	parts["middle"] = playMiddle
	parts["stubborn"] = func(args []string) { // a grandchild: it never ends by itself and holds all it inherited
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
		fmt.Println("grandchild", os.Getpid())
		for {
			if len(args) > 0 {
				fmt.Println(strings.Repeat("noise ", 100))
			} else {
				time.Sleep(time.Hour)
			}
		}
	}
	parts["group"] = func([]string) {
		b, _ := os.ReadFile("/proc/self/cgroup")
		for line := range strings.Lines(string(b)) {
			if path, ok := strings.CutPrefix(line, "0::"); ok {
				fmt.Print(path)
			}
		}
		wait()
	}
	parts["personality"] = func([]string) {
		old, err := personality(personalityUnknown)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%x\n", old)
	}
	parts["eat"] = func(args []string) {
		for n := number(args[0]); n > 0; n -= 1 << 20 {
			eaten = append(eaten, bytes.Repeat([]byte("e"), 1<<20))
		}
	}
}

var eaten [][]byte

// playFamily starts a grandchild that never ends, in a process group of its own if told so, and waits.
func playFamily(args []string) {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	attr := &os.ProcAttr{Env: []string{"PROC_TEST_CHILD=stubborn"}, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{}}
	attr.Sys.Setsid = slices.Contains(args, "runaway")
	argv := []string{path}
	if slices.Contains(args, "noisy") {
		argv = append(argv, "noisy")
	}
	if _, err := os.StartProcess(path, argv, attr); err != nil {
		panic(err)
	}
	wait()
}

// playMiddle is a front: it starts a child of its own, in the way told, and waits.
func playMiddle(args []string) {
	s := Spec{Path: "/bin/sh", Args: []string{"-c", "echo $$; exec /bin/sleep 3600"}, User: args[0]}
	s.Output = func(line string, _ bool) { fmt.Println("grandchild", line) }
	if _, err := Start(s); err != nil {
		panic(err)
	}
	wait()
}

// printDescriptors prints what this process has open, but for what the Go runtime made for itself.
func printDescriptors() {
	for fd := range 1 << 12 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			continue
		}
		to, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if kind, _, _ := strings.Cut(to, ":"); kind != "anon_inode" && !strings.HasPrefix(to, "/sys/fs/cgroup/") {
			fmt.Println(fd, kind)
		}
	}
}

// grandchild reads the number of the process a part started, and watches it.
func (c *child) grandchild() *watched {
	c.t.Helper()
	for {
		pid, ok := strings.CutPrefix(c.line(), "grandchild ")
		if !ok {
			continue
		}
		fd, err := unix.PidfdOpen(number(pid), 0)
		if err != nil {
			c.t.Fatal(err)
		}
		w := &watched{t: c.t, pid: number(pid), fd: fd}
		c.t.Cleanup(func() {
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			w.expectEnd()
			unix.Close(fd)
		})
		return w
	}
}

// watched is a process that is not our child.
type watched struct {
	t       *testing.T
	pid, fd int
}

// ended tells whether it ends within the time.
func (w *watched) ended(wait time.Duration) bool {
	w.t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return n > 0
	}
}

func (w *watched) expectEnd() {
	w.t.Helper()
	if !w.ended(time.Minute) {
		w.t.Errorf("process %d still runs", w.pid)
	}
}

func shell(script string) Spec { return Spec{Path: "/bin/sh", Args: []string{"-c", script}} }

func TestSignal(t *testing.T) {
	c := begin(t, spec(t, "wait"))
	c.expect("ready")
	c.alive()
	if err := c.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := c.end(); e.Code != -1 || e.Signal != syscall.SIGKILL || e.OOM || e.String() != "signal 9 (SIGKILL)" {
		t.Errorf("got %+v, %s", e, e)
	}
	for name, want := range map[string]string{"TERM": "signal 15 (SIGTERM)", "SEGV": "signal 11 (SIGSEGV)", "USR1": "signal 10 (SIGUSR1)"} {
		s := shell("read x <&3; kill -" + name + " $$")
		s.Limits.Core = new(uint64(0))
		c := begin(t, s)
		c.stream.Close() // now it has its limit
		if e := c.end(); e.String() != want {
			t.Errorf("got %s, want %s", e, want)
		}
	}
	if e := (Exit{Signal: 40}); e.String() != "signal 40" {
		t.Errorf("got %s", e)
	}
	if e := (Exit{Signal: syscall.SIGKILL, OOM: true}); e.String() != "signal 9 (SIGKILL), out of memory in its cgroup" {
		t.Errorf("got %s", e)
	}
}

func TestCore(t *testing.T) {
	if b, err := os.ReadFile("/proc/sys/kernel/core_pattern"); err != nil || strings.ContainsAny(string(b), "|/") {
		t.Skipf("core dumps go to %q", b)
	}
	s := shell("read x <&3; kill -SEGV $$")
	s.Dir = t.TempDir()
	s.Limits.Core = new(Unlimited)
	c := begin(t, s)
	c.stream.Close() // now it has its limit
	if e := c.end(); len(c.Notes()) == 0 && (!e.Core || e.String() != "signal 11 (SIGSEGV), core dumped") {
		t.Errorf("got %+v, %s", e, e)
	}
}

// TestDescriptors: a child has its four, whatever this process has open.
func TestDescriptors(t *testing.T) {
	careless, err := unix.Open("/dev/zero", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(careless)
	if got, want := begin(t, spec(t, "descriptors")).rest(), "0 /dev/null\n1 pipe\n2 pipe\n3 socket"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var lines []string
	s := spec(t, "descriptors")
	s.Output = func(line string, _ bool) { lines = append(lines, line) }
	p, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if want := []string{"0 /dev/null", "1 pipe", "2 pipe"}; !slices.Equal(lines, want) {
		t.Errorf("without a stream: got %q, want %q", lines, want)
	}
}

// TestStandardPair: one end of a pair of sockets can be both its standard input and output.
func TestStandardPair(t *testing.T) {
	ours, theirs := streams(t)
	defer theirs.Close()
	s := shell("test ! -e /proc/self/fd/3 && read line && echo got $line; echo error >&2; read line")
	s.In, s.Out = theirs, theirs
	c := begin(t, s)
	if _, err := ours.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(ours).ReadString('\n'); err != nil || got != "got hello\n" {
		t.Errorf("got %q, %v", got, err)
	}
	c.expect("error")
	ours.Close()
	c.end()
}

// TestStreamEnd: whoever reads the other end of the stream sees the end of the child at once.
func TestStreamEnd(t *testing.T) {
	c := begin(t, spec(t, "wait"))
	c.expect("ready")
	c.alive()
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.stream.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// TestGroup: a grandchild ends with the child, however that ends.
func TestGroup(t *testing.T) {
	t.Run("kill", func(t *testing.T) {
		c := begin(t, spec(t, "family"))
		g := c.grandchild()
		if err := c.Kill(); err != nil {
			t.Fatal(err)
		}
		g.expectEnd()
		if e := c.end(); e.Signal != syscall.SIGKILL {
			t.Error(e)
		}
	})
	t.Run("exit", func(t *testing.T) {
		c := begin(t, spec(t, "family"))
		g := c.grandchild()
		c.stream.Close()
		if e := c.end(); e.Code != 0 || e.Signal != 0 {
			t.Error(e)
		}
		g.expectEnd()
	})
}

// TestRunaway: a grandchild in a session of its own, which has the pipe open, does not keep the child from being done, nor does
// what it writes.
func TestRunaway(t *testing.T) {
	for _, how := range []string{"quiet", "noisy"} {
		t.Run(how, func(t *testing.T) {
			s := spec(t, "family", "runaway", how)
			ready := make(chan string, 2)
			s.Output = func(line string, _ bool) {
				if strings.HasPrefix(line, "grandchild ") {
					ready <- line
				}
			}
			p, err := Start(s)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.Kill(); <-p.Done() })
			c := &child{Process: p, t: t, lines: ready}
			g := c.grandchild()
			if err := p.Kill(); err != nil {
				t.Fatal(err)
			}
			c.end()
			if g.ended(0) {
				t.Error("the grandchild ended: the test shows nothing")
			}
		})
	}
}

// TestParentDeath: a child does not outlive the process that started it.
func TestParentDeath(t *testing.T) {
	users := []string{""}
	if os.Geteuid() == 0 {
		users = append(users, "nobody")
	}
	for _, user := range users {
		c := begin(t, spec(t, "middle", user))
		g := c.grandchild()
		if g.ended(0) {
			t.Fatal("it ended before its parent")
		}
		if err := c.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		g.expectEnd()
		c.end()
	}
}

// TestThreadEnd: a child outlives the thread of the goroutine that started it, and any other.
func TestThreadEnd(t *testing.T) {
	var wg sync.WaitGroup
	children := make(chan *child, 1)
	wg.Go(func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		children <- begin(t, spec(t, "wait"))
	})
	wg.Wait()
	for range 50 {
		wg.Go(runtime.LockOSThread)
	}
	wg.Wait()
	c := <-children
	c.expect("ready")
	c.alive()
	c.stream.Close()
	if e := c.end(); e.Code != 0 || e.Signal != 0 {
		t.Error(e)
	}
}

func TestLimits(t *testing.T) {
	s := shell("echo ready; read x <&3")
	s.Limits = Limits{
		Files: new(uint64(100)), Processes: new(uint64(20_000)), AddressSpace: new(uint64(1 << 30)), CPUSeconds: new(uint64(50)),
		FileSize: new(uint64(1 << 20)), Core: new(uint64(4096)), LockedMemory: new(uint64(8192)),
	}
	c := begin(t, s)
	c.expect("ready")
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Max open files": "100", "Max processes": "20000", "Max address space": "1073741824", "Max cpu time": "50",
		"Max file size": "1048576", "Max core file size": "4096", "Max locked memory": "8192",
		"Max data size": "unlimited",
	} {
		for line := range strings.Lines(string(b)) {
			rest, ok := strings.CutPrefix(line, name)
			if f := strings.Fields(rest); ok && (f[0] != want || f[1] != want) {
				t.Errorf("%s: got %q, want %s", name, f, want)
			}
		}
	}
	if len(c.Notes()) > 0 {
		t.Errorf("notes %q", c.Notes())
	}
	if limitString(Unlimited) != "unlimited" {
		t.Error(limitString(Unlimited))
	}
}

// TestNice: all threads of the child have the niceness asked for.
func TestNice(t *testing.T) {
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := spec(t, "wait")
	s.Nice = 5
	c := begin(t, s)
	c.expect("ready")
	c.alive()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", c.Pid()))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		if got, err := unix.Getpriority(unix.PRIO_PROCESS, number(task.Name())); err != nil || 20-got != 20-own+5 {
			t.Errorf("thread %s: niceness %d, %v; want %d", task.Name(), 20-got, err, 20-own+5)
		}
	}
}

// TestWithoutChance: the addresses of a program of Wine, and of what it starts, are the same each time, and others' are not.
func TestWithoutChance(t *testing.T) {
	runtime.LockOSThread()
	old, err := personality(personalityUnknown)
	if err == nil {
		_, err = personality(old | addrNoRandomize)
	}
	if err != nil {
		t.Skipf("the system does not allow it: %v", err) // the thread ends with the test
	}
	if _, err := personality(old); err != nil {
		t.Fatal(err)
	}
	runtime.UnlockOSThread()
	for _, wine := range []bool{true, false} {
		s := spec(t, "personality")
		s.Wine = wine
		c := begin(t, s)
		want := "0"
		if wine {
			want = "40000"
		}
		c.expect(want)
	}
}

// TestNotRoot: what only root can have is not there, and a note says so.
func TestNotRoot(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can have it")
	}
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		t.Fatal(err)
	}
	s := shell("read x <&3")
	s.Nice = -5
	s.Limits.Files = new(own.Max + 1)
	c := begin(t, s)
	notes := c.Notes()
	want := fmt.Sprintf("limit of files: only root can raise it to %d: it is %d, the hard limit of this process", own.Max+1, own.Max)
	if len(notes) != 2 || notes[0] != want || !strings.HasPrefix(notes[1], "nice -5: ") {
		t.Errorf("got %q, want %q and one on niceness", notes, want)
	}
}

func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as another user")
	}
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		t.Fatal(err)
	}
	gid := func(name string) string {
		for line := range strings.Lines(string(groups)) {
			if f := strings.Split(line, ":"); f[0] == name {
				return f[2]
			}
		}
		t.Skipf("there is no group %q", name)
		return ""
	}
	nobody, daemon := gid("nogroup"), gid("daemon")
	for _, test := range []struct{ user, group, uid, gid string }{
		{"nobody", "", "65534", nobody},
		{"65534", "", "65534", nobody},
		{"nobody", "daemon", "65534", daemon},
		{"4242", "4343", "4242", "4343"},
		{"", "daemon", "0", daemon},
		{"root", "root", "0", "0"},
	} {
		s := shell("id -u; id -g; id -G; grep -c . /proc/self/status")
		s.Env = []string{"PATH=/usr/bin:/bin"}
		s.User, s.Group = test.user, test.group
		c := begin(t, s)
		c.expect(test.uid)
		c.expect(test.gid)
		if got := strings.Fields(c.line()); test.uid != "0" && slices.Contains(got, "0") {
			t.Errorf("%+v: it is still in group 0: %q", test, got)
		}
		if e := c.end(); e.Code != 0 {
			t.Errorf("%+v: %s", test, e)
		}
	}
}

func TestLook(t *testing.T) {
	c := begin(t, spec(t, "wait"))
	c.expect("ready")
	m, err := c.Memory()
	if err != nil || m.Resident < 1<<20 || m.Private < 1<<18 || m.Private > m.Resident {
		t.Errorf("got %+v, %v", m, err)
	}
	if n, err := c.Threads(); err != nil || n < 2 || n > 100 {
		t.Errorf("%d threads, %v", n, err)
	}
	if user, system, err := c.CPU(); err != nil || user < 0 || user+system > time.Minute {
		t.Errorf("CPU time %v and %v, %v", user, system, err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", c.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := statm(b); err != nil || s.Resident < m.Resident/2 || s.Private > s.Resident || s.Private <= 0 {
		t.Errorf("statm: got %+v, %v; smaps_rollup says %+v", s, err, m)
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
	if c.Exit().MaxRSS < 1<<20 {
		t.Errorf("it had %d bytes at most", c.Exit().MaxRSS)
	}
}

// TestCPUTimes: the name of a program may look like fields.
func TestCPUTimes(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 123 45 0 0"
	for _, c := range []struct {
		stat         string
		user, system time.Duration
		ok           bool
	}{
		{"77 (isapid)" + rest, 1230 * time.Millisecond, 450 * time.Millisecond, true},
		{"77 (a) S 1 (b) c)" + rest, 1230 * time.Millisecond, 450 * time.Millisecond, true},
		{"77 (isapid) S 1 2 3", 0, 0, false},
		{"", 0, 0, false},
		{"77 (isapid) S 1 2 3 4 5 6 7 8 9 10 x 45", 0, 0, false},
		{"77 (isapid) S 1 2 3 4 5 6 7 8 9 10 1 -45", 0, 0, false},
		{"77 (isapid) S 1 2 3 4 5 6 7 8 9 10 18446744073709551615 45", 0, 0, false},
	} {
		if user, system, err := cpuTimes([]byte(c.stat)); user != c.user || system != c.system || (err == nil) != c.ok {
			t.Errorf("%q: got %v, %v, %v", c.stat, user, system, err)
		}
	}
}

// TestNoNewPrivileges: the child has that from the start, and no other thread of this process.
func TestNoNewPrivileges(t *testing.T) {
	const script = "grep NoNewPrivs: /proc/self/status; read x <&3"
	for _, strict := range []bool{false, true, false} {
		s := shell(script)
		s.NoNewPrivileges = strict
		c := begin(t, s)
		want := map[bool]string{false: "0", true: "1"}[strict]
		if own, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || own == 1 {
			want = "1"
		}
		if got := strings.Fields(c.line()); len(got) != 2 || got[1] != want {
			t.Errorf("asked for %v: got %q", strict, got)
		}
		c.stream.Close()
		c.end()
	}
	var left string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if left = strictThreads(t); left == "" {
			return
		}
	}
	t.Errorf("threads%s are left that cannot gain rights", left)
}

// strictThreads are the threads of this process that cannot gain rights, but for the first one, which Go never ends, and unless it was
// started so.
func strictThreads(t *testing.T) (list string) {
	t.Helper()
	strict := func(task string) bool {
		b, _ := os.ReadFile("/proc/self/task/" + task + "/status")
		return strings.Contains(string(b), "NoNewPrivs:\t1")
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	own := strconv.Itoa(os.Getpid())
	for _, task := range tasks {
		if task.Name() != own && strict(task.Name()) && !strict(own) {
			list += " " + task.Name()
		}
	}
	return list
}

// TestMany: children that start and end all at once, looked at and killed meanwhile, leave nothing.
func TestMany(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				s := spec(t, "exit", strconv.Itoa(i))
				s.NoNewPrivileges = i%2 == 0
				p, err := Start(s)
				if err != nil {
					t.Error(err)
					return
				}
				p.Memory()
				p.Signal(syscall.SIGUSR1)
				if err := p.Kill(); err != nil {
					t.Error(err)
				}
				<-p.Done()
			}
		})
	}
	wg.Wait()
	for _, f := range []*forker{&forks, &strictForks} {
		f.mu.Lock()
		if f.users != 0 {
			t.Errorf("the thread has %d users", f.users)
		}
		f.mu.Unlock()
	}
}

func startErrors(t *testing.T, dir, file string) []startError {
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("junk\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none")
	begin := func(path string) string { return fmt.Sprintf("start %q: ", path) }
	list := []startError{
		{"no program", Spec{Path: none}, begin(none) + "there is no such program"},
		{"a folder", Spec{Path: dir}, begin(dir) + "it is a folder, not a program"},
		{"not executable", Spec{Path: file}, begin(file) + "permission denied: it is not marked executable (chmod +x)"},
		{"no interpreter", Spec{Path: script}, begin(script) + "no such file or directory: what it needs to run, the interpreter of its first line or its dynamic loader, is missing"},
		{"junk", Spec{Path: junk}, begin(junk) + "exec format error: it is not a program for this system"},
		{"no folder", Spec{Path: "/bin/sh", Dir: none}, fmt.Sprintf(`start "/bin/sh": working folder %q: there is no such folder`, none)},
		{"a file as folder", Spec{Path: "/bin/sh", Dir: file}, fmt.Sprintf(`start "/bin/sh": working folder %q: it is not a folder`, file)},
		{"no user", Spec{Path: "/bin/sh", User: "nobody at all"}, `start "/bin/sh": user "nobody at all": this system knows no such user: check the name, or use a number`},
		{"no group", Spec{Path: "/bin/sh", Group: "-1"}, `start "/bin/sh": group "-1": this system knows no such group: check the name, or use a number`},
		{"a number without a group", Spec{Path: "/bin/sh", User: "4242"}, `start "/bin/sh": user "4242": the system knows no such user, hence not its group: name a group, too`},
		{"too high a number", Spec{Path: "/bin/sh", User: "4294967295", Group: "0"}, `start "/bin/sh": user "4294967295": this system knows no such user: check the name, or use a number`},
		{"no program in a group", Spec{Path: none, Cgroup: Cgroup{Name: "test"}}, begin(none) + "there is no such program"},
	}
	if os.Geteuid() == 0 {
		return append(list, startError{"closed to the user", Spec{Path: junk, User: "nobody"},
			begin(junk) + `permission denied: user "nobody" must be allowed to run it, and to enter its folder and the working folder`})
	}
	return append(list, startError{"another user", Spec{Path: "/bin/sh", User: "root"},
		`start "/bin/sh": operation not permitted: only root can start a process as user "root": run this process as root, or leave user and group out`})
}
