package admin

import (
	"bufio"
	"os/exec"
	"testing"
)

// other is a server in another process.
type other struct {
	cmd *exec.Cmd
}

// serveElsewhere starts a server in another process and returns when it serves.
func serveElsewhere(t *testing.T, socket string, change ...func(*exec.Cmd)) *other {
	t.Helper()
	o := &other{startRole(t.Context(), "serve", socket)}
	for _, f := range change {
		f(o.cmd)
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.kill)
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "serving\n" {
		t.Fatalf("the other server says %q", line)
	}
	return o
}

func (o *other) kill() {
	o.cmd.Process.Kill() // fails if it has ended
	o.cmd.Wait()         // it was killed
}
