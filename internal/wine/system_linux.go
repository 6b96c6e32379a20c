package wine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/proc"
)

// runAlone runs a command in a session of its own, so that no signal meant for another group of processes ends it, and ends it with its
// group when its context ends, or this process.
func runAlone(cmd *exec.Cmd) error {
	runtime.LockOSThread() // the signal at the death of the parent is one at the death of its thread
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return proc.WithoutChance(cmd.Run)
}

// inSession makes a command start in a session of its own. It outlives this process, unless it notices its end.
func inSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// lockTries is how often somebody else's lock is looked at.
const lockTries = 100 * time.Millisecond

// lock takes the lock of a file, which is made if need be and stays; waiting is called once if somebody else has it.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(lockTries):
		}
	}
}

// lockShared opens a file, which is made if need be, and locks it together with others; nil if that cannot be.
func lockShared(path string) *os.File {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		f.Close()
		return nil
	}
	return f
}

// lockLast tells whether nobody else has a file of lockShared locked.
func lockLast(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// freeSpace is how much this user can write to the disk of a folder, in bytes.
func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// loaders are the names of the programs that all Windows programs are processes of, as this system sees it.
var loaders = []string{"wine64", "wine", "wine64-preloader", "wine-preloader"}

// programs are the Windows programs that run in a prefix. Release them.
func programs(prefix string) (list []*os.Process) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, err := os.FindProcess(pid) // before it is looked at: what is found out is about this one
		if err != nil {
			continue
		}
		if runsIn(filepath.Join("/proc", e.Name()), prefix) {
			list = append(list, p)
		} else {
			p.Release()
		}
	}
	return list
}

// runsIn tells whether a process is a Windows program that was told to use that prefix. Its first thread may have ended, which Wine's do one by
// one when they notice that the server is gone: then another one tells.
func runsIn(process, prefix string) bool {
	exe, err := os.Readlink(filepath.Join(process, "exe"))
	if err != nil {
		threads, _ := filepath.Glob(filepath.Join(process, "task", "*"))
		for _, thread := range threads {
			if exe, err = os.Readlink(filepath.Join(thread, "exe")); err == nil {
				process = thread
				break
			}
		}
	}
	if err != nil || !slices.Contains(loaders, filepath.Base(exe)) {
		return false
	}
	env, err := os.ReadFile(filepath.Join(process, "environ"))
	if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), "WINEPREFIX="+prefix) {
		return false
	}
	// A service with a /tmp of its own (PrivateTmp of systemd) has its server there: what runs with that is not ours.
	if own, err := os.Readlink("/proc/self/ns/mnt"); err == nil {
		if other, err := os.Readlink(filepath.Join(process, "ns", "mnt")); err == nil && other != own {
			return false
		}
	}
	// In a container, whose processes are seen here, the same path is another folder. If it was removed, the root folder tells.
	ours, err := os.Stat(prefix)
	if err != nil {
		prefix = "/"
		if ours, err = os.Stat(prefix); err != nil {
			return false
		}
	}
	theirs, err := os.Stat(filepath.Join(process, "root", prefix))
	return err == nil && os.SameFile(ours, theirs)
}

// ownedByMe tells whether a file belongs to the user of this process.
func ownedByMe(st os.FileInfo) bool { return ownedBy(st, os.Geteuid()) }

// ownedBy tells whether a file belongs to a user.
func ownedBy(st os.FileInfo, uid int) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == uid
}

// writable tells whether this user may make files in a folder.
func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }
