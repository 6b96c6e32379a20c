//go:build linux && cgo

package filter_test

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/misuse"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
)

// quiet puts filters with these names into the chain, which call nothing back but what do says of them. Their images have the numbers
// from 1 on.
func quiet(t *testing.T, do string, watch *misuse.Watch, names ...string) *setup {
	t.Helper()
	s := start(t)
	t.Setenv("FILTER_DO", do)
	code := readFile(t, "testdata/quiet.c")
	for i, name := range names {
		s.chain = append(s.chain, filter.Member{Filter: s.load(testext.Source(t, "#define NAME "+strconv.Quote(name)+"\n"+code), func(c *filter.Config) {
			c.Name, c.Image, c.Watch = name, &trace.Image{Path: name, Number: uint64(i + 1)}, watch
		})})
	}
	return s
}

// TestTogether: filters that are called in one go are called as if each were called alone.
func TestTogether(t *testing.T) {
	const all, page, log = "a PREPROC,b PREPROC,c PREPROC,", "a SEND,b SEND,c SEND,a END,b END,c END,", "a LOG 200 /file/page.txt,b LOG 200 /file/page.txt,c LOG 200 /file/page.txt"
	for _, c := range []struct{ do, answer, events, fault string }{
		{"", "200 a page\n", all + page + log, ""},
		{"a PREPROC odd;b PREPROC odd;c LOG odd;", "200 a page\n", all + page + log, ""},

		{"b PREPROC fault;", "500 page 500.0", "a PREPROC,b PREPROC,a SEND 500,c SEND 500,a END,c END,a LOG 500 /file/page.txt,c LOG 500 /file/page.txt", "filter b: HttpFilterProc, SF_NOTIFY_PREPROC_HEADERS: SIGSEGV"},
		{"c END fault;", "200 a page\n", all + page + "a LOG 200 /file/page.txt,b LOG 200 /file/page.txt", "filter c: HttpFilterProc, SF_NOTIFY_END_OF_REQUEST: SIGSEGV"},
		{"b LOG fault;", "200 a page\n", all + page + log, "filter b: HttpFilterProc, SF_NOTIFY_LOG: SIGSEGV"},

		{"b PREPROC finished;", "broken", "a PREPROC,b PREPROC,a END,b END,c END,a LOG 0 /file/page.txt,b LOG 0 /file/page.txt,c LOG 0 /file/page.txt", ""},
		{"b SEND finished;", "broken", all + "a SEND,b SEND,a END,b END,c END,a LOG 0 /file/page.txt,b LOG 0 /file/page.txt,c LOG 0 /file/page.txt", ""},
		{"b PREPROC denied;", "401 page 401.4", "a PREPROC,b PREPROC,a SEND 401,b SEND 401,c SEND 401,a END,b END,c END,a LOG 401 /file/page.txt,b LOG 401 /file/page.txt,c LOG 401 /file/page.txt", ""},
		{"b PREPROC handled;", "200 a page\n", "a PREPROC,b PREPROC," + page + log, ""},
		{"b END handled;", "200 a page\n", all + page + log, ""},
		{"b LOG handled;", "200 a page\n", all + page + "a LOG 200 /file/page.txt,b LOG 200 /file/page.txt", ""},

		{"a PREPROC disable;", "200 a page\n", all + page + "b LOG 200 /file/page.txt,c LOG 200 /file/page.txt", ""},
		{"b SEND disable;", "200 a page\n", all + page + "a LOG 200 /file/page.txt,c LOG 200 /file/page.txt", ""},
		{"b PREPROC move;c PREPROC look;", "404 page 404.0", "", ""},
		{"a PREPROC variable;b PREPROC move;c PREPROC variable;", "404 page 404.0", "a PREPROC URL=/file/page.txt,b PREPROC,c PREPROC URL=/file/moved.txt,", ""},
		{"a PREPROC thread moves;c PREPROC variable;", "404 page 404.0", "a PREPROC,b PREPROC,c PREPROC URL=/file/moved.txt,", ""},
		{"b PREPROC answer;", "203 ", "a PREPROC,b PREPROC,a SEND 203,b SEND 203,c SEND 203,a END,b END,c END,a LOG 203 /file/page.txt,", ""},
		{"b SEND teapot;", "418 a page\n", all + "a SEND,b SEND,c SEND 418,a END,b END,c END,a LOG 418 /file/page.txt,", ""},
		{"b PREPROC break;c PREPROC look;", "200 a page\n", "a PREPROC,b PREPROC,c PREPROC url=/file/page.txt," + page + log, ""},
		{"b LOG status;", "200 a page\n", all + page + "a LOG 200 /file/page.txt,b LOG 200 /file/page.txt,c LOG 299 /file/page.txt", ""},
		{"a LOG target;b LOG status;", "200 a page\n", all + page + "a LOG 200 /file/page.txt,b LOG 200 /another,c LOG 299 /another", ""},
		{"b LOG scribble;", "200 a page\n", all + page + log, ""},

		{"a PREPROC thread late;b PREPROC wait;", "200 a page\n", all + page + strings.Replace(log, "page.txt", "page.txt late=87,0", 1), ""},
	} {
		t.Run(c.do, func(t *testing.T) {
			s := quiet(t, c.do, nil, "a", "b", "c")
			a := s.do("GET", "/file/page.txt")
			if s.result(1); a.String() != c.answer {
				t.Errorf("answer is %q, want %q", a, c.answer)
			}
			if got := strings.Join(s.events(), ","); !strings.HasPrefix(got, c.events) {
				t.Errorf("told %s\nwant %s", got, c.events)
			}
			switch {
			case c.fault == "" && len(s.faults) > 0, c.fault != "" && (len(s.faults) != 1 || !strings.HasPrefix(s.faults[0].Error(), c.fault)):
				t.Errorf("faults %v, want %q", s.faults, c.fault)
			}
		})
	}
}

// TestManyTogether: more filters than are called in one go.
func TestManyTogether(t *testing.T) {
	names := strings.Split("abcdefghijklmnopqrs", "")
	s := quiet(t, "p PREPROC disable;", nil, names...)
	if a := s.do("GET", "/file/page.txt"); a.String() != "200 a page\n" {
		t.Error(a)
	}
	s.result(1)
	var want []string
	for _, event := range []string{"PREPROC", "SEND", "END", "LOG 200 /file/page.txt"} {
		for _, name := range names {
			if name != "p" || event[0] != 'L' {
				want = append(want, name+" "+event)
			}
		}
	}
	if got := s.events(); strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("told %q\nwant %q", got, want)
	}
}

// TestTogetherOverwritten: it is the filter that has written to its context of which that is told, and none has a broken one afterwards.
func TestTogetherOverwritten(t *testing.T) {
	var mu sync.Mutex
	var found []executor.Finding
	watch := misuse.New(misuse.Of{Image: "b", Number: 2, Checks: executor.ChecksSampled, Found: func(f executor.Finding) {
		mu.Lock()
		defer mu.Unlock()
		found = append(found, f)
	}})
	s := quiet(t, "b PREPROC context;b LOG variable;", watch, "a", "b", "c")
	if a := s.do("GET", "/file/page.txt"); a.String() != "200 a page\n" {
		t.Error(a)
	}
	s.result(1)
	watch.Close()
	if len(found) != 1 || found[0].Kind != executor.ContextOverwritten || found[0].Call != "HttpFilterProc(SF_NOTIFY_PREPROC_HEADERS)" {
		t.Errorf("found %+v", found)
	}
	if len(s.faults) > 0 {
		t.Errorf("faults: %v", s.faults)
	}
}

// TestTogetherBoard: a filter in whose call a request stays is known from outside, and so are the calls before it.
func TestTogetherBoard(t *testing.T) {
	counted := trace.FuncCode{Func: trace.HttpFilterProc, Code: isapi.NotifyPreprocHeaders}
	look := func() trace.Board {
		b, err := trace.ReadBoard(native.Board())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	s := quiet(t, "b PREPROC wait;", nil, "a", "b", "c")
	before := look().Calls[counted]
	var answered sync.WaitGroup
	answered.Go(func() {
		if a := s.do("GET", "/file/page.txt"); a.String() != "200 a page\n" {
			t.Error(a)
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(s.trace + "-inside"); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("b is not called")
		}
	}
	b := look()
	if n := b.Calls[counted] - before; n != 2 {
		t.Errorf("%d calls are counted", n)
	}
	var inside []uint64
	for _, thread := range b.Threads {
		for _, call := range thread.Open {
			if call.Func == trace.HttpFilterProc {
				inside = append(inside, call.Image)
			}
		}
	}
	if len(inside) != 1 || inside[0] != 2 {
		t.Errorf("inside are the filters of the images %v", inside)
	}
	if err := os.WriteFile(s.trace+"-late", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	answered.Wait()
}
