package logs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// move moves files of a server away, as programs do that rotate logs.
func (s *server) move(from, to string) {
	s.t.Helper()
	if err := os.Rename(filepath.Join(s.dir, from), filepath.Join(s.dir, to)); err != nil {
		s.t.Fatal(err)
	}
}

const one = `
control: {socket: ./control.sock}
sites:
  - name: one
    root: ./root
    bindings: ["http://127.0.0.1:0"]
    applications: [{path: /, handlers: [{path: /echo/*, extension: ./echo.so}]}]
`

// logrotate moves the files away and sends SIGUSR1, to the workers too: nothing is lost, nobody dies.
func TestReopen(t *testing.T) {
	s := newServer(t)
	s.write("isapid.yaml", one+"log: {file: ./isapid.log, access: {file: ./a.log}}\n")
	s.start("serve")
	c := client(t)
	const rounds = 5
	for i := range rounds {
		for range 10 {
			send(t, c, 200, "GET", s.urls[0]+"/echo/"+strconv.Itoa(i))
		}
		s.Until("written", func() bool { return len(lines(s.read("a.log"))) == 10 })
		s.move("a.log", "a.log."+strconv.Itoa(i))
		s.move("isapid.log", "isapid.log."+strconv.Itoa(i))
		for _, pid := range append(s.workers(), s.Cmd.Process.Pid) {
			if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
				t.Errorf("%d: %v", pid, err)
			}
		}
		s.Until("opened again", func() bool { return strings.Contains(s.read("isapid.log"), "log files are opened again") })
	}
	before := s.workers()
	send(t, c, 200, "GET", s.urls[0]+"/echo/last")
	if after := s.workers(); len(before) != 1 || len(after) != 1 || before[0] != after[0] {
		t.Errorf("workers %v became %v", before, after)
	}
	s.End()
	for i := range rounds {
		old := s.read("a.log." + strconv.Itoa(i))
		if n := strings.Count(old, " /echo/"+strconv.Itoa(i)+" "); n != 10 || len(lines(old)) != 10 {
			t.Errorf("%d lines in\n%s", n, old)
		}
	}
	if last := s.read("a.log"); len(lines(last)) != 1 || !strings.HasPrefix(last, "#Software") {
		t.Errorf("the last file:\n%s", last)
	}
	if s.Err.String() != "" {
		t.Errorf("on the standard error:\n%s", s.Err.String())
	}
}

// workers are the processes that the server has started.
func (s *server) workers() (pids []int) {
	s.t.Helper()
	all, err := filepath.Glob("/proc/" + strconv.Itoa(s.Cmd.Process.Pid) + "/task/*/children") // of each thread
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		for pid := range strings.FieldsSeq(string(text)) {
			n, _ := strconv.Atoi(pid)
			pids = append(pids, n)
		}
	}
	return pids
}

// run has no configuration and no log file, and lives on; its access log is opened again.
func TestReopenOfRun(t *testing.T) {
	s := newServer(t)
	s.start("run", "echo.so", "--addr", "127.0.0.1:0", "--access-log", "a.json")
	c := client(t)
	send(t, c, 200, "GET", s.urls[0]+"/one")
	s.Until("written", func() bool { return strings.Contains(s.read("a.json"), `"/one"`) })
	s.move("a.json", "old.json")
	s.Signal(syscall.SIGUSR1)
	s.Until("opened again", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "a.json"))
		return err == nil
	})
	send(t, c, 200, "GET", s.urls[0]+"/two")
	s.End()
	var line struct{ URL, LogData, LogQuery string }
	if err := json.Unmarshal([]byte(s.read("a.json")), &line); err != nil || line.URL != "/two" {
		t.Errorf("%v: %s", err, s.read("a.json"))
	}
	if n := strings.Count(s.read("old.json"), "\n"); n != 1 {
		t.Errorf("%d lines in the old file", n)
	}
}

// A signal that comes before there is a server, while its extension is compiled, ends nothing.
func TestReopenTooEarly(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip(err)
	}
	s := newServer(t)
	s.write("echo.c", echo)
	s.write("cc", "#!/bin/sh\n: > "+s.dir+"/began\nwhile ! test -e "+s.dir+"/go; do sleep 0.01; done\nexec "+compiler+" \"$@\"\n")
	if err := os.Chmod(filepath.Join(s.dir, "cc"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CC", filepath.Join(s.dir, "cc"))
	s.launch("run", "echo.c", "--addr", "127.0.0.1:0")
	s.Until("compiling", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "began"))
		return err == nil
	})
	s.Signal(syscall.SIGUSR1)
	s.write("go", "")
	s.urls = s.URLs()
	send(t, client(t), 200, "GET", s.urls[0]+"/one")
}

// told are the lines of the log about what workers write.
var told = regexp.MustCompile(`msg="output of a worker" .*line="told: ([0-9]+)"`)

// A reload changes the levels, of parts of the server alone too. Lines of workers say whose they are.
func TestLevels(t *testing.T) {
	s := newServer(t)
	s.write("isapid.yaml", one+"log: {file: ./isapid.log}\n")
	s.start("serve")
	c := client(t)
	tell := func(n string) { send(t, c, 200, "GET", s.urls[0]+"/echo/tell?"+n) }
	reload := func(n int, log string) {
		s.write("isapid.yaml", one+"log: {file: ./isapid.log, "+log+"}\n")
		s.Signal(syscall.SIGHUP)
		s.Until("reloaded", func() bool { return strings.Count(s.read("isapid.log"), "configuration is reloaded") == n })
	}
	has := func(n string) bool { return strings.Contains(s.read("isapid.log"), `line="told: `+n+`"`) }
	tell("1")
	s.Until("told", func() bool { return has("1") })
	line := regexp.MustCompile(`.*line="told: 1".*`).FindString(s.read("isapid.log"))
	for _, part := range []string{"level=INFO", "pool=default", "name=default/1", "generation=1"} {
		if !strings.Contains(line, part) {
			t.Errorf("no %s in %s", part, line)
		}
	}
	reload(1, "levels: {worker: warn}")
	tell("2")
	reload(2, "level: debug, levels: {pool: error}")
	tell("3")
	s.Until("told again", func() bool { return has("3") })
	if has("2") {
		t.Error("told what was not wanted")
	}
	s.End()
	if n := len(told.FindAllString(s.read("isapid.log"), -1)); n != 2 {
		t.Errorf("%d lines of the worker:\n%s", n, s.read("isapid.log"))
	}
}
