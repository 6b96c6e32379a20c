package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is the child, too: with PROC_TEST_CHILD set this program plays that part.
func TestMain(m *testing.M) {
	if part := os.Getenv("PROC_TEST_CHILD"); part != "" {
		play(part)
		os.Exit(0)
	}
	os.Exit(leavesNothing(m))
}

// parts are what a child can be told to do; its arguments are the part's.
var parts = map[string]func(args []string){
	"exit":  func(args []string) { os.Exit(number(args[0])) },
	"print": func(args []string) { fmt.Print(args[0]) },
	"both": func([]string) {
		fmt.Fprintln(os.Stdout, "out")
		fmt.Fprintln(os.Stderr, "err")
	},
	"env": func([]string) {
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
		dir, _ := os.Getwd()
		fmt.Println("in " + dir)
	},
	"flood": func(args []string) {
		chunk := bytes.Repeat([]byte("x"), 1<<16)
		if args[1] == "lines" {
			for i := 99; i < len(chunk); i += 100 {
				chunk[i] = '\n'
			}
		}
		for range number(args[0]) >> 16 {
			os.Stdout.Write(chunk)
		}
	},
	"wait": func([]string) { wait() },
	"echo": func([]string) { // its standard input to its standard output
		fmt.Fprintln(os.Stderr, "ready")
		n, err := io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, n, err)
	},
	"deaf": func([]string) {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		wait()
	},
}

func play(part string) {
	act, ok := parts[part]
	if !ok {
		panic("no part " + part)
	}
	act(os.Args[1:])
}

// wait says "ready", echoes what comes on its stream, where it has one, and returns at its end. It never writes to its own output after
// that.
func wait() {
	fmt.Println("ready")
	io.Copy(attached())
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// child is a running part.
type child struct {
	*Process
	t      *testing.T
	stream *os.File // our end of what attach made; nil if it has In or Out
	lines  chan string
}

// spec is what starts a part. The race detector would have it wait for a second at its end.
func spec(t *testing.T, part string, args ...string) Spec {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Spec{Path: path, Args: args, Env: []string{"PROC_TEST_CHILD=" + part, "GORACE=atexit_sleep_ms=0"}}
}

// begin starts s with a stream, if it has no other. The child has ended when the test does.
func begin(t *testing.T, s Spec) *child {
	t.Helper()
	c := &child{t: t, lines: make(chan string, 1000)}
	if s.In == nil && s.Out == nil {
		var theirs *os.File
		c.stream, theirs = attach(t, &s)
		defer theirs.Close()
	}
	s.Output = func(line string, cut bool) {
		if cut {
			line += "…"
		}
		c.lines <- line
	}
	p, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	c.Process = p
	t.Cleanup(func() {
		c.Kill()
		c.end()
	})
	return c
}

// end waits for the end.
func (c *child) end() Exit {
	c.t.Helper()
	select {
	case <-c.Done():
	case <-time.After(time.Minute):
		panic("the child does not end") // whatever the test does now: it must not go on with the child there
	}
	return c.Exit()
}

// expect waits for a line.
func (c *child) expect(want string) {
	c.t.Helper()
	if got := c.line(); got != want {
		c.t.Fatalf("got line %q, want %q", got, want)
	}
}

func (c *child) line() string {
	c.t.Helper()
	select {
	case got := <-c.lines:
		return got
	case <-time.After(time.Minute):
		c.t.Fatal("no line comes")
	}
	return ""
}

// rest is all lines that are left after the end.
func (c *child) rest() string {
	c.t.Helper()
	c.end()
	close(c.lines)
	var lines []string
	for line := range c.lines {
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// alive asks the child in part wait for an echo.
func (c *child) alive() {
	c.t.Helper()
	if _, err := c.stream.WriteString("echo\n"); err != nil {
		c.t.Fatal(err)
	}
	if got, err := bufio.NewReader(c.stream).ReadString('\n'); err != nil || got != "echo\n" {
		c.t.Fatalf("got %q, %v; the child should be alive", got, err)
	}
}
