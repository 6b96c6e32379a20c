//go:build unix && cgo

package native

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// TestBoardOutlivesItsProcess reads the board of a process that was killed inside of a callback.
func TestBoardOutlivesItsProcess(t *testing.T) {
	if file := os.Getenv("ISAPID_TEST_BOARD"); file != "" {
		boardOfChild(t, file)
	}
	file := filepath.Join(t.TempDir(), "board")
	if err := os.WriteFile(file, make([]byte, trace.BoardSize), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBoardOutlivesItsProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), "ISAPID_TEST_BOARD="+file)
	out, err := cmd.CombinedOutput()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
		t.Fatalf("the child was to be killed: %v\n%s", err, out)
	}
	left, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	board, err := trace.ReadBoard(left)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(board.Threads, func(th trace.Thread) bool { return len(th.Open) > 0 })
	if i < 0 || shown(board.Threads[i].Open) != "HttpExtensionProc… WriteClient…" || shown(board.Threads[i].Last) != "WriteClient WriteClient" {
		t.Errorf("the board of the process that was killed has %+v", board.Threads)
	}
}

func boardOfChild(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := syscall.Mmap(int(f.Fd()), 0, trace.BoardSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	if err := UseBoard(mem[1:]); err == nil {
		t.Error("a part of a board was taken for one")
	}
	if err := UseBoard(mem); err != nil {
		t.Fatal(err)
	}
	n := 0
	_ = newBoarded(t).run("www", func() isapi.Error {
		if n++; n == 3 {
			if err := UseBoard(mem); err == nil {
				t.Error("the board moved under a call")
			}
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return isapi.OK
	})
	t.Fatal("still alive")
}

// TestLibraryThreads: threads of libraries are known as long as they live.
func TestLibraryThreads(t *testing.T) {
	b := newBoarded(t)
	var during []LibraryThread
	if err := b.run("tw", func() isapi.Error { during = LibraryThreads(); return isapi.OK }); err != nil {
		t.Fatal(err)
	}
	ours := func(th LibraryThread) bool {
		return th.Image == 3 && strings.HasPrefix(th.Start.Symbol, "thread+") && filepath.Base(th.Start.Image) == "board.so" && th.ID > 0
	}
	if n := len(slices.DeleteFunc(during, func(th LibraryThread) bool { return !ours(th) })); n != 1 {
		t.Errorf("%d threads of the image inside, want 1", n)
	}
	if after := LibraryThreads(); slices.ContainsFunc(after, ours) {
		t.Errorf("a thread that has ended is among %+v", after)
	}
}
