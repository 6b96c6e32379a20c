package obituary

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/trace"
)

func full() *Report {
	at := time.Date(2026, 11, 21, 18, 48, 24, 123e6, time.UTC)
	crash := CrashOf(&executor.FaultInfo{
		Signal: "SIGSEGV", Meaning: "address not mapped", Call: "HttpExtensionProc", Text: "SIGSEGV (address not mapped), in crash+0x10", Addr: 0x10, Request: 7,
		Stack: []executor.FaultFrame{
			{PC: 0x7f0000001000, Image: "/lib/libc.so.6", Offset: 0x99, Symbol: "memcpy+0x1"},
			{PC: 0x7f0000002139, Image: "/srv/crash.so", Offset: 0x1139, Symbol: "fail+0x10", Line: "crash.c:12"},
		},
	})
	return &Report{
		Kind: Death, At: at, Pool: "legacy", Worker: "legacy/3", Pid: 4711, Generation: 2, How: "signal 11 (SIGSEGV)", Reason: "because", Crash: crash,
		Hand:     &Request{ID: trace.FormatID(7), Method: "GET", URL: "/crash?x=1", Client: "10.0.0.1:99", Image: "/srv/crash.so", Age: Seconds(time.Second)},
		InFlight: []Request{{Method: "GET", URL: "/\x1b[31mred"}},
		Threads: Threads(&trace.Board{Threads: []trace.Thread{{ID: 12, Open: []trace.LastCall{{FuncCode: trace.FuncCode{Func: trace.HttpExtensionProc}, At: 5e9, Request: 7}},
			Last: []trace.LastCall{{FuncCode: trace.FuncCode{Func: trace.WriteClient}, Err: 64, Done: true, At: 6e9}}}}}, 7e9),
		Memory: &Memory{Resident: 1 << 20}, Age: Seconds(time.Minute), Served: 10, Lost: 1, Images: []Image{{Path: "/srv/crash.so", SHA256: "0123456789abcdef"}},
		Output: []string{"oh no"}, Log: []string{"a line"}, Done: []string{"another worker is started at once"},
	}
}

// books makes a book in a new folder that does not exist yet, and one that logs into what is returned.
func books(t *testing.T, pace time.Duration, keep int) (*Book, string, *bytes.Buffer) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "crashes")
	var log bytes.Buffer
	return open(Settings{Directory: dir, Keep: keep, Log: slog.New(slog.NewTextHandler(&log, nil))}, pace), dir, &log
}

func TestBury(t *testing.T) {
	b, dir, log := books(t, time.Millisecond, 0)
	id := b.Bury(full())
	if id != "2026-11-21T18-48-24.123-legacy-3" {
		t.Errorf("the ID is %q", id)
	}
	b.Close()
	b.Close()
	fi, err := os.Stat(filepath.Join(dir, id+".json"))
	modes := runtime.GOOS != "windows" // there the folder has rights that its files inherit: see package files
	if err != nil || modes && fi.Mode().Perm() != 0o600 {
		t.Fatalf("the file: %v, %v", fi, err)
	}
	if fi, _ := os.Stat(dir); modes && fi.Mode().Perm() != 0o700 {
		t.Errorf("the folder has the mode %v", fi.Mode())
	}
	r, err := Read(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Crash; c.Image != "/srv/crash.so" || c.Offset != "0x1139" || c.Symbol != "fail+0x10" || len(c.Stack) != 2 {
		t.Errorf("the fault is %+v", c)
	}
	if r.Age != Seconds(time.Minute) || r.Threads[0].Open[0].Ago != Seconds(2*time.Second) || r.Server != executor.Software {
		t.Errorf("read back: %+v", r)
	}
	list, err := List(dir)
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].Where != "crash.so+0x1139 fail+0x10" || list[0].Lost != 1 {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if log.Len() > 0 {
		t.Errorf("the log has %s", log)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestPrint(t *testing.T) {
	r := full()
	r.ID = "x"
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"worker legacy/3 died: signal 11 (SIGSEGV)\n", "pid 4711, 1m0s old", "legacy, generation 2", "1.0 MiB resident", "/srv/crash.so, version 0123456789ab",
		"/srv/crash.so+0x1139", "fail+0x10", "#1  fail+0x10 at crash.c:12 in crash.so+0x1139", "HttpExtensionProc", "address 0x10",
		"the request in hand\n  GET /crash?x=1 (for 1s, from 10.0.0.1:99, in crash.so, request " + trace.FormatID(7), `/\x1b[31mred`,
		"last calls of thread 12", "WriteClient (1s ago, error 64)", "inside HttpExtensionProc (request " + trace.FormatID(7) + ", 2s ago, it had not returned)",
		"last output\n  oh no", "what was done\n  another worker",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.ContainsRune(out.String(), 0x1b) {
		t.Error("an escape sequence came through")
	}
	empty := &Report{Kind: Fault, How: "SIGFPE"}
	if err := empty.Print(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestThreads(t *testing.T) {
	call := func(f trace.Func, at int64) trace.LastCall {
		return trace.LastCall{FuncCode: trace.FuncCode{Func: f}, At: at, Done: true}
	}
	board := &trace.Board{Threads: []trace.Thread{
		{ID: 1}, {ID: 2, Last: []trace.LastCall{call(trace.DllMain, 9e9)}}, {ID: 3, Open: []trace.LastCall{call(trace.DllMain, 1e9)}},
		{ID: 4, Last: []trace.LastCall{call(trace.DllMain, 1e9), call(trace.WriteClient, 2e9)}},
	}}
	list := Threads(board, 5e9)
	if len(list) != 2 || list[0].ID != 4 || list[1].ID != 3 || list[0].Last[1].Ago != Seconds(7*time.Second) {
		t.Errorf("%+v", list)
	}
	if now := trace.Clock(); now > 0 {
		board.Threads[3].Last[1].At = now - 5e9
		if list = Threads(board, 0); time.Duration(list[0].Last[1].Ago) < 5*time.Second {
			t.Errorf("%+v", list[0])
		}
	}
	if Threads(nil, 0) != nil {
		t.Error("nothing has threads")
	}
}

func TestKeepAndOrder(t *testing.T) {
	b, dir, _ := books(t, time.Microsecond, 3)
	var ids []string
	for range 8 {
		ids = append(ids, b.Bury(full())) // all have one time
	}
	b.Close()
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("IDs are %q", ids)
	}
	list, err := List(dir)
	if err != nil || len(list) != 3 || list[2].ID != ids[7] || list[0].ID != ids[5] {
		t.Errorf("kept are %+v, %v", list, err)
	}
}

// TestCrashLoop: when deaths come quicker than they may be written, they are counted.
func TestCrashLoop(t *testing.T) {
	b, dir, _ := books(t, time.Hour, 1000)
	written, lost := 0, 0
	for range 10 * queued {
		if b.Bury(full()) == "" {
			lost++
		} else {
			written++
		}
	}
	if lost == 0 || written < queued {
		t.Errorf("%d were taken, %d lost", written, lost)
	}
	b.Close()
	list, err := List(dir)
	if err != nil || len(list) != written {
		t.Errorf("%d files of %d, %v", len(list), written, err)
	}

	b, dir, _ = books(t, time.Microsecond, 1000)
	b.mu.Lock()
	b.unwritten = 5
	b.mu.Unlock()
	id := b.Bury(full())
	b.Close()
	if r, err := Read(dir, id); err != nil || r.Unwritten != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	if b.Bury(full()) != "" {
		t.Error("a closed book takes obituaries")
	}
}

func TestAmend(t *testing.T) {
	b, dir, _ := books(t, time.Microsecond, 0)
	r := full()
	r.At = time.Now()
	id := b.Bury(r)
	b.Amend("/srv/crash.so", "its version was taken back")
	b.Amend("/srv/other.so", "nothing")
	b.Amend("/srv/crash.so", "its version was taken back")
	b.Close()
	r, err := Read(dir, id)
	if err != nil || !slices.Equal(r.Done, []string{"another worker is started at once", "its version was taken back"}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestNobodyWrites(t *testing.T) {
	var none *Book
	if none.Bury(full()) != "" {
		t.Error("a nil book has an ID")
	}
	none.Amend("x", "y")
	none.Close()
	b := Open(Settings{})
	if b.Bury(full()) != "" {
		t.Error("a book without a folder has an ID")
	}
	b.Close()
}

// TestTold: who wants to be told needs no files.
func TestTold(t *testing.T) {
	var told []string
	b := Open(Settings{Told: func(r *Report) { told = append(told, r.How) }})
	if id := b.Bury(full()); id != "" {
		t.Errorf("there is a file %q", id)
	}
	b.Amend("/srv/crash.so", "x")
	b.Close()
	if len(told) != 1 || told[0] != full().How {
		t.Errorf("told %q", told)
	}
}

// TestCannotWrite: what cannot be written is said once, and disturbs nobody.
func TestCannotWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b := open(Settings{Directory: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}, time.Microsecond)
	for range 3 {
		b.Bury(full())
	}
	b.Close()
	if n := strings.Count(log.String(), "obituary cannot be written"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, &log)
	}
}

// TestCannotBeWritten: nothing half is left of an obituary that could not be written, nor what a server has left that was killed, and the next
// one is written.
func TestCannotBeWritten(t *testing.T) {
	b, dir, _ := books(t, time.Microsecond, 0)
	defer b.Close()
	r := full()
	r.ID = newID(r, "")
	name := filepath.Join(dir, r.ID+suffix)
	if err := os.MkdirAll(filepath.Join(name, "x"), 0o700); err != nil { // a folder with something in it cannot be replaced by a file
		t.Fatal(err)
	}
	if err := b.file(r, true); err == nil {
		t.Error("no error")
	}
	left, long := filepath.Join(dir, ".obituary-1.tmp"), time.Now().Add(-2*leftAfter)
	if err := errors.Join(os.RemoveAll(name), os.WriteFile(left, nil, 0o600), os.Chtimes(left, long, long)); err != nil {
		t.Fatal(err)
	}
	if err := b.file(r, true); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != r.ID+suffix {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestTwoBooks: after a reload two books may write in one folder for a while. Neither disturbs the other.
func TestTwoBooks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "crashes")
	settings := Settings{Directory: dir, Keep: 10_000}
	var all sync.WaitGroup
	const each = 100
	for n := range 2 {
		all.Go(func() {
			b := open(settings, time.Microsecond)
			defer b.Close()
			last := ""
			for range each {
				r := full()
				r.Worker = fmt.Sprintf("shop/%d", n+1)
				r.ID = newID(r, last)
				last = r.ID
				if err := b.file(r, true); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	list, err := List(dir)
	if err != nil || len(list) != 2*each {
		t.Fatalf("%d obituaries: %v", len(list), err)
	}
	for _, s := range list {
		if s.Error != "" {
			t.Error(s.Error)
		}
	}
}

func TestLarge(t *testing.T) {
	b, dir, _ := books(t, time.Microsecond, 0)
	r := full()
	long := strings.Repeat("ö", 1<<20)
	r.How, r.Reason, r.Crash.Text, r.Hand.URL = long, long, long, long
	for range 10000 {
		r.Output, r.Log, r.Done = append(r.Output, long), append(r.Log, long), append(r.Done, "x")
		r.InFlight = append(r.InFlight, Request{URL: long, Client: long, Method: long, Image: long, ID: long})
		r.Crash.Stack = append(r.Crash.Stack, Frame{Symbol: long, Image: long, Line: long})
		r.Threads = append(r.Threads, r.Threads[0])
	}
	id := b.Bury(r)
	b.Close()
	fi, err := os.Stat(filepath.Join(dir, id+".json"))
	if err != nil || fi.Size() > mostSize {
		t.Fatalf("%v, %v", fi, err)
	}
	if _, err := Read(dir, id); err != nil {
		t.Error(err)
	}
}

func TestReadOthers(t *testing.T) {
	dir := t.TempDir()
	good := "2026-11-21T18-48-24.123-a"
	put := func(id, text string) {
		if err := os.WriteFile(filepath.Join(dir, id+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "another kind": `{"kind":"joke"}`, "a list": "[]", "a number in the wrong place": `{"kind":"death","threads":3}`,
		"too large": strings.Repeat(" ", mostSize+10),
	} {
		put(good, text)
		if _, err := Read(dir, good); err == nil {
			t.Errorf("%s: no error", name)
		}
		if list, err := List(dir); err != nil || len(list) != 1 || list[0].Error == "" {
			t.Errorf("%s: the list is %+v, %v", name, list, err)
		}
	}
	put(good, `{"kind":"fault","how":"x","id":"../../etc/passwd","age_seconds":1e300,"fault":{"stack":[{}]},"request":{},"threads":[{"last":[{}]}]}`)
	r, err := Read(dir, good)
	if err != nil || r.ID != good {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := r.Print(io.Discard); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"", "..", "../x", "2026-11-21T18-48-24.123", good + "/x", good + "\x00", strings.Repeat("a", 200), "2026-11-21T18-48-24.999-none"} {
		var none *NotFoundError
		if _, err := Read(dir, id); !errors.As(err, &none) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, good+".json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, good+".json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir, good); err == nil {
		t.Error("a link was followed")
	}
	if list, err := List(filepath.Join(dir, "none")); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func FuzzDecode(f *testing.F) {
	text, err := json.Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"kind":"death"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := decode(text)
		if err != nil {
			return
		}
		var out strings.Builder
		if err := r.Print(&out); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(out.String(), 0x1b) {
			t.Error("an escape sequence came through")
		}
		again, err := encode(r)
		if err != nil || len(again) > mostSize+1 {
			t.Errorf("%d bytes, %v", len(again), err)
		}
		_ = r.Summary()
	})
}
