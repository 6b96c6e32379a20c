// Command testcount reads the output of `go test -json`, prints what go test would print without it and ends with a line
// of counts. Tests and subtests count alike; a package that does not build or ends by itself counts as one failure.
//
// Exit code 1 means that something failed. With -allowed-skips a skipped test that the file does not name is a failure too.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	path := flag.String("allowed-skips", "", "file with the tests that may be skipped: package, test, reason on each line; without it all may")
	flag.Parse()
	c := &counter{out: os.Stdout}
	if *path != "" {
		text, err := os.ReadFile(*path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "testcount: %v\n", err)
			os.Exit(2)
		}
		c.allowed = parseAllowed(string(text))
	}
	if err := c.read(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "testcount: %v\n", err)
		os.Exit(2)
	}
	if !c.summary() {
		os.Exit(1)
	}
}

type test struct{ pkg, name string }

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

type counter struct {
	out     io.Writer
	allowed map[test]bool // nil: every test may be skipped

	passed, failed int
	skipped        []test
	forbidden      int                 // skips that are not allowed
	output         map[test][]string   // of tests that still run
	broken         map[string]struct{} // packages with a failed test
}

func parseAllowed(text string) map[test]bool {
	allowed := map[test]bool{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) >= 2 && f[0][0] != '#' {
			allowed[test{f[0], f[1]}] = true
		}
	}
	return allowed
}

func (c *counter) read(in io.Reader) error {
	c.output, c.broken = map[test][]string{}, map[string]struct{}{}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		var e event
		switch {
		case strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &e) == nil:
			c.take(e)
		default:
			io.WriteString(c.out, line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *counter) take(e event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		io.WriteString(c.out, e.Output)
	case "output":
		c.print(t, e.Output)
	case "pass":
		if e.Test != "" {
			c.passed++
		}
		delete(c.output, t)
	case "skip":
		c.skip(t)
	case "fail":
		c.fail(t)
	}
}

// print shows what a package says at once and keeps what a test says until it is known whether it failed.
func (c *counter) print(t test, text string) {
	if t.name != "" {
		c.output[t] = append(c.output[t], text)
		return
	}
	if text != "PASS\n" && !strings.Contains(text, "[no test files]") {
		io.WriteString(c.out, text)
	}
}

func (c *counter) skip(t test) {
	if t.name == "" { // a package without tests
		return
	}
	c.skipped = append(c.skipped, t)
	if c.allowed != nil && !c.mayBeSkipped(t) {
		c.forbidden++
		c.flush(t)
	}
	delete(c.output, t)
}

func (c *counter) fail(t test) {
	if t.name == "" {
		if _, ok := c.broken[t.pkg]; !ok {
			c.failed++
			c.unfinished(t.pkg)
		}
		return
	}
	c.failed++
	c.broken[t.pkg] = struct{}{}
	c.flush(t)
}

// unfinished shows what the tests said that ran when their package ended.
func (c *counter) unfinished(pkg string) {
	for t := range c.output {
		if t.pkg == pkg {
			c.flush(t)
		}
	}
}

func (c *counter) flush(t test) {
	io.WriteString(c.out, strings.Join(c.output[t], ""))
	delete(c.output, t)
}

// mayBeSkipped: the file names the test, or all of its package by "*".
func (c *counter) mayBeSkipped(t test) bool { return c.allowed[t] || c.allowed[test{t.pkg, "*"}] }

// summary prints the closing lines and says whether all is well.
func (c *counter) summary() bool {
	for _, t := range c.skipped {
		verdict := ""
		if c.allowed != nil && !c.mayBeSkipped(t) {
			verdict = ": not allowed here, see .ci/allowed-skips"
		}
		fmt.Fprintf(c.out, "skipped %s %s%s\n", t.pkg, t.name, verdict)
	}
	fmt.Fprintf(c.out, "%d passed, %d failed, %d skipped\n", c.passed, c.failed, len(c.skipped))
	return c.failed == 0 && c.forbidden == 0 && c.passed > 0
}
