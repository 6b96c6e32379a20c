package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// front is the subgroup that a process moves itself into, to make room for the groups of its children beside it.
const front = "front"

// groupHome is the group that the children's groups are made in.
type groupHome struct {
	dir string
	own bool // this process is in it
}

// findHome finds the home: parent, or the group of this process; if that is a front, the one above.
func findHome(parent string) (*groupHome, error) {
	if parent != "" {
		if err := isCgroup2(parent); err != nil {
			return nil, err
		}
		return &groupHome{dir: parent}, nil
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	dir, err := ownGroup(string(groups), string(mounts))
	if err != nil {
		return nil, err
	}
	if filepath.Base(dir) == front {
		return &groupHome{dir: filepath.Dir(dir)}, nil
	}
	return &groupHome{dir: dir, own: true}, nil
}

// isCgroup2 tells a folder of cgroup v2 from others by a file that every one of them has.
func isCgroup2(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err != nil {
		return fmt.Errorf("parent %q is no group of cgroup v2: %w", dir, err)
	}
	return nil
}

// ownGroup finds the folder of this process's group in /proc/self/cgroup and /proc/self/mountinfo.
func ownGroup(groups, mounts string) (string, error) {
	path, ok := "", false
	for line := range strings.Lines(groups) {
		if path, ok = strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			break
		}
	}
	if !ok {
		return "", errors.New("this process is in no group of it")
	}
	if strings.HasPrefix(path, "/../") {
		return "", fmt.Errorf("group %q is outside of this container", path)
	}
	for line := range strings.Lines(mounts) {
		root, point, ok := cgroup2Mount(line)
		if !ok {
			continue
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
			continue // mounted is another part of the tree
		}
		return filepath.Join(point, rel), nil
	}
	return "", fmt.Errorf("group %q is mounted nowhere", path)
}

// cgroup2Mount reads one line of mountinfo: which folder of the file system is mounted, and where.
func cgroup2Mount(line string) (root, point string, ok bool) {
	before, after, found := strings.Cut(line, " - ")
	fields := strings.Fields(before)
	if !found || !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
		return "", "", false
	}
	return unescape(fields[3]), unescape(fields[4]), true
}

// unescape undoes what the kernel does to blanks and backslashes: \040.
func unescape(s string) string {
	before, after, ok := strings.Cut(s, `\`)
	if !ok || len(after) < 3 {
		return s
	}
	n, err := strconv.ParseUint(after[:3], 8, 8)
	if err != nil {
		return s
	}
	return before + string([]byte{byte(n)}) + unescape(after[3:])
}

// enable makes a controller work in the groups made in h.
func (h *groupHome) enable(controller string) error {
	if h.lists("cgroup.subtree_control", controller) {
		return nil
	}
	if !h.lists("cgroup.controllers", controller) {
		return fmt.Errorf("controller %q is not available in %s", controller, h.dir)
	}
	err := h.control(controller)
	if errors.Is(err, syscall.EBUSY) && h.own && h.alone() {
		if err = h.moveAside(); err == nil {
			err = h.control(controller)
		}
	}
	if errors.Is(err, syscall.EBUSY) {
		err = fmt.Errorf("%w: other processes are in that group; run this one in a group of its own (systemd: Delegate=yes), or name a parent that has only groups in it", err)
	}
	return err
}

func (h *groupHome) lists(file, controller string) bool {
	b, err := os.ReadFile(filepath.Join(h.dir, file))
	return err == nil && slices.Contains(strings.Fields(string(b)), controller)
}

func (h *groupHome) control(controller string) error {
	return os.WriteFile(filepath.Join(h.dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
}

// alone tells whether this process is the only one in the group.
func (h *groupHome) alone() bool {
	b, err := os.ReadFile(filepath.Join(h.dir, "cgroup.procs"))
	return err == nil && slices.Equal(strings.Fields(string(b)), []string{strconv.Itoa(os.Getpid())})
}

// moveAside moves this process into a subgroup: the kernel allows controllers only in groups without processes.
func (h *groupHome) moveAside() error {
	dir := filepath.Join(h.dir, front)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		return err
	}
	h.own = false
	return nil
}

// sweep removes the empty groups of programs that are no more. The kernel lets nobody remove one that is in use.
func (h *groupHome) sweep() {
	entries, _ := os.ReadDir(h.dir)
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), groupPrefix)
		number, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		if ours && err == nil && pid > 0 && pid != os.Getpid() && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			os.Remove(filepath.Join(h.dir, e.Name()))
		}
	}
}
