//go:build linux

package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// frontImage is the image that this program opens when it is a front.
const frontImage = "ISAPID_TEST_FRONT_IMAGE"

// beFront opens a pool of two workers, writes a line with their process numbers, and stays.
func beFront() int {
	p := pool.New(pool.Settings{Name: "front", Workers: 2, Log: slog.New(slog.DiscardHandler)})
	if _, err := p.Open(context.Background(), os.Getenv(frontImage), executor.Version{}); err != nil {
		fmt.Println(err)
		return 1
	}
	for st := p.Status(); ; st = p.Status() {
		if settled(2)(st) {
			fmt.Println(st.Workers[0].Pid, st.Workers[1].Pid)
			select {}
		}
	}
}

// TestFrontKilled: workers end with their front, however it ends.
func TestFrontKilled(t *testing.T) {
	leavesNoTrace(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	front := exec.Command(exe)
	front.Env = append(os.Environ(), frontImage+"="+testext.Fixture(t, "process"), "TMPDIR="+t.TempDir())
	front.Stderr = os.Stderr
	out, err := front.StdoutPipe()
	if err == nil {
		err = front.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if err := front.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = front.Wait() // it was killed
	words := strings.Fields(line)
	if len(words) != 2 {
		t.Fatalf("the front says %q", line)
	}
	for _, word := range words {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("the front says %q", line)
		}
		var status unix.WaitStatus // it is a child of this process now
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			_, err = unix.Wait4(pid, &status, 0, nil)
		}
		if err != nil || !status.Signaled() && status.ExitStatus() != 0 {
			t.Errorf("worker %d: %v, %v", pid, status, err)
		}
	}
	if left := names(filepath.Join("/proc", words[0])); left != nil {
		t.Errorf("%v is there", left)
	}
}
