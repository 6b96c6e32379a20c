package proc

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// grouped starts s in a group, or skips the test where the system makes none. home is the folder its group is in.
func grouped(t *testing.T, s Spec) (c *child, home string) {
	t.Helper()
	h, err := findHome("")
	if err != nil {
		t.Skip(err)
	}
	c = begin(t, s)
	if c.Process.group == nil {
		t.Skip(c.Notes())
	}
	return c, h.dir
}

func groupsOf(t *testing.T, home string) (ours []string) {
	t.Helper()
	entries, err := os.ReadDir(home)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), groupPrefix+strconv.Itoa(os.Getpid())+"-") {
			ours = append(ours, e.Name())
		}
	}
	return ours
}

// TestCgroup: the child is in a group of its own from the start; what it leaves there is killed and the group removed.
func TestCgroup(t *testing.T) {
	s := spec(t, "group")
	s.Cgroup = Cgroup{Name: "a pool/../b"}
	c, home := grouped(t, s)
	dir := c.Process.group.dir
	if path := c.line(); filepath.Base(path) != filepath.Base(dir) || !strings.Contains(path, "a_pool_.._b") || filepath.Dir(dir) != home {
		t.Errorf("it is in %q, should be in %q in %q", path, dir, home)
	}
	c.expect("ready")
	if len(c.Notes()) > 0 {
		t.Errorf("notes %q", c.Notes())
	}
	c.Kill()
	c.end()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v; should be gone", dir, err)
	}
	if left := groupsOf(t, home); len(left) > 0 {
		t.Errorf("groups %q are left", left)
	}
}

// TestCgroupRunaway: no process gets out of the group.
func TestCgroupRunaway(t *testing.T) {
	s := spec(t, "family", "runaway")
	s.Cgroup = Cgroup{Name: "runaway"}
	c, home := grouped(t, s)
	g := c.grandchild()
	if _, err := os.Stat(filepath.Join(c.group.dir, "cgroup.kill")); err != nil {
		t.Skip(err) // older than Linux 5.14
	}
	c.stream.Close() // and it ends
	c.end()
	g.expectEnd()
	if left := groupsOf(t, home); len(left) > 0 {
		t.Errorf("groups %q are left", left)
	}
}

// TestMemoryLimit: the kernel enforces the limit, or a note says that it does not.
func TestMemoryLimit(t *testing.T) {
	s := spec(t, "eat", "300000000")
	s.Cgroup = Cgroup{Name: "eat", MemoryMax: 64 << 20, CPUMax: 900}
	c := begin(t, s)
	e := c.end()
	notes := strings.Join(c.Notes(), "\n")
	if !strings.Contains(notes, "memory limit") {
		if !e.OOM || e.Signal != syscall.SIGKILL {
			t.Errorf("got %+v; the limit should have ended it", e)
		}
		return
	}
	t.Log(notes)
	if e.Code != 0 || !strings.Contains(notes, "cgroup v2: ") || !strings.Contains(notes, ": memory limit 64 MiB is not enforced by the kernel") {
		t.Errorf("got %s, notes %q", e, notes)
	}
}

// TestNoCgroup: a child starts without its limits where groups cannot be made.
func TestNoCgroup(t *testing.T) {
	s := spec(t, "exit", "0")
	s.Cgroup = Cgroup{Parent: t.TempDir(), MemoryMax: 1500, CPUMax: 1500}
	c := begin(t, s)
	if e := c.end(); e.Code != 0 {
		t.Error(e)
	}
	why := `cgroup v2: parent "` + s.Cgroup.Parent + `" is no group of cgroup v2: stat ` + s.Cgroup.Parent + `/cgroup.controllers: no such file or directory: `
	want := []string{why + "memory limit 1500 B is not enforced by the kernel", why + "CPU limit 1.5 processors is not enforced by the kernel"}
	if !slices.Equal(c.Notes(), want) {
		t.Errorf("got %q\nwant %q", c.Notes(), want)
	}
}

// TestGroupRefused: a folder that looks like a group but is none makes the start fail with it, and succeed without.
func TestGroupRefused(t *testing.T) {
	s := spec(t, "exit", "0")
	s.Cgroup = Cgroup{Parent: fakeHome(t, "cpu memory"), MemoryMax: 1 << 30}
	c := begin(t, s)
	if e := c.end(); e.Code != 0 {
		t.Error(e)
	}
	if notes := c.Notes(); len(notes) != 1 || !strings.HasSuffix(notes[0], ": memory limit 1 GiB is not enforced by the kernel") {
		t.Errorf("got %q", notes)
	}
}

// fakeHome is a folder with the files of a group.
func fakeHome(t *testing.T, controllers string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"cgroup.controllers": controllers, "cgroup.subtree_control": "", "cgroup.procs": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func contents(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestGroupFiles: what is written where.
func TestGroupFiles(t *testing.T) {
	dir := fakeHome(t, "cpu memory pids")
	var p Process
	g := p.newCgroup(&Cgroup{Parent: dir, Name: "shop", MemoryMax: 3 << 19, CPUMax: 1500})
	if g == nil || len(p.Notes()) > 0 {
		t.Fatal(p.Notes())
	}
	if got := contents(t, dir, "cgroup.subtree_control"); got != "+cpu" { // a real one adds up
		t.Errorf("enabled last: %q", got)
	}
	for file, want := range map[string]string{"memory.max": "1572864", "memory.oom.group": "1", "cpu.max": "150000 100000"} {
		if got := contents(t, g.dir, file); got != want {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
	if n := g.oomKills(); n != 0 {
		t.Errorf("%d processes killed without a file that says so", n)
	}
	if err := g.write("memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n"); err != nil {
		t.Fatal(err)
	}
	if n := g.oomKills(); n != 2 {
		t.Errorf("got %d killed processes, want 2", n)
	}
	if got := cpuMax(1); got != "1000 1000000" {
		t.Errorf("the smallest share: got %q", got)
	}
	if got := (&Cgroup{MemoryMax: 3 << 19}).memory(); got != "memory limit 1536 KiB" {
		t.Errorf("got %q", got)
	}
}

// TestEnable: which controllers there are, and how the notes name those there are not.
func TestEnable(t *testing.T) {
	dir := fakeHome(t, "cpu pids")
	var p Process
	if g := p.newCgroup(&Cgroup{Parent: dir, MemoryMax: 1, CPUMax: 250}); g == nil {
		t.Fatal(p.Notes())
	}
	want := []string{`cgroup v2: controller "memory" is not available in ` + dir + `: memory limit 1 B is not enforced by the kernel`}
	if !slices.Equal(p.Notes(), want) {
		t.Errorf("got %q\nwant %q", p.Notes(), want)
	}
}

// TestMoveAside: a process that is alone in its group makes room there. The group of the test is not touched: this is about the files.
func TestMoveAside(t *testing.T) {
	h := &groupHome{dir: fakeHome(t, "memory"), own: true}
	if h.alone() {
		t.Error("it is alone in a group it is not in")
	}
	procs := filepath.Join(h.dir, "cgroup.procs")
	pid := strconv.Itoa(os.Getpid())
	for text, want := range map[string]bool{pid + "\n": true, pid + "\n1\n": false, "1\n": false} {
		if err := os.WriteFile(procs, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := h.alone(); got != want {
			t.Errorf("with %q in it: alone %v, want %v", text, got, want)
		}
	}
	for range 2 {
		if err := h.moveAside(); err != nil {
			t.Fatal(err)
		}
	}
	if got := contents(t, h.dir, front, "cgroup.procs"); got != pid {
		t.Errorf("moved %q, want %q", got, pid)
	}
}

// TestSweep: only empty groups of programs that are no more are removed.
func TestSweep(t *testing.T) {
	h := &groupHome{dir: t.TempDir()}
	c := begin(t, spec(t, "exit", "0"))
	c.end() // its number is free, at least for now
	dead, keep := groupName(c.Pid(), "shop", 1), []string{groupName(os.Getpid(), "shop", 1), groupName(os.Getppid(), "shop", 1), "isapid-x-y", "isapid", "other"}
	if err := unix.Kill(c.Pid(), 0); err == nil {
		t.Skip("the number is another process's already")
	}
	for _, name := range append(keep, dead) {
		if err := os.Mkdir(filepath.Join(h.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.sweep()
	var left []string
	entries, _ := os.ReadDir(h.dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	slices.Sort(keep)
	if !slices.Equal(left, keep) {
		t.Errorf("got %q, want %q", left, keep)
	}
}

func TestOwnGroup(t *testing.T) {
	const (
		v1       = "35 24 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		unified  = "28 24 0:25 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid   = "36 24 0:31 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n"
		part     = "40 24 0:25 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
		odd      = `41 24 0:25 / /mnt/a\040b\134c rw - cgroup2 cgroup rw` + "\n"
		nonsense = "1 2 3\n- cgroup2 x\n\n"
	)
	for _, test := range []struct{ name, groups, mounts, want, err string }{
		{"unified", "0::/system.slice/isapid.service\n", unified, "/sys/fs/cgroup/system.slice/isapid.service", ""},
		{"hybrid", "4:memory:/x\n0::/\n", v1 + hybrid, "/sys/fs/cgroup/unified", ""},
		{"a namespace", "0::/", unified, "/sys/fs/cgroup", ""},
		{"a part is mounted", "0::/docker/abc/x\n", part, "/sys/fs/cgroup/x", ""},
		{"another part is mounted", "0::/docker/abcd\n", part, "", `group "/docker/abcd" is mounted nowhere`},
		{"outside of the namespace", "0::/../x\n", unified, "", `group "/../x" is outside of this container`},
		{"blanks", "0::/y\n", nonsense + odd, `/mnt/a b\c/y`, ""},
		{"version 1 only", "4:memory:/x\n", v1, "", "this process is in no group of it"},
		{"not mounted", "0::/\n", v1 + nonsense, "", `group "/" is mounted nowhere`},
	} {
		got, err := ownGroup(test.groups, test.mounts)
		if test.err != "" {
			if err == nil || err.Error() != test.err {
				t.Errorf("%s: got %q, %v; want error %q", test.name, got, err, test.err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: got %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}
