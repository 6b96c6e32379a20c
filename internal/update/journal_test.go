package update

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestJournal(t *testing.T) {
	f := New(filepath.Join(t.TempDir(), "proposal.so"), false)
	if list, err := f.Journal(); len(list) != 0 || err != nil {
		t.Errorf("got %v, %v", list, err)
	}
	type receipt struct{ ID string }
	add := func(kind, serving, id string) {
		t.Helper()
		data, _ := json.Marshal(receipt{id})
		if err := f.Append(Entry{Kind: kind, Serving: serving, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string) {
		t.Helper()
		list, err := f.Journal()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			var r receipt
			if err := json.Unmarshal(e.Data, &r); err != nil || e.Time.IsZero() {
				t.Errorf("got %+v", e)
			}
			got = append(got, e.Kind+r.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	add("trial", "aa", "1")
	add("committed", "", "2")
	check("trial1 committed2")
	spoil := func(text string) {
		t.Helper()
		file, err := os.OpenFile(f.JournalFile(), os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = file.WriteString(text)
		}
		if err != nil || file.Close() != nil {
			t.Fatal(err)
		}
	}
	spoil("rubbish\n{}\n\x00\x00\n[1]\n" + `{"kind":"torn","data":{"ID":"3"`)
	check("trial1 committed2")
	add("trial", "bb", "4")
	check("trial1 committed2 trial4")
	spoil(`{"kind":"no line end yet"}`)
	check("trial1 committed2 trial4")
	add("taken back", "aa", "5")
	if list, _ := f.Journal(); len(list) != 5 { // the line had all but its end: it counts now
		t.Errorf("%d entries, want 5", len(list))
	}
	r, err := f.Recover()
	if err != nil || r.Last == nil || r.Last.Kind != "taken back" || r.Serving != "aa" || r.Run != "" {
		t.Errorf("recovered %+v, %v", r, err)
	}
}

func TestJournalCap(t *testing.T) {
	image := filepath.Join(t.TempDir(), "proposal.so")
	f, g := New(image, false), New(image, false)
	var b bytes.Buffer
	for n := range maxEntries - 10 {
		fmt.Fprintf(&b, `{"time":"2001-01-01T00:00:00Z","kind":"k","data":%d}`+"\n", n)
	}
	if err := os.WriteFile(f.JournalFile(), b.Bytes(), 0o640); err != nil {
		t.Fatal(err)
	}
	for n := maxEntries - 10; n < maxEntries+100; n++ { // two processes in turn
		if err := []*Files{f, g}[n%2].Append(Entry{Kind: "k", Data: json.RawMessage(fmt.Sprint(n))}); err != nil {
			t.Fatal(err)
		}
		list, err := f.Journal()
		if err != nil || len(list) > maxEntries || len(list) < keptEntries || string(list[len(list)-1].Data) != fmt.Sprint(n) {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		for i, e := range list {
			if want := fmt.Sprint(n - len(list) + 1 + i); string(e.Data) != want {
				t.Fatalf("entry %d is %s, want %s", i, e.Data, want)
			}
		}
	}
	if list, _ := f.Journal(); len(list) != keptEntries+99 {
		t.Errorf("%d entries", len(list))
	}
	if st, err := os.Stat(f.JournalFile()); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestJournalErrors(t *testing.T) {
	f := New(filepath.Join(t.TempDir(), "proposal.so"), false)
	if err := f.Append(Entry{Kind: "k", Data: json.RawMessage("{")}); err == nil {
		t.Error("data that is no JSON is taken")
	}
	if err := f.Append(Entry{Kind: "k", Data: json.RawMessage(`"` + strings.Repeat("x", maxEntry) + `"`)}); err == nil {
		t.Error("an entry without limit is taken")
	}
	if err := os.Mkdir(f.JournalFile(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Append(Entry{Kind: "k"}); err == nil {
		t.Error("a directory is a journal")
	}
	if _, err := f.Journal(); err == nil || !strings.Contains(err.Error(), "read the journal") {
		t.Errorf("reading a directory: %v", err)
	}
}

// FuzzJournal holds that any journal can be read, that what was read can be written and read again, and that rubbish does not hide what
// follows it.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"time":"2001-02-03T04:05:06Z","kind":"trial","serving":"aa","data":{"id":"1"}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries := parseJournal(b)
		var again bytes.Buffer
		for _, e := range entries {
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
			again.Write(append(line, '\n'))
		}
		if got := parseJournal(again.Bytes()); len(got) != len(entries) {
			t.Errorf("%d entries, written and read %d", len(entries), len(got))
		}
		last, _ := json.Marshal(Entry{Time: time.Unix(1, 0), Kind: "last"})
		got := parseJournal(append(append(append(bytes.Clone(b), '\n'), last...), '\n'))
		if len(got) == 0 || got[len(got)-1].Kind != "last" {
			t.Error("the last entry is not read")
		}
	})
}
