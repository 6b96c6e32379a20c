package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

func TestExitCode(t *testing.T) {
	for _, code := range []int{0, 3, 255} {
		e := begin(t, spec(t, "exit", fmt.Sprint(code))).end()
		if e.Code != code || e.Signal != 0 || e.Core || e.OOM || e.String() != fmt.Sprintf("exit code %d", code) {
			t.Errorf("exit %d: got %+v, %s", code, e, e)
		}
		if e.User+e.System <= 0 && runtime.GOOS != "windows" { // which counts in units of some 16 ms
			t.Errorf("exit %d: it used %v and %v of CPU time", code, e.User, e.System)
		}
	}
}

func TestEnvironment(t *testing.T) {
	s := spec(t, "env")
	s.Env = append(s.Env, "COLOUR=red")
	s.Dir = t.TempDir()
	dir, err := filepath.EvalSymlinks(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(begin(t, s).rest(), "\n")
	for _, want := range []string{"COLOUR=red", "in " + dir} {
		if !slices.Contains(got, want) {
			t.Errorf("got %q, want %q among it", got, want)
		}
	}
	if os.Getenv("PATH") != "" && slices.Contains(got, "PATH="+os.Getenv("PATH")) {
		t.Error("the child got a variable of this process")
	}
}

func TestOutput(t *testing.T) {
	long := strings.Repeat("y", MaxLine)
	for _, test := range []struct{ name, print, want string }{
		{"nothing", "", ""},
		{"one line", "a\n", "a"},
		{"no newline at the end", "a\nb", "a\nb"},
		{"empty lines", "\n\na\n", "\n\na"},
		{"the longest line", long + "\nb", long + "\nb"},
		{"a longer line", long + "z\nb\n", long + "…\nb"},
		{"a longer line without a newline", long + long, long + "…"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := begin(t, spec(t, "print", test.print)).rest(); got != test.want {
				t.Errorf("got %.100q, want %.100q", got, test.want)
			}
		})
	}
	t.Run("both descriptors", func(t *testing.T) {
		if got := begin(t, spec(t, "both")).rest(); got != "out\nerr" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("nobody wants it", func(t *testing.T) {
		p, err := Start(spec(t, "print", "a\n"))
		if err != nil {
			t.Fatal(err)
		}
		if <-p.Done(); p.Exit().Code != 0 {
			t.Error(p.Exit())
		}
	})
}

// TestStandard: a child is spoken to by its standard input and output, two pipes; only its standard error is its output.
func TestStandard(t *testing.T) {
	in, ours := pipe(t)
	theirs, out := pipe(t)
	s := spec(t, "echo")
	s.In, s.Out = in, out
	c := begin(t, s)
	in.Close()
	out.Close()
	c.expect("ready")
	text := bytes.Repeat([]byte("a\r\n\x00\x1a\xff"), 50_000)
	go func() {
		ours.Write(text)
		ours.Close()
	}()
	if got, err := io.ReadAll(theirs); err != nil || !bytes.Equal(got, text) { // its end is seen as well
		t.Errorf("%d bytes come back as %d, %v", len(text), len(got), err)
	}
	c.expect(fmt.Sprint(len(text), " <nil>"))
	if e := c.end(); e.Code != 0 || e.Signal != 0 {
		t.Error(e)
	}
}

// TestStandardKilled: whoever reads its standard output sees the end of a child that is killed.
func TestStandardKilled(t *testing.T) {
	in, _ := pipe(t)
	theirs, out := pipe(t)
	s := spec(t, "echo")
	s.In, s.Out = in, out
	c := begin(t, s)
	out.Close()
	c.expect("ready")
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if n, err := theirs.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("got %d, %v", n, err)
	}
	c.end()
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestTwoStreams: a child has one way to be spoken to.
func TestTwoStreams(t *testing.T) {
	s := spec(t, "exit", "0")
	s.Stream, s.In = os.Stdin, os.Stdin
	want := fmt.Sprintf("start %q: it cannot have a stream on descriptor 3 and on its standard descriptors", s.Path)
	if p, err := Start(s); err == nil || err.Error() != want {
		t.Errorf("got %v, %v; want %s", p, err, want)
	}
}

// TestLines: it does not matter how the bytes of the lines arrive.
func TestLines(t *testing.T) {
	var want []string
	var text strings.Builder
	for _, n := range []int{0, 1, MaxLine - 1, MaxLine, MaxLine + 1, 16 << 10, 16<<10 + 1, 3 * MaxLine, 40 << 10, 0, 5} {
		line := strings.Repeat("z", n)
		text.WriteString(line + "\n")
		want = append(want, fmt.Sprint(min(n, MaxLine), n > MaxLine))
	}
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r },
		"halves":  iotest.HalfReader,
		"bytes":   iotest.OneByteReader,
		"error":   iotest.DataErrReader,
	} {
		var got []string
		lines(reader(strings.NewReader(text.String())), func(line string, cut bool) {
			got = append(got, fmt.Sprint(len(line), cut))
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestFlood: however much a child writes, it is read to the end and memory stays as it was.
func TestFlood(t *testing.T) {
	const size = 100 << 20
	for _, kind := range []string{"lines", "one line"} {
		s := spec(t, "flood", fmt.Sprint(size), kind)
		calls, bytes := 0, 0
		s.Output = func(line string, cut bool) {
			calls++
			bytes += len(line)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := Start(s)
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		runtime.ReadMemStats(&after)
		if e := p.Exit(); e.Code != 0 {
			t.Error(e)
		}
		if kind == "lines" && (calls < size/101 || bytes < size/101*99) || kind == "one line" && (calls != 1 || bytes != MaxLine) {
			t.Errorf("%s: %d calls with %d bytes", kind, calls, bytes)
		}
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 32<<20 {
			t.Errorf("%s: the heap grew by %d bytes", kind, grown)
		}
	}
}

func TestKill(t *testing.T) {
	c := begin(t, spec(t, "deaf"))
	c.expect("ready")
	for range 2 {
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
	}
	c.end()
	if err := c.Kill(); err != nil {
		t.Errorf("after the end: %v", err)
	}
	if err := c.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal after the end: got %v", err)
	}
	if c.Pid() <= 0 {
		t.Errorf("pid %d", c.Pid())
	}
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "text")
	if err := os.WriteFile(file, []byte("no program\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fds := openDescriptors(t)
	for _, test := range startErrors(t, dir, file) {
		p, err := Start(test.spec)
		if err == nil {
			p.Kill()
			<-p.Done()
		}
		if got := fmt.Sprint(err); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
	if now := openDescriptors(t); now != fds {
		t.Errorf("%d descriptors are open, before the errors there were %d", now, fds)
	}
}

type startError struct {
	name string
	spec Spec
	want string
}
