package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
)

// screen80 is a terminal of 80 columns and 24 lines that remembers what is on it.
func screen80(t *testing.T) tcell.SimulationScreen {
	t.Helper()
	s := tcell.NewSimulationScreen("")
	if err := s.Init(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Fini)
	s.SetSize(80, 24)
	return s
}

// lines are what is on it, without spaces at the ends and empty lines at the end.
func lines(s tcell.SimulationScreen) string {
	cells, width, height := s.GetContents()
	var b strings.Builder
	for y := range height {
		var line strings.Builder
		for x := range width {
			line.WriteString(string(cells[y*width+x].Runes))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// busyServer is a status with one of each; more is what has been done since.
func busyServer(more int64) admin.Status {
	return admin.Status{
		Version: "v1.0.0", Pid: 812, State: admin.StateServing, Uptime: admin.Seconds(76 * time.Hour), Requests: admin.Requests{Served: 81000 + 10*more, Running: 3},
		Process: admin.Process{CPU: admin.Seconds(time.Minute + time.Duration(more)*100*time.Millisecond), Threads: 11, Resident: 47 << 20},
		Pools: []admin.Pool{
			{Of: "legacy", Platform: "linux/amd64", Status: pool.Status{Name: "legacy", State: pool.StateRunning, Generation: 4, Waiting: 2, Crashes: 1, Workers: []pool.WorkerStatus{
				{Worker: 6, Name: "legacy/6", Generation: 3, Pid: 1204, State: "retiring", Age: pool.Seconds(29 * time.Hour), Served: 70112, InFlight: 1, Resident: 61 << 20, CPU: pool.Seconds(time.Hour), Threads: 9, Oldest: "/report/of/last/year?with=all&the=details", OldestAge: pool.Seconds(61 * time.Second)},
				{Worker: 7, Name: "legacy/7", Generation: 4, Pid: 9120, State: "ready", Age: pool.Seconds(62 * time.Second), Served: 310 + 8*more, InFlight: 2, Resident: 34 << 20, CPU: pool.Seconds(time.Duration(more) * time.Second), Threads: 12, Oldest: "/"},
			}}},
			{Of: "fast", Platform: "windows/386", Status: pool.Status{Name: "fast", State: pool.StateEmpty, Generation: 1}},
		},
		InFlight: []admin.InFlight{
			{
				ID: "0h5", Age: admin.Seconds(3200 * time.Millisecond), Stage: "running", Worker: "legacy/6", Pid: 1204, Client: "10.0.0.9", Method: "GET", URL: "/report/of/last/year?with=all&the=details",
				Inside: []admin.Inside{{Call: "HttpExtensionProc"}, {Call: "WriteClient", Age: admin.Seconds(3100 * time.Millisecond)}},
			},
			{ID: "0h6", Age: admin.Seconds(12 * time.Millisecond), Stage: "queued", Pool: "legacy", Client: "10.0.0.10", Method: "POST", URL: "/\x1b[2J"},
		},
	}
}

// TestTop compares the whole screen, view by view.
func TestTop(t *testing.T) {
	s, view := screen80(t), newTop(time.Second)
	view.look(&looked{status: busyServer(0), at: at})
	view.look(&looked{status: busyServer(2), at: at.Add(2 * time.Second)})
	key := func(k tcell.Key, r rune) {
		t.Helper()
		if view.key(tcell.NewEventKey(k, r, 0), 24) {
			t.Fatalf("key %v %q ends it", k, r)
		}
	}
	compare := func(want string) {
		t.Helper()
		view.draw(s)
		if got := lines(s); got != strings.TrimPrefix(want, "\n") {
			t.Errorf("got\n%s\nwant%s", got, want)
		}
	}
	empty := strings.Repeat("\n", 17)
	compare(`
isapid v1.0.0 serving 3 d 4 h, pid 812   10.0 requests/s, 3 running, 81020 answ…
server 10% CPU, 47 MiB, 11 threads   2 things are wrong: isapid status

POOL^  STATE   GEN WORKERS REQ/S INSIDE WAITING CRASHES CPU% MEMORY PLATFORM
fast   empty     1       0   0.0      0       0       0    0  0 MiB windows/386
legacy running   4       2   8.0      3       2       1  100 95 MiB linux/amd64
` + empty + `[1 pools] 2 workers 3 requests  1-2 of 2  < > r sort  p pause  q quit
`)
	key(tcell.KeyTab, 0)
	key(tcell.KeyRune, '<') // by the last column
	key(tcell.KeyRune, 'r')
	compare(`
isapid v1.0.0 serving 3 d 4 h, pid 812   10.0 requests/s, 3 running, 81020 answ…
server 10% CPU, 47 MiB, 11 threads   2 things are wrong: isapid status

WORKER    PID STATE    GEN       AGE REQ/S INSIDE CPU% THR MEMORY OLDESTv
legacy/6 1204 retiring   3   1 d 5 h   0.0      1    0   9 61 MiB /report/of/la…
legacy/7 9120 ready      4 1 min 2 s   8.0      2  100  12 34 MiB /
` + empty + `1 pools [2 workers] 3 requests  1-2 of 2  < > r sort  p pause  q quit
`)
	key(tcell.KeyRune, '3')
	key(tcell.KeyRune, 'r') // the youngest first
	key(tcell.KeyRune, 'p')
	view.look(&looked{status: admin.Status{}, at: at.Add(3 * time.Second)}) // not while it is paused
	compare(`
isapid v1.0.0 serving 3 d 4 h, pid 812   10.0 requests/s, 3 running, 81020 answ…
paused: p goes on

 AGE^ STAGE   CLIENT    WHERE           INSIDE            REQUEST
12 ms queued  10.0.0.10 legacy          -                 "POST /\x1b[2J"
3.2 s running 10.0.0.9  legacy/6 (1204) WriteClient 3.1 s GET /report/of/last/y…
` + empty + `1 pools 2 workers [3 requests]  1-2 of 2  < > r sort  p pause  q quit
`)
	key(tcell.KeyRune, 'p')
	view.look(&looked{err: errors.New("no isapid answers\nat all"), at: at})
	view.draw(s)
	if got := strings.Split(lines(s), "\n")[1]; got != "no isapid answers" {
		t.Errorf("an error shows as %q", got)
	}
	for _, k := range []*tcell.EventKey{tcell.NewEventKey(tcell.KeyRune, 'q', 0), tcell.NewEventKey(tcell.KeyCtrlC, 0, 0), tcell.NewEventKey(tcell.KeyEscape, 0, 0)} {
		if !view.key(k, 24) {
			t.Errorf("%v does not end it", k.Name())
		}
	}
}

// TestTopScrolls: more requests than lines, on screens of any size.
func TestTopScrolls(t *testing.T) {
	s, view := screen80(t), newTop(time.Second)
	var status admin.Status
	for n := range 40 {
		status.InFlight = append(status.InFlight, admin.InFlight{ID: fmt.Sprint(n), Age: admin.Seconds(time.Duration(40-n) * time.Second), Method: "GET", URL: fmt.Sprintf("/%d", n)})
	}
	view.look(&looked{status: status, at: at})
	for _, c := range []struct {
		key  *tcell.EventKey
		want string
	}{
		{tcell.NewEventKey(tcell.KeyRune, '3', 0), "1-19 of 40"}, {tcell.NewEventKey(tcell.KeyDown, 0, 0), "2-20 of 40"}, {tcell.NewEventKey(tcell.KeyPgDn, 0, 0), "21-39 of 40"},
		{tcell.NewEventKey(tcell.KeyEnd, 0, 0), "22-40 of 40"}, {tcell.NewEventKey(tcell.KeyDown, 0, 0), "22-40 of 40"}, {tcell.NewEventKey(tcell.KeyUp, 0, 0), "21-39 of 40"},
		{tcell.NewEventKey(tcell.KeyHome, 0, 0), "1-19 of 40"}, {tcell.NewEventKey(tcell.KeyPgUp, 0, 0), "1-19 of 40"},
	} {
		view.key(c.key, 24)
		view.draw(s)
		if got := lines(s); !strings.Contains(got, " "+c.want+" ") {
			t.Errorf("%v: no %q in\n%s", c.key.Name(), c.want, got)
		}
	}
	for _, size := range [][2]int{{1, 1}, {5, 2}, {10, 6}, {300, 80}} {
		s.SetSize(size[0], size[1])
		view.draw(s) // it must not panic
	}
}

// TestTopWithoutTerminal: a clear error; with --json it is no error.
func TestTopWithoutTerminal(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := Main([]string{"top", "--socket", "/nowhere"}, nil, &out, &errOut); code != exitFailure || !strings.Contains(errOut.String(), "draws on a terminal") {
		t.Errorf("exit code %d, said %q", code, errOut.String())
	}
	errOut.Reset()
	if code := Main([]string{"top", "--json", "--socket", "/nowhere"}, nil, &out, &errOut); code != exitNoServer {
		t.Errorf("exit code %d, said %q", code, errOut.String())
	}
	if code := Main([]string{"top", "--every", "1ms"}, nil, &out, &errOut); code != exitUsage {
		t.Errorf("exit code %d, said %q", code, errOut.String())
	}
}
