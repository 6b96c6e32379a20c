//go:build linux

package pool_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/worker"
)

// TestMain makes this program a worker when a pool starts it as one, and a front when a test does.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "worker":
		os.Exit(worker.Main())
	case os.Getenv(frontImage) != "":
		os.Exit(beFront())
	}
	os.Exit(leavesNothing(m))
}

// leavesNothing runs the tests with a temporary folder of their own, and fails when something outlives them. Processes that
// lose their parent become children of this one.
func leavesNothing(m *testing.M) int {
	tmp, err := os.MkdirTemp("", "isapid-pool-test-")
	if err == nil {
		err = os.Setenv("GORACE", "atexit_sleep_ms=0") // or the race detector has each worker wait for a second at its end
	}
	if err == nil {
		err = os.Setenv("TMPDIR", tmp)
	}
	if err == nil {
		err = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(tmp)
	warm()
	before := count()
	if code := m.Run(); code != 0 {
		return code
	}
	if left := before.left(); left != "" {
		fmt.Fprintln(os.Stderr, "outlives the tests:", left)
		return 1
	}
	return 0
}

// warm opens files and closes them: the runtime keeps descriptors of its own from the first one on.
func warm() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// census is what this process has at a moment.
type census struct {
	goroutines, descriptors int
	children                []int
	files                   []string // of workers, in the temporary folder
	images                  []string // in the memory of this process
}

func count() (c census) {
	c.goroutines = runtime.NumGoroutine()
	c.descriptors = len(names("/proc/self/fd/*"))
	for _, file := range names("/proc/self/task/*/children") {
		list, _ := os.ReadFile(file)
		for _, text := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(text); err == nil {
				c.children = append(c.children, pid)
			}
		}
	}
	c.files = names(filepath.Join(os.TempDir(), "isapid-*"))
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "isapid-images-") {
			c.images = append(c.images, strings.TrimSpace(line))
		}
	}
	return c
}

func names(pattern string) []string {
	list, _ := filepath.Glob(pattern)
	return list
}

// left waits until nothing is there that was not before, and says what it is if that takes too long.
func (c census) left() (what string) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if what = c.compare(count()); what == "" {
			return ""
		}
	}
	stacks := make([]byte, 1<<20)
	return fmt.Sprintf("%s\n%s", what, stacks[:runtime.Stack(stacks, true)])
}

func (c census) compare(now census) string {
	var list []string
	for _, pid := range now.children {
		if slices.Contains(c.children, pid) {
			continue
		}
		if ended, _ := unix.Wait4(pid, nil, unix.WNOHANG, nil); ended != pid { // else it had lost its parent, and has ended
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			list = append(list, fmt.Sprintf("process %d (%q)", pid, command))
		}
	}
	for _, f := range now.files {
		if !slices.Contains(c.files, f) {
			list = append(list, f)
		}
	}
	list = append(list, now.images...)
	if n := now.goroutines - c.goroutines; n > 0 {
		list = append(list, fmt.Sprintf("%d goroutines", n))
	}
	if n := now.descriptors - c.descriptors; n > 0 {
		list = append(list, fmt.Sprintf("%d descriptors", n))
	}
	return strings.Join(list, "; ")
}

// leavesNoTrace has the test fail if something outlives it and what was to be cleaned up after it. It is to be called first.
func leavesNoTrace(t *testing.T) {
	before := count()
	t.Cleanup(func() {
		if left := before.left(); left != "" {
			t.Errorf("outlives the test: %s", left)
		}
	})
}
