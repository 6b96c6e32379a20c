package accesslog

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testlog"
	"github.com/isapid/isapid/internal/testwait"
)

// disk mounts a disk of so many bytes.
func disk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("isapid-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// A disk is full: nobody waits, no line is half, and when there is room again the log says how many are missing.
func TestFullDisk(t *testing.T) {
	for _, format := range []config.AccessFormat{config.AccessW3C, config.AccessJSON} {
		t.Run(string(format), func(t *testing.T) { fullDisk(t, format) })
	}
}

func fullDisk(t *testing.T, format config.AccessFormat) {
	dir := disk(t, 256<<10)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.log")
	var log testlog.Buffer
	s := Settings{AccessLog: config.AccessLog{Format: format, File: path}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	l := open(t, s)
	put := 0
	for ; put < 3000 || l.Status().Lost == 0; put++ { // some 300 KiB, and 64 KiB may wait
		e := hello()
		e.Path = fmt.Sprintf("/%08d", put)
		e.URL = e.Path
		if !l.Put(&e) {
			t.Fatal("closed")
		}
		if put%500 == 499 {
			testwait.Until(t, "taken by the writer", func() bool { return l.taken() })
		}
		if put > 1_000_000 {
			t.Fatal("nothing is lost")
		}
	}
	failed := l.Status()
	if failed.Failing == "" || !strings.Contains(failed.Failing, "no space left") {
		t.Fatalf("status %+v", failed)
	}
	checkWhole(t, path)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "written again", func() bool { return l.Status().Failing == "" })
	e := hello()
	e.Path, e.URL = "/last", "/last"
	l.Put(&e)
	closeLog(t, l)

	n, lost := checkWhole(t, path)
	st := l.Status()
	if n+lost != put+1 || uint64(n) != st.Lines || uint64(lost) != st.Lost {
		t.Errorf("%d lines and %d lost of %d; status %+v", n, lost, put+1, st)
	}
	text := log.String()
	if strings.Count(text, "level=ERROR") != 1 || strings.Count(text, "level=INFO") != 1 {
		t.Errorf("the log has\n%s", text)
	}
}

// taken tells whether nothing waits to be taken by the writer.
func (l *Log) taken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes == 0
}

// checkWhole reads a log all of whose lines must be whole, and returns how many there are and how many it says are lost.
func checkWhole(t *testing.T, path string) (n, lost int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) == 0 || text[len(text)-1] != '\n' {
		t.Errorf("the last line is not whole: %q", text[max(0, len(text)-100):])
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		line := s.Text()
		var missing int
		switch {
		case strings.HasPrefix(line, "#Remark: "):
			if _, err := fmt.Sscanf(line, "#Remark: %d lines lost", &missing); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		case strings.Contains(line, `"msg":"lines lost"`):
			if _, err := fmt.Sscanf(line[strings.Index(line, `"lines":`):], `"lines":%d}`, &missing); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}"), len(strings.Split(line, " ")) == len(defaultFields)+1:
			n++
		default:
			t.Errorf("line %q", line)
		}
		lost += missing
	}
	return n, lost
}

// A disk that hangs (here a pipe that nobody reads) costs lines, never a request.
func TestHangingDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0) // so that neither end waits for the other
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	l := open(t, short(config.AccessLog{File: path}))
	line := strings.Repeat("x", 999)
	put := 0
	for ; l.Status().Lost == 0; put++ {
		if !l.Put(&Entry{Ended: noon, Path: line}) {
			t.Fatal("closed")
		}
		if put > 1_000_000 {
			t.Fatal("nothing is lost")
		}
	}
	if put > 3*maxWaiting/1000 {
		t.Errorf("%d lines in memory", put)
	}
	var got bytes.Buffer
	done := make(chan error, 1)
	go func() {
		end := []byte("end\n")
		buf := make([]byte, 64<<10)
		for !bytes.Contains(got.Bytes()[max(0, got.Len()-1000):], end) {
			n, err := reader.Read(buf)
			if err != nil {
				done <- err
				return
			}
			got.Write(buf[:n])
		}
		done <- nil
	}()
	testwait.Until(t, "taken", l.taken)
	if !l.Put(&Entry{Ended: noon, Path: "end"}) {
		t.Fatal("closed")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	text := got.String()
	n, remarks := len(lines(text)), strings.Count(text, "#Remark: ")
	if st := l.Status(); uint64(n) != st.Lines || st.Lines+st.Lost != uint64(put+1) || remarks != 1 {
		t.Errorf("%d lines, %d remarks, %d put, %+v", n, remarks, put, st)
	}
}
