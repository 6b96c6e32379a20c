package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
)

var at = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

func ago(d time.Duration) *time.Time { t := at.Add(-d); return &t }

// TestPrintStatus compares the whole text for a server that has one of everything.
func TestPrintStatus(t *testing.T) {
	s := admin.Status{
		Version: "v1.0.0", Pid: 812, State: admin.StateServing, Uptime: admin.Seconds(76 * time.Hour), Config: "/etc/isapid/isapid.yaml",
		URLs:     []string{"http://localhost:8080/"},
		Requests: admin.Requests{Served: 81233, Running: 3, Faults: 1},
		Process:  admin.Process{CPU: admin.Seconds(93 * time.Second), Threads: 11, Resident: 47 << 20},
		InProcess: []admin.Extension{
			{Image: "/srv/fast.so", Pool: "fast", Description: "Fast\x1b[2J 1.0", Generation: 2, SHA256: "ab12", Requests: 9, Faults: 1},
			{Image: "/srv/log.so", Pool: "fast", Filter: true},
		},
		Snoops: []admin.Snoop{{ID: 3, Who: "user 0", Since: *ago(3 * time.Minute), Events: 1200, Dropped: 2}, {ID: 4, Since: at, Events: 1}},
		Misuse: []admin.Finding{{
			Kind: "two_async", Image: "/srv/fast.so", Call: "HSE_REQ_ASYNC_READ_CLIENT", Text: "another operation was outstanding", Request: "r1", First: *ago(time.Hour), Last: *ago(time.Minute), Count: 7,
			Stack: []string{"read_more+0x1f in fast.so", "\x1b[2J"},
		}},
		Pools: []admin.Pool{{Of: "legacy", Group: "legacy", Platform: "linux/amd64", Status: pool.Status{
			Name: "legacy", State: pool.StateRunning, Generation: 4, Because: "age", Rollout: &pool.Rollout{Generation: 5, Reason: "asked"},
			Workers: []pool.WorkerStatus{
				{Worker: 6, Name: "legacy/6", Generation: 3, Pid: 1204, Platform: "linux/amd64", State: "retiring", Age: pool.Seconds(29 * time.Hour), Served: 70112, InFlight: 1, Resident: 61 << 20, CPU: pool.Seconds(90 * time.Millisecond), Threads: 9, LastPing: ago(40 * time.Second), Oldest: "/report", OldestAge: pool.Seconds(61 * time.Second)},
				{Worker: 7, Name: "legacy/7", Generation: 4, Pid: 9120, Platform: "windows/386", Wine: "8.0", State: "ready", Age: pool.Seconds(62 * time.Second), Served: 310, InFlight: 2, Resident: 34 << 20, LastPing: ago(12 * time.Second), Oldest: "/", OldestAge: pool.Seconds(time.Second)},
				{Worker: 8, Name: "legacy/8", Generation: 5, State: "starting"},
			},
			Images: []pool.ImageStatus{{Path: "/srv/shop/proposal.so", Description: "Proposal 2.1", SHA256: "9b1c0d2e4f5a9b1c"}},
			Totals: pool.Totals{Starts: 8, Crashes: 1, Recycles: 3},
			Deaths: []pool.Death{
				{Worker: 4, Pid: 1000, At: *ago(49 * time.Hour), Age: pool.Seconds(time.Minute), How: "exit code 0", Reason: "age", Served: 1, Output: "bye\n", Expected: true},
				{Worker: 5, Pid: 1101, At: *ago(5 * time.Minute), Age: pool.Seconds(49 * time.Hour), How: "signal 11 (SIGSEGV)", Served: 2011, Lost: 1, Obituary: "2026-11-21T02-55-00-legacy-5", Output: "one\n\ntwo\a\n"},
			},
		}}, {Of: "b", Group: "b", Platform: "windows/amd64", Wine: "wine-8.0", Prefix: "/w", Status: pool.Status{Name: "b:win64", State: pool.StateEmpty, Generation: 1, Because: "start"}}},
		Images: []swap.State{
			{Image: "/srv/fast.so", Serving: swap.Build{SHA256: "ab12"}, Since: *ago(76 * time.Hour)},
			{
				Image: "/srv/shop/proposal.so", Serving: swap.Build{SHA256: "9b1c0d2e4f5a9b1c", Description: "Proposal\a 2.1"}, Since: *ago(2 * time.Hour), Doing: "loading version 3f2a91c04b1e",
				Last: &swap.Receipt{Who: "proposal.update", Outcome: swap.Committed, From: swap.Build{SHA256: "77aa0d2e4f5a9b1c"}, To: swap.Build{SHA256: "9b1c0d2e4f5a9b1c"}, Began: *ago(2 * time.Hour)},
			},
		},
	}
	want := `isapid v1.0.0 is serving, for 3 d 4 h (pid 812)
  configuration  /etc/isapid/isapid.yaml
  url            http://localhost:8080/
  requests       81233 answered, 3 running, 0 cut off, 1 fault
  process        1 min 33 s CPU, 11 threads, 47 MiB
  in-process     /srv/fast.so (pool fast): "Fast\x1b[2J 1.0"
    generation 2, version ab12: 9 requests, 1 fault
  in-process     /srv/log.so (filter, pool fast)
  snoop 3        user 0, for 3 min: 1200 events, 2 dropped
  snoop 4        somebody, for 0 s: 1 event, 0 dropped

pool legacy is running: generation 4 (age)
  generation 5 is being started (asked)
  WORKER    PID   PLATFORM               STATE     GENERATION  AGE        REQUESTS  INSIDE  MEMORY  CPU    THREADS  LAST PING
  legacy/6  1204  linux/amd64            retiring  3           1 d 5 h    70112     1       61 MiB  90 ms  9        40 s ago
  legacy/7  9120  windows/386, Wine 8.0  ready     4           1 min 2 s  310       2       34 MiB  -      -        12 s ago
  legacy/8  -     -                      starting  5           -          0         0       -       -      -        -
  image  /srv/shop/proposal.so version 9b1c0d2e4f5a: Proposal 2.1
  so far  8 starts, 1 crash, 0 faults, 3 recycled
  ended  legacy/4 (pid 1000) 2 d 1 h ago, 1 min old: exit code 0 (age); 1 request, 0 lost
  ended  legacy/5 (pid 1101) 5 min ago, 2 d 1 h old: signal 11 (SIGSEGV); 2011 requests, 1 lost
    more: isapid crashes 2026-11-21T02-55-00-legacy-5
    | one
    | "two\a"

pool b:win64 is empty, it has loaded nothing yet: generation 1 (start)
  for    windows/amd64, under wine-8.0 in /w
  so far  0 starts, 0 crashes, 0 faults, 0 recycled

image /srv/fast.so is version ab12, for 3 d 4 h
image /srv/shop/proposal.so is version 9b1c0d2e4f5a, "Proposal\a 2.1", for 2 h
  now   loading version 3f2a91c04b1e
  last  2 h ago, proposal.update: 77aa0d2e4f5a -> 9b1c0d2e4f5a committed

what is wrong, and what to do
  pool legacy: worker legacy/6 waits for its last request: /report, inside for 1 min 1 s
    -> wait; or kill -9 1204, then what is inside is lost
  pool legacy: 1 worker died within the last hour, the last one 5 min ago: signal 11 (SIGSEGV)
    -> its last lines are above; coredumpctl gdb 1101; journalctl -k, for want of memory
  image /srv/fast.so: 1 fault was contained in the server's own process since it was loaded
    -> isapid crashes tells more; mode: isolated for pool fast keeps such an image out of the server
  image /srv/fast.so: two_async in HSE_REQ_ASYNC_READ_CLIENT, 7 times, the last one 1 min ago: another operation was outstanding
    the first one in request r1
    read_more+0x1f in fast.so
    "\x1b[2J"
    -> that is for the author of the image: docs/operations.md, misuse, says what each kind means
`
	var out strings.Builder
	printStatus(&out, &s, at)
	printFindings(&out, findings(&s, at))
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestFindings(t *testing.T) {
	later := at.Add(8 * time.Second)
	worker := func(w pool.WorkerStatus) *pool.Status {
		w.Name, w.Pid = "p/1", 9
		return &pool.Status{State: pool.StateRunning, Workers: []pool.WorkerStatus{w}}
	}
	for name, c := range map[string]struct {
		server admin.Status
		pool   *pool.Status
		want   []string // what is wrong; "|" and what to do
	}{
		"nothing":         {admin.Status{State: admin.StateServing}, &pool.Status{State: pool.StateRunning}, nil},
		"draining":        {admin.Status{State: admin.StateDraining, Pid: 5, Requests: admin.Requests{Running: 1}}, nil, []string{"the server is ending: it waits for 1 running request|wait; or kill 5 once more, then they are cut off"}},
		"reload was good": {admin.Status{Reload: &admin.LastReload{At: at}}, nil, nil},
		"reload was bad": {admin.Status{Config: "/c.yaml", Reload: &admin.LastReload{At: *ago(time.Minute), Error: "c.yaml:1:1: no"}}, nil,
			[]string{"the configuration was read again 1 min ago and not taken:\nc.yaml:1:1: no|repair it; isapid check -c /c.yaml; isapid reload"}},

		"faults": {admin.Status{InProcess: []admin.Extension{{Image: "/a.so", Pool: "q", Faults: 2}, {Image: "/b.so"}}},
			&pool.Status{State: pool.StateRunning, Deaths: []pool.Death{
				{At: *ago(2 * time.Hour), Expected: true, Reason: "fault in a.so: SIGSEGV"}, {At: *ago(3 * time.Minute), Expected: true, Reason: "fault in a.so: SIGFPE"},
				{At: *ago(2 * time.Minute), Expected: true, Reason: "fault in a.so: SIGBUS", Obituary: "x-1"}, {At: *ago(time.Minute), Expected: true, Reason: "age"},
			}},
			[]string{"pool p: 2 workers were replaced within the last hour after a fault that was contained, the last one 2 min ago: fault in a.so: SIGBUS|isapid crashes x-1",
				"image /a.so: 2 faults were contained in the server's own process since it was loaded|isapid crashes tells more; mode: isolated for pool q keeps such an image out of the server"}},

		"image is fine": {admin.Status{Images: []swap.State{{Image: "/a.so", Last: &swap.Receipt{Outcome: swap.Committed, Began: at}}, {Image: "/b.so", Last: &swap.Receipt{Outcome: swap.Rejected, Began: *ago(2 * time.Hour)}}}}, nil, nil},
		"image in trouble": {admin.Status{Images: []swap.State{{Image: "/a.so", Trouble: "no room"}}}, nil,
			[]string{"image /a.so cannot be replaced as it should:\nno room|repair that; the version that serves goes on"}},
		"version rejected": {admin.Status{Images: []swap.State{{Image: "/a.so", Serving: swap.Build{SHA256: "ab"},
			Last: &swap.Receipt{Outcome: swap.Rejected, Reason: "no ELF", To: swap.Build{SHA256: "cd"}, Failed: "/a.failed", Began: *ago(time.Minute)}}}}, nil,
			[]string{"image /a.so: version cd was rejected 1 min ago:\nno ELF|version ab serves on; isapid history /a.so; isapid inspect /a.failed"}},
		"version taken back": {admin.Status{Images: []swap.State{{Image: "/a.so", Serving: swap.Build{SHA256: "ab"}, Last: &swap.Receipt{Outcome: swap.TakenBack, Reason: "worse", Began: *ago(time.Minute)}}}}, nil,
			[]string{"image /a.so: version unknown was taken back 1 min ago:\nworse|version ab serves on; isapid history /a.so"}},

		"empty":    {pool: &pool.Status{State: pool.StateEmpty}},
		"asleep":   {pool: &pool.Status{State: pool.StateIdle}},
		"starting": {pool: &pool.Status{State: pool.StateStarting}},
		"stopped":  {pool: &pool.Status{State: pool.StateStopped}, want: []string{"pool p: stopped: its requests get 503|isapid start p"}},
		"degraded": {pool: &pool.Status{State: pool.StateDegraded, Crashes: 6, NextRetry: &later},
			want: []string{"pool p: degraded, its requests get 503: 6 workers died within crashes.window; one is tried in 8 s|see how they ended, repair that; then isapid recycle p"}},
		"degraded, serving": {pool: &pool.Status{State: pool.StateDegraded, Crashes: 6, NextRetry: &at, Workers: []pool.WorkerStatus{{State: "ready"}}},
			want: []string{"pool p: degraded, what is left of it serves: 6 workers died within crashes.window; one is tried now|see how they ended, repair that; then isapid recycle p"}},
		"backoff": {pool: &pool.Status{State: pool.StateStarting, NextStart: &later, Waiting: 1},
			want: []string{"pool p: no worker is ready, because they die before they answer; the next start is in 8 s|see how they ended", "pool p: 1 request waits for a worker|"}},
		"waiting":       {pool: &pool.Status{State: pool.StateRunning, Waiting: 30}, want: []string{"pool p: 30 requests wait for a worker|more threads or workers for this pool, if it stays so"}},
		"rollout comes": {pool: &pool.Status{State: pool.StateRunning, Rollout: &pool.Rollout{Generation: 2}}},
		"rollout failed": {pool: &pool.Status{State: pool.StateRunning, Generation: 3, Rollout: &pool.Rollout{Failures: 2, NextTry: &later}},
			want: []string{"pool p: a new generation did not come up (2 times in a row): generation 3 serves on; the next try is in 8 s|repair the image or the settings, or put the old file back; then isapid recycle p"}},
		"bad image": {pool: &pool.Status{State: pool.StateRunning, Images: []pool.ImageStatus{{Path: "/a.so"}, {Path: "/b.so", Error: "truncated"}}},
			want: []string{"pool p: /b.so cannot be loaded:\ntruncated|isapid inspect /b.so"}},

		"worker is fine":      {pool: worker(pool.WorkerStatus{State: "ready", InFlight: 1, OldestAge: pool.Seconds(time.Second)})},
		"worker starts":       {pool: worker(pool.WorkerStatus{State: "starting", Age: pool.Seconds(time.Second)})},
		"worker ends":         {pool: worker(pool.WorkerStatus{State: "retiring", InFlight: 1, OldestAge: pool.Seconds(time.Second)})},
		"worker starts long":  {pool: worker(pool.WorkerStatus{State: "starting", Age: pool.Seconds(time.Minute)}), want: []string{"pool p: worker p/1 has been starting for 1 min|what does GetExtensionVersion wait for? gdb -p 9 -batch -ex 'thread apply all backtrace'"}},
		"worker ends long":    {pool: worker(pool.WorkerStatus{State: "retiring", InFlight: 2, Oldest: "/a", OldestAge: pool.Seconds(time.Minute)}), want: []string{"pool p: worker p/1 waits for its last 2 requests: /a, inside for 1 min|wait; or kill -9 9, then what is inside is lost"}},
		"worker has long one": {pool: worker(pool.WorkerStatus{State: "ready", InFlight: 2, Oldest: "/a", OldestAge: pool.Seconds(time.Minute)}), want: []string{"pool p: worker p/1 has a long request: /a, inside for 1 min|what does it wait for? gdb -p 9 -batch -ex 'thread apply all backtrace'"}},
		"worker failed":       {pool: worker(pool.WorkerStatus{State: "failed", Reason: "no answer"}), want: []string{"pool p: worker p/1 has failed and is being killed: no answer|"}},
		"orphan":              {pool: worker(pool.WorkerStatus{State: "orphan", Reason: "no answer"}), want: []string{"pool p: worker p/1 has failed and is kept for a debugger: no answer|gdb -p 9; then kill -9 9"}},

		"deaths that do not count": {pool: &pool.Status{State: pool.StateRunning, Deaths: []pool.Death{{At: *ago(2 * time.Hour)}, {At: at, Expected: true}}}},
		"deaths": {pool: &pool.Status{State: pool.StateRunning, Deaths: []pool.Death{{At: *ago(time.Minute), How: "a"}, {At: *ago(time.Second), How: "exit code 3", Reason: "b", Pid: 8}, {At: at, Expected: true}}},
			want: []string{"pool p: 2 workers died within the last hour, the last one 1 s ago: exit code 3, b|its last lines are above; coredumpctl gdb 8; journalctl -k, for want of memory"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.pool != nil {
				c.pool.Name = "p"
				c.server.Pools = []admin.Pool{{Status: *c.pool}}
			}
			var got []string
			for _, f := range findings(&c.server, at) {
				got = append(got, f.what+"|"+f.do)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestPrintNothingWrong(t *testing.T) {
	var out strings.Builder
	printFindings(&out, nil)
	if out.String() != "\nnothing is wrong, as far as isapid can tell\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestPrintFindingIsHarmless(t *testing.T) {
	var out strings.Builder
	printFindings(&out, []finding{{"bad:\nx\x1b[2J\nz", "do\r it"}})
	if want := "\nwhat is wrong, and what to do\n  bad:\n    \"x\\x1b[2J\"\n    z\n    -> \"do\\r it\"\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 499 * time.Millisecond: "0 s", 1500 * time.Millisecond: "2 s", 59 * time.Second: "59 s", 59600 * time.Millisecond: "1 min",
		time.Minute: "1 min", 62 * time.Second: "1 min 2 s", time.Hour: "1 h", 3*time.Hour + 12*time.Minute + 30*time.Second: "3 h 12 min", 24 * time.Hour: "1 d",
		50 * time.Hour: "2 d 2 h", 1000 * 24 * time.Hour: "1000 d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
