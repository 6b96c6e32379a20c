package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func startSnoop(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: snoop ARG...")
	}
	s := newServer(exec.Command(lookPath(ts, "isapid"), append([]string{"snoop"}, args...)...))
	s.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "WORK", "GORACE"} {
		s.cmd.Env = append(s.cmd.Env, name+"="+ts.Getenv(name))
	}
	s.cmd.Env = append(s.cmd.Env, "TZ=UTC")
	ts.Check(s.begin())
	ts.Value(slotKey{}).(*slot).snoop = s
	ts.Defer(s.kill)
	s.says(ts, &s.err, regexp.MustCompile("(?m)^isapid: watching; Ctrl-C ends$"))
}

// says waits until what the program has said matches.
func (s *server) says(ts *testscript.TestScript, in *strings.Builder, what *regexp.Regexp) {
	ended := false
	for end := time.Now().Add(patience); !what.MatchString(s.text(in)); time.Sleep(time.Millisecond) {
		if ended || time.Now().After(end) {
			ts.Fatalf("%q never came:\n%s%s", what, s.text(&s.out), s.text(&s.err))
		}
		select {
		case <-s.done:
			ended = true // it may have come meanwhile
		default:
		}
	}
}

func endSnoop(ts *testscript.TestScript, neg bool, args []string) {
	sorted := len(args) > 0 && args[0] == "-sorted"
	if sorted {
		args = args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: snooped [-sorted] FILE REGEXP...")
	}
	s := ts.Value(slotKey{}).(*slot).snoop
	if s == nil {
		ts.Fatalf("no snoop was started")
	}
	for _, arg := range args[1:] {
		what, err := regexp.Compile(arg)
		ts.Check(err)
		s.says(ts, &s.out, what)
	}
	s.cmd.Process.Signal(syscall.SIGINT) // fails if it has ended with the server
	select {
	case <-s.done:
	case <-time.After(patience):
		ts.Fatalf("snoop does not end:\n%s%s", s.text(&s.out), s.text(&s.err))
	}
	s.cmd.Wait()
	ts.Logf("[snoop]\n%s%s", s.text(&s.out), s.text(&s.err))
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("snoop ended with exit code %d", code)
	}
	text := joined(sameEachRun(strings.ReplaceAll(s.text(&s.out), ts.Getenv("WORK"), "WORK")))
	if sorted {
		text = sameInAnyOrder(text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(s.text(&s.err)), 0o600))
}

// sameEachRun replaces what differs from run to run: times, IDs of requests, threads and processes, ports and addresses.
func sameEachRun(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`(?m)^\d\d:\d\d:\d\d\.\d{6} `, "TIME "},
		{`(?m)^(TIME \S+) +\d[\d ]{7}`, "$1 THREAD "},
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`process \d+`, "process PID"},
		{`0x[0-9a-f]{4,}`, "ADDRESS"},
		{`<[0-9.]+(ns|µs|ms|s)>`, "<TOOK>"},
		{`\bms=\d+`, "ms=MS"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	ids := map[string]string{}
	return regexp.MustCompile(`(?m)^TIME [0-9a-z]{13} `).ReplaceAllStringFunc(text, func(line string) string {
		if ids[line] == "" {
			ids[line] = fmt.Sprintf("TIME REQUEST%d ", len(ids)+1)
		}
		return ids[line]
	})
}

// joined makes one line of a call that took long, and has two, if nothing happened inside: how long is chance.
func joined(text string) string {
	begin := regexp.MustCompile(`^(TIME \S+ THREAD +)(\S+\(.*\)) \{$`)
	end := regexp.MustCompile(`^(TIME \S+ THREAD +)\} \w+( .*)$`)
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i++ {
		b, e := begin.FindStringSubmatch(lines[i]), end.FindStringSubmatch(lines[i+1])
		if b != nil && e != nil && b[1] == e[1] {
			lines[i] = b[1] + b[2] + e[2]
			lines = slices.Delete(lines, i+1, i+2)
		}
	}
	return strings.Join(lines, "\n")
}

// sameInAnyOrder forgets the order of lines, and what is inside of what: of an image with threads of its own both depend on chance. A call
// is a line for its begin and one for its end then.
func sameInAnyOrder(text string) string {
	begin := regexp.MustCompile(`^(TIME \S+ THREAD )(?:\S+@\d+:)?(\w+\(.*\)) \{$`)
	end := regexp.MustCompile(`^(TIME \S+ THREAD )\} (\w+ .*)$`)
	both := regexp.MustCompile(`^(TIME \S+ THREAD )(?:\S+@\d+:)?(\w+)(\(.*\))( = .*| <TOOK>)$`)
	var list []string
	for line := range strings.Lines(text) {
		line = regexp.MustCompile(` +`).ReplaceAllString(strings.TrimSpace(line), " ")
		line = begin.ReplaceAllString(line, "$1$2")
		line = end.ReplaceAllString(line, "$1$2")
		line = both.ReplaceAllString(line, "$1$2$3\n$1$2$4")
		list = append(list, strings.Split(line, "\n")...)
	}
	slices.Sort(list)
	return strings.Join(list, "\n") + "\n"
}
