package tape

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// header is one that can be read.
func header() Header {
	return Header{Version: Version, Sites: []Site{{Name: "shop", Applications: []Application{{Path: "/", Threads: 1}}}}}
}

// entry is one that can be played.
func entry(change ...func(*Entry)) *Entry {
	e := &Entry{
		ID: "1", Site: "shop",
		Request:  Request{Method: "GET", Target: "/?x", Proto: "HTTP/1.1", Host: "h", Header: Fields{{"A", "b"}}},
		Response: Response{Status: 200, Header: Fields{{"Content-Type", "text/plain"}, {"Date", "now"}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}}, Body: []byte("hello, world\n")},
		Calls: []Call{
			{Name: "HttpExtensionProc", Result: 1},
			{Name: "GetServerVariable", Depth: 1, Result: 1, Args: []Arg{{Name: "name", Text: "URL"}, {Name: "value", Text: "/", Out: true}}},
			{Name: "WriteClient", Depth: 1, Result: 1, Args: []Arg{{Name: "buffer", Text: "140737488355328", Hex: true}, {Name: "size", Text: "13"}}},
		},
	}
	for _, c := range change {
		c(e)
	}
	return e
}

func lines(t testing.TB, h Header, list ...*Entry) []byte {
	t.Helper()
	text, err := AppendLine(nil, h)
	for _, e := range list {
		if err == nil {
			text, err = AppendLine(text, e)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWriteAndRead(t *testing.T) {
	for _, name := range []string{"a.tape", "a.tape.gz"} {
		file := filepath.Join(t.TempDir(), name)
		w, err := Create(file)
		if err != nil {
			t.Fatal(err)
		}
		want := entry(func(e *Entry) {
			e.Request.Body = []byte{0, 1, 2, 255}
			e.Response.Body = bytes.Repeat([]byte("x"), 100_000)
		})
		for line := range bytes.Lines(lines(t, header(), want, want)) {
			if err := errors.Join(w.Line(line), w.Flush()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", fi, err)
		}
		if _, err := Create(file); !errors.Is(err, os.ErrExist) {
			t.Errorf("it is overwritten: %v", err)
		}
		r, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			e, err := r.Next()
			if err != nil || !bytes.Equal(e.Request.Body, want.Request.Body) || len((&Rules{Calls: CallsFull}).Compare(want, e)) > 0 {
				t.Fatalf("%+v, %v", e, err)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) || r.Cut {
			t.Errorf("%v, cut %v", err, r.Cut)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestGaps: requests that were left out are counted, and the others read.
func TestGaps(t *testing.T) {
	text := lines(t, header(), entry())
	for _, g := range []Gap{{Missing: 3}, {Missing: 4}} {
		var err error
		if text, err = AppendLine(text, g); err != nil {
			t.Fatal(err)
		}
	}
	text = append(text, lines(t, header(), entry())[len(lines(t, header())):]...)
	r, err := NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if e, err := r.Next(); err != nil || e.ID != "1" {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) || r.Cut || r.Missing != 7 {
		t.Errorf("%v, cut %v, %d are missing", err, r.Cut, r.Missing)
	}
	if err := Check([]byte(`{"missing":-1}`), false); err == nil {
		t.Error("less than nothing is missing")
	}
}

// TestFullDisk: that is told once.
func TestFullDisk(t *testing.T) {
	for _, packed := range []bool{false, true} {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("there is no full disk: ", err)
		}
		w := &Writer{file: f, out: bufio.NewWriter(f)}
		if packed {
			w.zip = gzip.NewWriter(w.out)
		}
		err = errors.Join(w.Line([]byte("hello\n")), w.Flush())
		if err = errors.Join(err, w.Close()); err == nil || strings.Count(err.Error(), "no space left") != 1 {
			t.Errorf("compressed %v: %v", packed, err)
		}
	}
}

// TestCutAnywhere: whatever is left of a tape, the entries before the end can be read, or it is no tape at all.
func TestCutAnywhere(t *testing.T) {
	text := lines(t, header(), entry(), entry(), entry())
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for line := range bytes.Lines(text) {
		if _, err := z.Write(line); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, whole := range map[string][]byte{"plain": text, "compressed": packed.Bytes()} {
		first := 0
		for n := range len(whole) {
			r, err := NewReader(bytes.NewReader(whole[:n]))
			if err != nil {
				continue // not even the header is there
			}
			if first == 0 {
				first = n
			}
			got := 0
			for {
				if _, err := r.Next(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s, %d bytes: %v", name, n, err)
				}
				got++
			}
			entire := whole[n-1] == '\n' || n < len(whole) && whole[n] == '\n' // the last line of a tape need not have an end
			want := bytes.Count(whole[:n], []byte("\n")) - 1
			if entire && whole[n-1] != '\n' {
				want++
			}
			if name == "plain" && (r.Cut == entire || got != want) || got > 3 {
				t.Errorf("%s, %d bytes: %d entries, cut %v", name, n, got, r.Cut)
			}
		}
		if first == 0 {
			t.Errorf("%s: nothing could be read", name)
		}
	}
}

func TestNoTape(t *testing.T) {
	site := func(change func(*Site)) string {
		h := header()
		change(&h.Sites[0])
		return string(lines(t, h))
	}
	twice := header()
	twice.Sites = append(twice.Sites, twice.Sites[0])
	for name, test := range map[string]struct{ text, says string }{
		"empty":           {"", "first line"},
		"no line":         {`{"isapid_tape":1`, "first line"},
		"no JSON":         {"hello\n", "is no tape"},
		"something else":  {"{}\n", "isapid_tape"},
		"later":           {`{"isapid_tape":9}` + "\n", "version 9"},
		"no sites":        {`{"isapid_tape":1}` + "\n", "sites"},
		"no gzip":         {"\x1f\x8b" + "nonsense of some length", "is no tape"},
		"one name":        {string(lines(t, twice)), "two sites"},
		"no applications": {site(func(s *Site) { s.Applications = nil }), "applications"},
		"a path":          {site(func(s *Site) { s.Applications[0].Path = "/../x" }), "no path"},
		"a folder":        {site(func(s *Site) { s.Directories = []Directory{{Path: "x"}} }), "no path"},
		"threads":         {site(func(s *Site) { s.Applications[0].Threads = 1 << 30 }), "out of range"},
	} {
		if _, err := NewReader(strings.NewReader(test.text)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder is a tape")
	}
}

func TestBadEntries(t *testing.T) {
	for name, change := range map[string]func(*Entry){
		"method":        func(e *Entry) { e.Request.Method = "GET / HTTP/1.1\r\nX: y" },
		"no method":     func(e *Entry) { e.Request.Method = "" },
		"target":        func(e *Entry) { e.Request.Target = "/ x" },
		"long target":   func(e *Entry) { e.Request.Target = "/" + strings.Repeat("x", mostTarget) },
		"host":          func(e *Entry) { e.Request.Host = "a\nb" },
		"protocol":      func(e *Entry) { e.Request.Proto = "FTP" },
		"name":          func(e *Entry) { e.Request.Header = Fields{{"a b", ""}} },
		"value":         func(e *Entry) { e.Request.Header = Fields{{"a", "b\r\n\r\n"}} },
		"many lines":    func(e *Entry) { e.Request.Header = make(Fields, mostFields+1) },
		"too many call": func(e *Entry) { e.Calls = make([]Call, mostCalls+1) },
	} {
		r, err := NewReader(bytes.NewReader(lines(t, header(), entry(), entry(change))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := NewReader(bytes.NewReader(append(lines(t, header()), bytes.Repeat([]byte("x"), mostLine+1)...)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("%v", err)
	}
}

func TestCompare(t *testing.T) {
	mustNormal := func(s string) Normal {
		n, err := ParseNormal(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	set := func(name string, to ...string) func(*Entry) {
		return func(e *Entry) {
			e.Response.Header = slices.DeleteFunc(slices.Clone(e.Response.Header), func(f [2]string) bool { return f[0] == name })
			for _, v := range to {
				e.Response.Header = append(e.Response.Header, [2]string{name, v})
			}
		}
	}
	body := func(s string) func(*Entry) { return func(e *Entry) { e.Response.Body = []byte(s) } }
	call := func(i int, change func(*Call)) func(*Entry) { return func(e *Entry) { change(&e.Calls[i]) } }
	full := Rules{Calls: CallsFull}
	for name, test := range map[string]struct {
		rules  Rules
		before func(*Entry)
		now    func(*Entry)
		want   string // What Name Recorded|Now Absent …
	}{
		"the same":          {rules: full},
		"status":            {full, nil, func(e *Entry) { e.Response.Status = 404 }, "status 200 OK|404 Not Found"},
		"nothing sent":      {full, nil, func(e *Entry) { e.Response.Status = 0 }, "status 200 OK|none"},
		"broken":            {full, nil, func(e *Entry) { e.Response.Broken = true }, "completeness it was complete|it broke off"},
		"date":              {full, nil, set("Date", "later"), ""},
		"case":              {full, nil, func(e *Entry) { e.Response.Header[0][0] = "content-TYPE" }, ""},
		"value":             {full, nil, set("Content-Type", "text/html"), "header Content-Type text/plain|text/html"},
		"new line":          {full, nil, set("X-New", "1"), "header X-New |1 not recorded"},
		"lost line":         {full, nil, set("Content-Type"), "header Content-Type text/plain| not now"},
		"order of one name": {full, nil, set("Set-Cookie", "b=2", "a=1"), "header Set-Cookie a=1|b=2; header Set-Cookie b=2|a=1"},
		"one cookie less":   {full, nil, set("Set-Cookie", "a=1"), "header Set-Cookie b=2| not now"},
		"order of names":    {full, nil, func(e *Entry) { slices.Reverse(e.Response.Header[:2]) }, ""},
		"ignored":           {Rules{Ignore: []string{"x-new"}}, nil, set("X-New", "1"), ""},
		"masked":            {full, set("Set-Cookie", Hidden), nil, ""},
		"body":              {full, nil, body("hello, World\n"), "body hello, world\n|hello, World\n at 7"},
		"shorter":           {full, nil, body("hello"), "body hello, world\n|hello at 5"},
		"empty":             {full, nil, body(""), "body hello, world\n| at 0"},
		"normalized":        {Rules{Normalize: []Normal{mustNormal(`w[a-z]+=X`)}}, nil, body("hello, wonder\n"), ""},
		"normalized group":  {Rules{Normalize: []Normal{mustNormal(`id=(\d)\d*=id $1`)}}, body("id=17"), body("id=18"), ""},
		"normalized header": {Rules{Normalize: []Normal{mustNormal(`[0-9]+=N`)}}, nil, set("Set-Cookie", "a=77", "b=88"), ""},
		"in spite of it":    {Rules{Normalize: []Normal{mustNormal(`z=y`)}}, nil, body("z"), "body hello, world\n|y at 0"},
		"address":           {full, nil, call(2, func(c *Call) { c.Args = []Arg{{Name: "buffer", Text: "140737488350000", Hex: true}, c.Args[1]} }), ""},
		"flag":              {full, call(2, func(c *Call) { c.Args = []Arg{{Name: "flags", Text: "1", Hex: true}} }), call(2, func(c *Call) { c.Args = []Arg{{Name: "flags", Text: "2", Hex: true}} }), "calls WriteClient(flags=1) = 1|WriteClient(flags=2) = 1 call 3 argument flags"},
		"argument":          {full, nil, call(2, func(c *Call) { c.Args = []Arg{c.Args[0], {Name: "size", Text: "14"}} }), "calls WriteClient(buffer=address, size=13) = 1|WriteClient(buffer=address, size=14) = 1 call 3 argument size"},
		"argument by name":  {Rules{Calls: CallsNames}, nil, call(2, func(c *Call) { c.Args = nil }), ""},
		"variable":          {Rules{Calls: CallsNames}, nil, call(1, func(c *Call) { c.Args = []Arg{{Name: "name", Text: "HTTPS"}} }), "calls GetServerVariable URL = 1|GetServerVariable HTTPS = 1 call 2"},
		"result":            {Rules{Calls: CallsNames}, nil, call(2, func(c *Call) { c.Result, c.Error = 0, 87 }), "calls WriteClient = 1|WriteClient = 0 error 87 call 3"},
		"no return":         {Rules{Calls: CallsNames}, nil, call(0, func(c *Call) { c.Open = true }), "calls HttpExtensionProc = 1|HttpExtensionProc did not return call 1"},
		"off":               {Rules{Calls: CallsOff}, nil, func(e *Entry) { e.Calls = nil }, ""},
		"one less":          {Rules{Calls: CallsNames}, nil, func(e *Entry) { e.Calls = e.Calls[:2] }, "calls WriteClient = 1| not now call 3"},
		"one more":          {Rules{Calls: CallsNames}, nil, func(e *Entry) { e.Calls = append(e.Calls, Call{Name: "HSE_REQ_CLOSE_CONNECTION", Result: 1}) }, "calls |HSE_REQ_CLOSE_CONNECTION = 1 not recorded call 4"},
		"incomplete":        {Rules{Calls: CallsNames}, nil, func(e *Entry) { e.Calls, e.Lost = nil, 3 }, ""},
		"reads": {
			full, func(e *Entry) { e.Calls = append(e.Calls, Call{Name: "ReadClient", Result: 1}) },
			func(e *Entry) {
				e.Calls = append(e.Calls, Call{Name: "ReadClient", Result: 1, Args: []Arg{{}}}, Call{Name: "ReadClient", Result: 1})
			}, "",
		},
		"failed read": {
			full, func(e *Entry) { e.Calls = append(e.Calls, Call{Name: "ReadClient", Result: 1}) },
			func(e *Entry) { e.Calls = append(e.Calls, Call{Name: "ReadClient", Error: 64}) }, "calls ReadClient() = 1|ReadClient() = 0 error 64 call 4",
		},
	} {
		nothing := func(*Entry) {}
		if test.before == nil {
			test.before = nothing
		}
		if test.now == nil {
			test.now = nothing
		}
		var said []string
		for _, d := range test.rules.Compare(entry(test.before), entry(test.now)) {
			text := d.What + " "
			if d.Name != "" {
				text += d.Name + " "
			}
			text += d.Recorded + "|" + d.Now
			if d.Absent != "" {
				text += " not " + d.Absent
			}
			if d.Offset != nil {
				b, _ := json.Marshal(d.Offset)
				text += " at " + string(b)
			}
			if d.Call > 0 {
				b, _ := json.Marshal(d.Call)
				text += " call " + string(b)
			}
			if d.Argument != "" {
				text += " argument " + d.Argument
			}
			said = append(said, text)
		}
		if got := strings.Join(said, "; "); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("é", 100)
	for _, test := range []struct {
		text string
		at   int
		want string
	}{
		{"", 0, ""}, {"abc", 3, "abc"}, {"abc", 0, "abc"}, {long, 0, strings.Repeat("é", 16) + "…"}, {long, 200, "…" + strings.Repeat("é", 16)},
	} {
		if got := excerpt([]byte(test.text), test.at); got != test.want {
			t.Errorf("%.10q at %d: %q", test.text, test.at, got)
		}
	}
}

// FuzzReader: no tape does more than to be refused, and what can be read can be sent and compared.
func FuzzReader(f *testing.F) {
	text := lines(f, header(), entry(), entry(func(e *Entry) { e.Request.Chunked = true; e.Request.Body = []byte("x") }))
	f.Add(text)
	f.Add(text[:len(text)-3])
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(text)
	_ = z.Close()
	f.Add(packed.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := NewReader(bytes.NewReader(text))
		if err != nil {
			return
		}
		for {
			e, err := r.Next()
			if err != nil {
				return
			}
			if e.Cut != "" {
				continue
			}
			wire := string(e.Request.wire())
			head, _, _ := strings.Cut(wire, "\r\n\r\n")
			if n := strings.Count(head, "\n"); n > len(e.Request.Header)+3 {
				t.Errorf("a line too many in %q", head)
			}
			if d := (&Rules{Calls: CallsFull}).Compare(e, e); len(d) > 0 {
				t.Errorf("%+v differs from itself: %+v", e, d)
			}
		}
	})
}
