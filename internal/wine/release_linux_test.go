package wine

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestReleaseWithoutServer: whoever kills the server while it is released leaves no programs that wait for it for ever.
func TestReleaseWithoutServer(t *testing.T) {
	w := need(t)
	prefix := prefixFor(t, w)
	for range 5 {
		held, err := w.Hold(bounded(t), prefix, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(serverOf(t, w, prefix), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		held.Release()
		until(t, "the end of all programs", func() bool { return len(processes(t, prefix)) == 0 })
	}
}

// TestOtherMounts: a program that sees other file systems, a /tmp of its own among them, is not taken for one whose server was killed.
func TestOtherMounts(t *testing.T) {
	w := need(t)
	if os.Geteuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		t.Skip("only root can have file systems of its own, and not everywhere")
	}
	prefix := prefixFor(t, w)
	held, err := w.Hold(bounded(t), prefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	ours := len(listed(prefix))
	if ours == 0 {
		t.Error("no program of this test is listed")
	}
	other := exec.Command("unshare", "-m", w.Path, `C:\windows\system32\cmd.exe`)
	other.Env = append(os.Environ(), w.environment(prefix)...)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil { // it runs
		t.Error(err)
	}
	for _, pid := range listed(prefix) {
		if pid == other.Process.Pid {
			t.Error("it is listed")
		}
	}
	stdin.Close()
	io.Copy(io.Discard, stdout)
	other.Wait()
}

// listed are the processes that [programs] finds.
func listed(prefix string) (pids []int) {
	for _, p := range programs(prefix) {
		pids = append(pids, p.Pid)
		p.Release()
	}
	return pids
}
