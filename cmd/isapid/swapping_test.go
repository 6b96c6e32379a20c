//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/swap"
)

func in(d time.Duration) *time.Time { t := at.Add(d); return &t }

// fullReceipt has everything that a swap that went well, and then did not, may leave.
func fullReceipt() swap.Receipt {
	return swap.Receipt{
		ID: "7", Image: "/srv/shop/proposal.so", Who: "deploy by user 0", Mode: "overlap", Outcome: swap.Committed,
		From:        swap.Build{SHA256: "9b1c0d2e4f5a9b1c0d2e4f5a", Size: 10, Description: "Proposal 2.0"},
		To:          swap.Build{SHA256: "3f2a91c04b1e3f2a91c04b1e", Size: 11, BuildID: "ab", Description: "Proposal\a 2.1"},
		Generations: []swap.Generations{{Pool: "legacy", Old: 3, New: 4}},
		Began:       at, Ready: in(80 * time.Millisecond), Verified: in(90 * time.Millisecond), Committed: in(1234 * time.Millisecond), Watched: in(61 * time.Second), Ended: in(125 * time.Second),
		InFlight: 1, Held: 6, LongestHold: swap.Seconds(1500 * time.Millisecond), Backup: "/srv/shop/proposal.backup",
	}
}

func rejected(reason string) swap.Receipt {
	return swap.Receipt{
		ID: "8", Image: "/srv/shop/proposal.so", Who: "deploy by user 0", Mode: "hold", Outcome: swap.Rejected, Reason: reason,
		From: swap.Build{SHA256: "9b1c0d2e4f5a9b1c0d2e4f5a", Size: 10}, Began: at, Ended: in(5 * time.Millisecond), Failed: "/srv/shop/proposal.failed",
	}
}

func takenBack() swap.Receipt {
	r := fullReceipt()
	r.Outcome, r.Reason = swap.TakenBack, "5 crashes in 10 s"
	r.Began = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) // after the command
	r.Ready, r.Verified, r.Committed, r.Watched, r.Ended = nil, nil, nil, nil, nil
	return r
}

// onTrial is of a swap that was there before a rollback ended it.
func onTrial() swap.Receipt {
	r := takenBack()
	r.Began = at.AddDate(-1, 0, 0)
	return r
}

// reported is how a receipt is printed.
func reported(r swap.Receipt) string {
	var out strings.Builder
	printReceipt(&out, &r)
	return out.String()
}

const printedRejection = `
/srv/shop/proposal.so: rejected
  reason      it is no library
  from        version 9b1c0d2e4f5a
  to          version unknown
  who         deploy by user 0
  mode        hold
  began       2026-11-21 03:00:00
  ended       after 5 ms: the new version was given up
  in flight   0 requests in the old version at the commit
  held        0 requests
  lost        0 requests
  failed      /srv/shop/proposal.failed
`

const printedReceipt = `
/srv/shop/proposal.so: committed
  from        version 9b1c0d2e4f5a, Proposal 2.0
  to          version 3f2a91c04b1e, "Proposal\a 2.1"
  generation  3 -> 4 of pool legacy
  who         deploy by user 0
  mode        overlap
  began       2026-11-21 03:00:00
  ready       after 80 ms: the new version was loaded and answered
  verified    after 90 ms: it answered the probe
  committed   after 1.23 s: it gets every new request
  watched     after 1 min 1 s: the watch window ended well
  ended       after 2 min 5 s: the old version is unloaded
  in flight   1 request in the old version at the commit
  held        6 requests, the longest for 1.5 s
  lost        0 requests
  backup      /srv/shop/proposal.backup
`

var shopImages = []admin.Image{
	{Path: "/srv/shop/proposal.so", Applications: []string{"shop/orders"}}, {Path: "/srv/a/stock.so"}, {Path: "/srv/b/stock.so"},
}

// swapping is a server that replaces images, and a new version for it.
func swapping(t *testing.T, f *fakeServer) (socket, file string) {
	t.Helper()
	f.images = shopImages
	if f.states == nil {
		f.states = make([]admin.Status, 1)
	}
	file = filepath.Join(t.TempDir(), "new.so")
	if err := os.WriteFile(file, []byte("new code"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f.listen(t), file
}

func TestSwapCommands(t *testing.T) {
	const steps = "03:00:00.000  the new version is loaded\n03:00:01.250  \"done\\a\"\n"
	for name, c := range map[string]struct {
		args    string // FILE is a new version
		receipt swap.Receipt
		err     error // of the server
		code    int
		asked   string
		out     string
		errOut  string
	}{
		"deployed":         {"deploy proposal FILE", fullReceipt(), nil, 0, "deploy /srv/shop/proposal.so, wait false", steps + printedReceipt, ""},
		"deployed, waited": {"deploy shop/orders FILE --wait", fullReceipt(), nil, 0, "deploy /srv/shop/proposal.so, wait true", steps + printedReceipt, ""},
		"rejected": {"deploy proposal FILE", rejected("it is no library"), nil, 8, "", steps + printedRejection,
			"isapid: the new version of proposal.so was rejected: it is no library\nisapid: version 9b1c0d2e4f5a serves on\n"},
		"taken back": {"deploy proposal FILE --wait", takenBack(), nil, 9, "", steps + reported(takenBack()),
			"isapid: the new version of proposal.so was taken back: 5 crashes in 10 s\nisapid: version 9b1c0d2e4f5a serves again\n"},
		"still running": {"deploy proposal FILE", swap.Receipt{Image: "/srv/shop/proposal.so", Outcome: swap.Running}, nil, 1, "", "*",
			"isapid: the swap of proposal.so is running\nisapid: see \"isapid status\"\n"},
		"unknown": {"deploy propsal FILE", swap.Receipt{}, nil, 1, "-", "",
			"isapid: there is no image \"propsal\"\nisapid: there are: /srv/a/stock.so, /srv/b/stock.so, /srv/shop/proposal.so (shop/orders)\n"},
		"ambiguous": {"deploy stock FILE", swap.Receipt{}, nil, 1, "-", "",
			"isapid: \"stock\" may be 2 images\nisapid: name one by its path; there are: /srv/a/stock.so, /srv/b/stock.so\n"},
		"no file": {"deploy proposal", swap.Receipt{}, nil, 2, "-", "", "isapid: accepts 2 arg(s), received 1\nisapid: see \"isapid deploy --help\"\n"},

		"rolled back":        {"rollback proposal.so", fullReceipt(), nil, 0, "rollback /srv/shop/proposal.so to \"\", wait false", steps + printedReceipt, ""},
		"rolled back far":    {"rollback proposal.so --to 2 --wait", fullReceipt(), nil, 0, "rollback /srv/shop/proposal.so to \"2\", wait true", steps + printedReceipt, ""},
		"rolled back, trial": {"rollback proposal.so", onTrial(), nil, 0, "", steps + reported(onTrial()), ""},
		"rolled back, worse": {"rollback proposal.so --wait", takenBack(), nil, 9, "", "*", "*"},
		"rolled back, bad":   {"rollback proposal.so --to 9b1c", rejected("it is no library"), nil, 8, "", "*", "*"},
		"rollback: none":     {"rollback proposal.so --to 3", swap.Receipt{}, fmt.Errorf("%w: there are 2 backups", swap.ErrNoVersion), 1, "", "", "isapid: there is no such version to go back to: there are 2 backups\nisapid: isapid history /srv/shop/proposal.so lists what there was\n"},
		"rollback: no word":  {"rollback proposal.so --to latest", swap.Receipt{}, nil, 2, "-", "", "isapid: a version is the number of a backup, the newest is 1, or at least 4 digits its SHA-256 begins with\nisapid: see \"isapid rollback --help\"\n"},
		"rollback: no image": {"rollback", swap.Receipt{}, nil, 2, "-", "", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeServer{err: c.err, swap: func(_ string, step func(swap.Step)) (swap.Receipt, error) {
				step(swap.Step{At: at, Text: "the new version is loaded"})
				step(swap.Step{At: at.Add(1250 * time.Millisecond), Text: "done\a"})
				return c.receipt, nil
			}}
			socket, file := swapping(t, f)
			code, out, errOut := runMain(append(strings.Fields(strings.ReplaceAll(c.args, "FILE", file)), "--socket", socket)...)
			if code != c.code || c.out != "*" && out != c.out || c.errOut != "*" && errOut != c.errOut {
				t.Errorf("code %d, want %d\n got out\n%s\nwant out\n%s\n got err %q\nwant err %q", code, c.code, out, c.out, errOut, c.errOut)
			}
			if c.asked == "-" && len(f.asked) > 0 || len(c.asked) > 1 && !reflect.DeepEqual(f.asked, []string{c.asked}) {
				t.Errorf("asked %q, want %q", f.asked, c.asked)
			}
		})
	}
}

// TestSwapJSON: the lines are those of the control API.
func TestSwapJSON(t *testing.T) {
	f := &fakeServer{swap: func(_ string, step func(swap.Step)) (swap.Receipt, error) {
		step(swap.Step{At: at, Text: "a <&> b"})
		return rejected("no"), nil
	}}
	socket, file := swapping(t, f)
	code, out, errOut := runMain("deploy", "proposal", file, "--json", "--socket", socket)
	wantOut := `{"step":{"at":"2026-11-21T03:00:00Z","text":"a <&> b"}}
{"receipt":{"id":"8","image":"/srv/shop/proposal.so","who":"deploy by user 0","mode":"hold","outcome":"rejected","reason":"no",` +
		`"from":{"sha256":"9b1c0d2e4f5a9b1c0d2e4f5a","size":10},"to":{"sha256":"","size":0},"began":"2026-11-21T03:00:00Z","ended":"2026-11-21T03:00:00.005Z",` +
		`"in_flight":0,"held":0,"longest_hold_seconds":0,"lost":0,"failed":"/srv/shop/proposal.failed"}}
`
	wantErr := `{"error":"the new version of proposal.so was rejected: no\nversion 9b1c0d2e4f5a serves on","code":8}` + "\n"
	if code != exitRejected || out != wantOut || errOut != wantErr {
		t.Errorf("code %d\n got out %s\nwant out %s\n got err %s\nwant err %s", code, out, wantOut, errOut, wantErr)
	}
}

// TestStepsAreLive: a step is printed before the next one happens.
func TestStepsAreLive(t *testing.T) {
	for _, format := range [][]string{nil, {"--json"}} {
		seen := make(chan string)
		f := &fakeServer{swap: func(_ string, step func(swap.Step)) (swap.Receipt, error) {
			for _, text := range []string{"one", "two"} {
				step(swap.Step{At: at, Text: text})
				if line := <-seen; !strings.Contains(line, text) {
					return swap.Receipt{}, fmt.Errorf("%q is no %q", line, text)
				}
			}
			return fullReceipt(), nil
		}}
		socket, file := swapping(t, f)
		from, to := io.Pipe()
		ended := make(chan int, 1)
		go func() {
			code := Main(append([]string{"deploy", "proposal", file, "--socket", socket}, format...), nil, to, io.Discard)
			to.Close()
			ended <- code
		}()
		lines := bufio.NewScanner(from)
		for range 2 {
			lines.Scan()
			seen <- lines.Text()
		}
		for lines.Scan() {
			continue
		}
		if code := <-ended; code != 0 || lines.Err() != nil {
			t.Errorf("%v: code %d, %v", format, code, lines.Err())
		}
	}
}

// TestNotWaited: Ctrl-C ends the command and not the swap.
func TestNotWaited(t *testing.T) {
	goOn, gone := make(chan struct{}), make(chan struct{})
	f := &fakeServer{swap: func(_ string, step func(swap.Step)) (swap.Receipt, error) {
		defer close(gone)
		step(swap.Step{At: at, Text: "begun"})
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			return swap.Receipt{}, err
		}
		<-goOn
		return fullReceipt(), nil
	}}
	socket, file := swapping(t, f)
	code, out, errOut := runMain("deploy", "proposal", file, "--wait", "--socket", socket)
	want := "isapid: not waited for: the swap goes on\nisapid: see \"isapid status\" and \"isapid history proposal\"\n"
	if code != exitInterrupted || !strings.HasSuffix(out, "  begun\n") && out != "" || errOut != want && !strings.Contains(errOut, "had not begun") {
		t.Errorf("code %d, out %q, err %q", code, out, errOut)
	}
	select {
	case <-gone:
		t.Error("the swap has ended")
	default:
	}
	close(goOn)
	<-gone
}

// TestServerEndsInSwap: how it ended cannot be told, and the exit code says that nobody answers.
func TestServerEndsInSwap(t *testing.T) {
	end := make(chan struct{})
	f := &fakeServer{drained: func() {}, swap: func(_ string, step func(swap.Step)) (swap.Receipt, error) {
		step(swap.Step{At: at, Text: "begun"})
		<-end
		return swap.Receipt{}, errors.New("the disk is on fire")
	}}
	socket, file := swapping(t, f)
	close(end)
	code, _, errOut := runMain("deploy", "proposal", file, "--socket", socket)
	if code != exitFailure || errOut != "isapid: the disk is on fire\n" {
		t.Errorf("code %d, err %q", code, errOut)
	}
	err := unfinished(t.Context(), &admin.NoServerError{Place: "/s", Err: io.ErrUnexpectedEOF}, true, "proposal")
	if want := "no isapid answers at /s: unexpected EOF\nhow the swap ends is not known: see \"isapid status\" and \"isapid history proposal\""; err.Error() != want || exitCode(err) != exitNoServer {
		t.Errorf("got %v", err)
	}
}

// TestVersionFile: what cannot be a new version is not sent.
func TestVersionFile(t *testing.T) {
	f := &fakeServer{}
	socket, _ := swapping(t, f)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(path("empty"), nil, 0o600), syscall.Mkfifo(path("fifo"), 0o600), os.WriteFile(path("file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"none": "there is no file PATH", "": "PATH is a directory: name the library in it", "empty": "PATH is empty", "fifo": "PATH is no regular file",
		"file/below": "PATH cannot be read: not a directory",
	} {
		code, out, errOut := runMain("deploy", "proposal", path(name), "--socket", socket)
		if want = "isapid: " + strings.ReplaceAll(want, "PATH", fmt.Sprintf("%q", path(name))) + "\n"; code != exitImage || out != "" || errOut != want {
			t.Errorf("%q: code %d, out %q\n got %s\nwant %s", name, code, out, errOut, want)
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("the server was asked %q", f.asked)
	}
}

// TestLargeVersion: a file is sent in pieces.
func TestLargeVersion(t *testing.T) {
	const size = 64 << 20
	f := &fakeServer{swap: func(file string, _ func(swap.Step)) (swap.Receipt, error) {
		st, err := os.Stat(file)
		if err == nil && st.Size() != size {
			err = fmt.Errorf("it has %d bytes", st.Size())
		}
		return fullReceipt(), err
	}}
	socket, file := swapping(t, f)
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if code, _, errOut := runMain("deploy", "proposal", file, "--socket", socket); code != 0 {
		t.Fatalf("code %d: %s", code, errOut)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 { // of the server, too
		t.Errorf("it took %d bytes of memory", took)
	}
}

// TestFullName: a path from here is one for the server, which is elsewhere.
func TestFullName(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, want := range map[string]string{
		"./x.so": filepath.Join(dir, "x.so"), "../x.so": filepath.Join(filepath.Dir(dir), "x.so"), "x.so": "x.so", "shop/orders": "shop/orders", "/a/x.so": "/a/x.so",
		".x.so": ".x.so", "..x/y": "..x/y", "": "",
	} {
		if got, err := fullName(name); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestHistoryCommand(t *testing.T) {
	f := &fakeServer{receipts: []swap.Receipt{rejected("bad\x1b"), fullReceipt(), {ID: "5", Outcome: swap.Running, Who: "proposal.update", Began: at}}}
	socket, _ := swapping(t, f)
	want := `WHEN                 WHO               OUTCOME    FROM          TO            TOOK    LOST  REASON
2026-11-21 03:00:00  deploy by user 0  rejected   9b1c0d2e4f5a  unknown       5 ms    0     "bad\x1b"
2026-11-21 03:00:00  deploy by user 0  committed  9b1c0d2e4f5a  3f2a91c04b1e  1.23 s  0     -
2026-11-21 03:00:00  proposal.update   running    unknown       unknown       -       0     -
`
	if code, out, errOut := runMain("history", "proposal", "--socket", socket); code != 0 || out != want || errOut != "" {
		t.Errorf("code %d, err %q, got\n%s\nwant\n%s", code, errOut, out, want)
	}
	if code, out, _ := runMain("history", "proposal", "-n", "1", "--socket", socket); code != 0 || strings.Count(out, "\n") != 2 {
		t.Errorf("-n 1: code %d\n%s", code, out)
	}
	f.receipts = f.receipts[2:]
	code, out, _ := runMain("history", "proposal", "--json", "--socket", socket)
	want = `{"image":"/srv/shop/proposal.so","receipts":[{"id":"5","image":"","who":"proposal.update","mode":"","outcome":"running","from":{"sha256":"","size":0},` +
		`"to":{"sha256":"","size":0},"began":"2026-11-21T03:00:00Z","in_flight":0,"held":0,"longest_hold_seconds":0,"lost":0}]}` + "\n"
	if code != 0 || out != want {
		t.Errorf("code %d\ngot  %s\nwant %s", code, out, want)
	}
	f.receipts = nil
	if code, out, _ := runMain("history", "proposal", "--socket", socket); code != 0 || out != "/srv/shop/proposal.so was not replaced yet\n" {
		t.Errorf("code %d, out %q", code, out)
	}
	if code, _, errOut := runMain("history", "stock", "--socket", socket); code != 1 || !strings.HasPrefix(errOut, "isapid: \"stock\" may be 2 images\n") {
		t.Errorf("code %d, err %q", code, errOut)
	}
}

func TestLapse(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "0 ms", 0: "0 ms", 999999 * time.Microsecond: "999 ms", time.Second: "1 s", 1239 * time.Millisecond: "1.23 s", 59999 * time.Millisecond: "60 s", time.Minute: "1 min",
	} {
		if got := lapse(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
