package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The disk with the access log is full: the server goes on serving, says so once, and the file tells in the end how many lines are missing.
func TestFullDisk(t *testing.T) {
	s := newServer(t)
	disk := filepath.Join(s.dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("isapid-test", disk, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	t.Cleanup(func() { // after the server has ended, which is registered later
		if err := unix.Unmount(disk, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	s.write("isapid.yaml", one+"log: {file: ./isapid.log, access: {directory: ./disk}}\n")
	s.start("serve")
	s.write("disk/ballast", strings.Repeat("x", 64<<10))
	c := client(t)
	const query = 1900
	sent := 0
	for ; sent < 100; sent++ { // 200 KB, and 64 KiB of them may wait
		send(t, c, 200, "GET", fmt.Sprintf("%s/page.txt?%d%s", s.urls[0], sent, strings.Repeat("q", query)))
	}
	s.Until("noticed", func() bool { return strings.Contains(s.read("isapid.log"), "access log cannot be written") })
	for ; sent < 400; sent++ {
		send(t, c, 200, "GET", fmt.Sprintf("%s/page.txt?%d%s", s.urls[0], sent, strings.Repeat("q", query)))
	}
	text := s.access()
	if !strings.HasSuffix(text, "\n") {
		t.Errorf("half a line: %q", text[max(0, len(text)-100):])
	}
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	s.Until("written again", func() bool { return strings.Contains(s.read("isapid.log"), "access log is written again") })
	send(t, c, 200, "GET", s.urls[0]+"/page.txt?last")
	sent++
	s.End()

	text = s.access()
	lost := 0
	for line := range strings.Lines(text) {
		var n int
		if _, err := fmt.Sscanf(line, "#Remark: %d lines lost", &n); err == nil {
			lost += n
		}
		if line[0] != '#' && len(strings.Split(line, " ")) != 15 {
			t.Errorf("not a whole line: %q", line)
		}
	}
	if n := len(lines(text)); n+lost != sent {
		t.Errorf("%d lines and %d lost, of %d", n, lost, sent)
	}
	if log := s.read("isapid.log"); strings.Count(log, "access log cannot be written") != 1 {
		t.Errorf("the log:\n%s", log)
	}
}

// access is the access log of the first site.
func (s *server) access() string {
	s.t.Helper()
	text, err := os.ReadFile(s.find("disk/W3SVC1/u_ex*.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}
