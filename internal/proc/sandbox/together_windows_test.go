package sandbox

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// TestMain is what the test starts, too: a process that keeps together and starts another, which never ends.
func TestMain(m *testing.M) {
	switch os.Getenv("SANDBOX_TEST_CHILD") {
	case "first":
		if err := KeepTogether(); err != nil {
			panic(err)
		}
		c := again("second")
		c.Stdout = os.Stdout
		if err := c.Start(); err != nil {
			panic(err)
		}
		time.Sleep(time.Hour)
	case "second":
		os.Stdout.WriteString(strconv.Itoa(os.Getpid()) + "\n")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

func again(part string) *exec.Cmd {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	c := exec.Command(path)
	c.Env, c.Stderr = append(os.Environ(), "SANDBOX_TEST_CHILD="+part), os.Stderr
	return c
}

// TestKeepTogether: what a process started ends when it is ended from outside.
func TestKeepTogether(t *testing.T) {
	first := again("first")
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer first.Wait()
	defer first.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	second, err := windows.OpenProcess(windows.SYNCHRONIZE|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(second)
	defer windows.TerminateProcess(second, 1)
	if s, err := windows.WaitForSingleObject(second, 0); err != nil || s == windows.WAIT_OBJECT_0 {
		t.Fatalf("it ended before, %v", err)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if s, err := windows.WaitForSingleObject(second, 60_000); err != nil || s != windows.WAIT_OBJECT_0 {
		t.Errorf("the second process lives on: %d, %v", s, err)
	}
}
