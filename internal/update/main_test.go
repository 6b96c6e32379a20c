//go:build linux

package update

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

const roleVariable = "ISAPID_UPDATE_TEST_ROLE"

// roles is what this program can be besides a test; each gets the arguments.
var roles map[string]func(args []string) error

// TestMain plays a role, or fails when something outlives the tests.
func TestMain(m *testing.M) {
	roles = map[string]func([]string) error{
		"look": roleLook, "change": roleChange, "others": roleOthers, "hold": roleHold, "full": roleFull, "crash": roleCrash, "swap": roleSwap, "limits": roleLimits,
	}
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		if err := role(os.Args[1:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or the race detector has each child wait for a second at its end
	goroutines := runtime.NumGoroutine()
	if r, w, err := os.Pipe(); err == nil { // the runtime keeps descriptors of its own from the first one on
		r.Close()
		w.Close()
	}
	files := descriptors()
	code := m.Run()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		os.Exit(code) // what does that keeps listening to signals
	}
	for end := time.Now().Add(20 * time.Second); code == 0 && (runtime.NumGoroutine() > goroutines || descriptors() > files); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "%d goroutines or %d descriptors outlive the tests:\n%s\n", runtime.NumGoroutine()-goroutines,
				descriptors()-files, stacks[:runtime.Stack(stacks, true)])
			code = 1
		}
	}
	os.Exit(code)
}

func descriptors() int {
	list, _ := filepath.Glob("/proc/self/fd/*")
	return len(list)
}

// play starts this program in a role.
func play(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// nobody has a command run as a user without rights, unless this one is without them already.
func nobody(cmd *exec.Cmd) *exec.Cmd {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd
}

// apart has a command run with mounts and limits of its own.
func apart(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}}
	return cmd
}

// output runs a command that must not fail.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}
