//go:build linux && cgo

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

// console is a running testdata/host.c.
type console struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
}

// foreign starts the host with the loader in the folder of h.
func foreign(t *testing.T, h *host) *console {
	t.Helper()
	program := filepath.Join(t.TempDir(), "host")
	build := exec.CommandContext(t.Context(), "gcc", "-Wall", "-I"+filepath.Join(testext.Root(t), "sdk", "c"), "-o", program, "testdata/host.c", "-ldl", "-lpthread")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "./shop.so") // a host may name it by a relative path; it ends with its input
	cmd.Dir, cmd.Stderr = h.folder, &h.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t, in, bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the host ends with %v", err)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", &h.log)
		}
	})
	return c
}

func (c *console) do(command string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, command); err != nil {
		c.t.Fatal(err)
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *console) says(command, want string) {
	c.t.Helper()
	if got := c.do(command); got != want {
		c.t.Errorf("%s: %q, want %q", command, got, want)
	}
}

// TestAnyHost: a host that does everything otherwise than isapid.
func TestAnyHost(t *testing.T) {
	h := install(t, gate(t, 1))
	c := foreign(t, h)
	c.says("load", "TRUE gate 1")
	c.says("load", "TRUE gate 1") // a host may ask twice
	for _, query := range []string{"", "early", "sync", ""} {
		c.says("ask "+query, "1")
	}
	c.says("begin pending", "3")
	h.until("inside", func() bool { return h.life("inside 1") == 1 })
	h.put(gate(t, 2), "shop.update")
	h.until("2", func() bool { return c.do("ask") == "2" })
	if h.life("unloaded 1") != 0 {
		t.Error("the first version is unloaded, with a request inside")
	}
	h.append("go", "go")
	c.says("end", "1")
	h.until("unloaded", func() bool { return h.life("unloaded 1") == 1 })
	c.says("load", "TRUE gate 2")
	c.says("advise", "FALSE")
	c.says("ask sync", "2")
	c.says("unload", "TRUE")
	if h.life("unloaded 2") != 1 {
		t.Error("the second version is not unloaded")
	}
	c.says("ask", "No version of this extension is loaded.")
	h.put(gate(t, 3), "shop.update")
	if err := os.Remove(h.path("shop.run")); err != nil {
		t.Fatal(err)
	}
	c.says("load", "TRUE gate 3") // again in the same process
	c.says("ask early", "3")
	c.says("unload", "TRUE")
	c.says("unload", "TRUE") // twice does no harm
	if err := os.Remove(h.path("shop.run")); err != nil {
		t.Fatal(err)
	}
	c.says("load", "FALSE 2")
	c.says("unload", "TRUE")
}

// TestSeveralProcesses: all of them that serve from a folder follow an update, which one of them takes.
func TestSeveralProcesses(t *testing.T) {
	h := install(t, build(t, 1))
	h.workers = 3
	h.start(true)
	h.until("all serve", func() bool { return len(h.pids()) == 3 })
	for n := 2; n < 12; n++ {
		h.put(build(t, n), "shop.update")
		old, new := fmt.Sprint(n-1), fmt.Sprint(n)
		h.until("answered by the new version alone", func() bool {
			for range 30 {
				a := h.ask("")
				if a.status != http.StatusOK || a.text != old && a.text != new {
					t.Fatalf("got %v", a)
				}
				if a.text == old {
					return false
				}
			}
			return true
		})
		if !h.same("shop.run", build(t, n)) || !h.same("shop.backup", build(t, n-1)) || h.exists("shop.failed") || h.exists("shop.update") {
			t.Fatalf("files %s", h.files())
		}
	}
}

// pids are the workers that serve.
func (h *host) pids() (list []int) {
	for _, w := range h.pool.Status().Workers {
		if w.Pid != 0 {
			list = append(list, w.Pid)
		}
	}
	return list
}
