package accesslog

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testwait"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// hello is a request that has something for every field.
func hello() Entry {
	return Entry{
		Ended: noon, Took: 15 * time.Millisecond, Site: "shop", SiteID: 7,
		Server: netip.MustParseAddrPort("[::ffff:192.0.2.1]:8080"), Client: "198.51.100.9", ClientPort: 4711,
		Method: "GET", Path: "/a b/ä.dll", Query: "x=%20y", URL: "/a%20b/%c3%a4.dll?x=%20y", Proto: "HTTP/1.1", Host: "shop.example", User: "ann",
		Status: 404, Substatus: 3, Win32: 2, Sent: 512, Received: 128, Body: 300,
		LogData: " 1 item", LogQuery: "&basket=9",
		In:  http.Header{"User-Agent": {"Mozilla/5.0 (X11)"}, "Referer": {"http://a/"}, "Cookie": {"k=v"}, "X-Forwarded-For": {"10.0.0.1"}},
		Out: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
	}
}

func TestW3CLine(t *testing.T) {
	all := newW3C("x", append(slices.Clone(config.AccessFields), "cs(x-forwarded-for)", "sc(Content-Type)", "sc(None)"))
	e := hello()
	got := string(all.line(nil, &e))
	want := "2026-11-21 12:00:00 W3SVC7 " + computer + " 192.0.2.1 GET /a+b/ä.dll x=%20y&basket=9+1+item 8080 ann 198.51.100.9 HTTP/1.1 " +
		"Mozilla/5.0+(X11) k=v http://a/ shop.example 404 3 2 512 128 15 10.0.0.1 text/html;+charset=utf-8 -\n"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got, want := string(all.line(nil, &Entry{Ended: noon})), "2026-11-21 12:00:00 - "+computer+" - - - - - - - - - - - - 0 0 0 0 0 0 - - -\n"; got != want {
		t.Errorf("empty:\n got %s\nwant %s", got, want)
	}
}

func TestW3CText(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "-",
		"-":                      "-",
		"a\r\n#b\tc\x00d":        "a++#b+c+d",
		"\u00a0\u0085\u2028":     "+++",
		"\u202eexe.\u200btxt":    "+exe.+txt",
		"\ufeff\u00ad\U000e0041": "+++",
		"\xff\xc3":               "++",
		"日本語":                    "日本語",
		`"quoted"`:               `"quoted"`,
	} {
		if got := string(appendText(nil, text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := newW3C("", []string{"cs(User-Agent)"}).line(nil, &Entry{In: http.Header{"User-Agent": {"#Fields: x"}}}); string(got) != "+Fields:+x\n" {
		t.Errorf("got %q", got)
	}
	if got := newW3C("", []string{"cs-uri-query"}).line(nil, &Entry{LogData: "|17|800a0009"}); string(got) != "|17|800a0009\n" {
		t.Errorf("log data without a query: got %q", got)
	}
}

func TestW3CHead(t *testing.T) {
	got := string(newW3C("Microsoft Internet Information Services 10.0", []string{"date", "cs(Cookie)"}).head(nil, noon.In(time.FixedZone("x", 3600))))
	want := "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-11-21 12:00:00\n#Fields: date cs(Cookie)\n"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// Every field that the configuration knows has a column.
func TestFields(t *testing.T) {
	for _, name := range slices.Concat(config.AccessFields, defaultFields) {
		if _, ok := columns[name]; !ok && !strings.HasPrefix(name, "cs(") {
			t.Errorf("field %q has no column", name)
		}
	}
	at := -1
	for _, name := range defaultFields {
		i := slices.Index(config.AccessFields, name)
		if i <= at {
			t.Errorf("field %q is not where IIS has it", name)
		}
		at = i
	}
}

func TestJSONLine(t *testing.T) {
	e := hello()
	e.Extension, e.Inside, e.Broken, e.Fault, e.Request, e.Trace = true, 1500*time.Microsecond, true, "SIGSEGV", "r1", "t1"
	var got map[string]any
	if err := json.Unmarshal(jsonLines{}.line(nil, &e), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"time": "2026-11-21T12:00:00.000000Z", "level": "INFO", "msg": "request", "site": "shop", "client": "198.51.100.9:4711",
		"server": "[::ffff:192.0.2.1]:8080", "host": "shop.example", "method": "GET", "url": "/a%20b/%c3%a4.dll?x=%20y", "proto": "HTTP/1.1", "user": "ann",
		"extension_ms": 1.5, "win32": 2., "log_data": " 1 item", "log_query": "&basket=9", "fault": "SIGSEGV", "status": 404., "bytes": 300.,
		"sent": 512., "received": 128., "duration_ms": 15., "substatus": 3., "broken": true, "request": "r1", "trace": "t1",
	}
	for key, w := range want {
		if got[key] != w {
			t.Errorf("%s: got %v, want %v", key, got[key], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	if got := string(jsonLines{}.line(nil, &Entry{Ended: noon, Client: "::1", ClientPort: 1})); got !=
		`{"time":"2026-11-21T12:00:00.000000Z","level":"INFO","msg":"request","site":"","client":"[::1]:1","host":"","method":"","url":"","proto":"","status":0,"bytes":0,"duration_ms":0}`+"\n" {
		t.Errorf("got %s", got)
	}
}

// Whatever clients and extensions send, a line is one line with so many fields, or one object.
func FuzzLine(f *testing.F) {
	f.Add("/a b", "q", "Mozilla", "\u2028\x85\xff")
	f.Add("", "#", "\n", "\"\\")
	w3c := newW3C("x", config.AccessFields)
	f.Fuzz(func(t *testing.T, path, query, agent, data string) {
		e := Entry{Ended: noon, Path: path, Query: query, URL: path, LogData: data, User: data, In: http.Header{"User-Agent": {agent}}}
		line := w3c.line(nil, &e)
		if fields := bytes.Split(line, []byte{' '}); len(fields) != len(config.AccessFields) || !utf8.Valid(line) {
			t.Errorf("%d fields: %q", len(fields), line)
		}
		object := jsonLines{}.line(nil, &e)
		if !json.Valid(object) {
			t.Errorf("no JSON: %q", object)
		}
		for _, line := range [][]byte{line, object} {
			if bytes.IndexByte(line, '\n') != len(line)-1 || bytes.ContainsAny(line[:len(line)-1], "\x00\r\u0085\u2028") {
				t.Errorf("not one line: %q", line)
			}
		}
	})
}

// open opens a log that is closed at the end of the test, without an error if it is not closed before.
func open(t *testing.T, s Settings) *Log {
	t.Helper()
	if s.Format == "" {
		s.Format = config.AccessW3C
	}
	if s.Rotate.Every == "" {
		s.Rotate.Every = config.Never
	}
	s.Software = "test"
	l, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lines are those of a text that are no directives.
func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line[0] != '#' {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}

// short is a log with one field, the path, so that a line is what was put.
func short(s config.AccessLog) Settings {
	s.Fields = []string{"cs-uri-stem"}
	return Settings{AccessLog: s}
}

func put(t *testing.T, l *Log, at time.Time, site int, path string) {
	t.Helper()
	if !l.Put(&Entry{Ended: at, SiteID: site, Path: path}) {
		t.Error("the log is closed")
	}
}

func closeLog(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if l.Put(&Entry{}) {
		t.Error("a closed log took a line")
	}
	if err := l.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// A folder has a folder for each site, with a file for each day.
func TestDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	l := open(t, Settings{AccessLog: config.AccessLog{Directory: dir, Rotate: config.Rotate{Every: config.Daily}}})
	for _, id := range []int{1, 2, 0} {
		for day := range 2 {
			e := hello()
			e.SiteID, e.Ended = id, noon.AddDate(0, 0, day)
			l.Put(&e)
		}
	}
	late := hello()
	late.SiteID, late.Ended = 1, noon // whose response ended before that of another, and came later
	l.Put(&late)
	closeLog(t, l)
	for name, want := range map[string]int{
		"W3SVC1/u_ex261121.log": 1, "W3SVC1/u_ex261122.log": 2, "W3SVC2/u_ex261121.log": 1, "W3SVC2/u_ex261122.log": 1,
		"HTTPERR/u_ex261121.log": 1, "HTTPERR/u_ex261122.log": 1,
	} {
		text := read(t, filepath.Join(dir, name))
		if got := lines(text); len(got) != want || !strings.HasPrefix(text, "#Software: test\n#Version: 1.0\n#Date: ") ||
			!strings.Contains(text, "\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken\n") {
			t.Errorf("%s: want %d lines:\n%s", name, want, text)
		}
	}
	if s := l.Status(); s != (Status{Lines: 7}) {
		t.Errorf("status %+v", s)
	}
}

func TestPeriods(t *testing.T) {
	for _, tt := range []struct {
		every      config.Period
		at         string
		name       string
		begin, end string
	}{
		{config.Hourly, "2026-11-21T23:59:59Z", "u_ex26112123.log", "2026-11-21T23:00:00Z", "2026-11-22T00:00:00Z"},
		{config.Daily, "2026-11-21T00:30:00+01:00", "u_ex261120.log", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"},
		{config.Weekly, "2026-11-21T12:00:00Z", "u_ex261103.log", "2026-11-15T00:00:00Z", "2026-11-22T00:00:00Z"},
		{config.Weekly, "2026-11-22T00:00:00Z", "u_ex261104.log", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"},
		{config.Weekly, "2026-12-01T00:00:00Z", "u_ex261105.log", "2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z"},
		{config.Weekly, "2027-01-01T00:00:00Z", "u_ex261204.log", "2026-12-27T00:00:00Z", "2027-01-03T00:00:00Z"},
		{config.Monthly, "2026-12-31T23:59:59Z", "u_ex2612.log", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
	} {
		at, _ := time.Parse(time.RFC3339, tt.at)
		p := periodOf(tt.every, at)
		n := names{every: tt.every, suffix: ".log"}
		if b, e := p.begin.Format(time.RFC3339), p.end.Format(time.RFC3339); b != tt.begin || e != tt.end || n.numbered(p, 1) != tt.name {
			t.Errorf("%s of %s: %s to %s, %s", tt.every, tt.at, b, e, n.numbered(p, 1))
		}
	}
	if p := periodOf(config.Never, noon); p != (period{}) || p.over(noon.AddDate(99, 0, 0)) {
		t.Errorf("never: %+v", p)
	}
}

// sizes is a log that is left after 100 bytes; its directives have some 60.
func sizes(every config.Period) config.Rotate { return config.Rotate{Every: every, Size: 100} }

func TestSize(t *testing.T) {
	dir := t.TempDir()
	ten := strings.Repeat("x", 9) // with the end of the line
	l := open(t, short(config.AccessLog{Directory: dir, Rotate: sizes(config.Never)}))
	for range 8 {
		put(t, l, noon, 1, ten)
	}
	put(t, l, noon, 1, strings.Repeat("y", 200))
	put(t, l, noon, 1, ten)
	closeLog(t, l)
	head := len(newW3C("test", []string{"cs-uri-stem"}).head(nil, noon))
	fit := (100 - head) / len(ten+"\n")
	if fit != 2 {
		t.Fatalf("this test is for files with 2 lines, not %d", fit)
	}
	total := 0
	for i, want := range []int{fit, fit, fit, fit, 1, 1} {
		name := filepath.Join(dir, "W3SVC1", "u_extend"+string(rune('1'+i))+".log")
		text := read(t, name)
		if n := len(lines(text)); n != want || n > 1 && len(text) > 100 {
			t.Errorf("%s: %d lines, want %d:\n%s", name, n, want, text)
		}
		total += len(lines(text))
	}
	if total != 10 {
		t.Errorf("%d lines", total)
	}
	// The next start goes on in the last one.
	l = open(t, short(config.AccessLog{Directory: dir, Rotate: config.Rotate{Every: config.Never, Size: 1000}}))
	put(t, l, noon, 1, "again")
	closeLog(t, l)
	if got := lines(read(t, filepath.Join(dir, "W3SVC1", "u_extend6.log"))); !slices.Equal(got, []string{ten, "again"}) {
		t.Errorf("got %q", got)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// One file always has its name; what is left gets another. Those that are too many are removed, and nothing else.
func TestFileIsLeft(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	for _, name := range []string{"a-x.log", "b-261101.log", "a-261101.log.gz", "a-2611.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte("of yesterday"), 0o600); err != nil { // without the end of its line
		t.Fatal(err)
	}
	now := time.Now()
	yesterday := now.AddDate(0, 0, -1)
	if err := os.Chtimes(path, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	l := open(t, short(config.AccessLog{File: path, Rotate: config.Rotate{Every: config.Daily}, Keep: 2}))
	name := func(day int) string { return "a-" + now.UTC().AddDate(0, 0, day).Format("060102") + ".log" }
	for day := range 4 {
		put(t, l, now.AddDate(0, 0, day), day, "of "+name(day))
	}
	closeLog(t, l)
	want := []string{"a-261101.log.gz", "a-2611.txt", name(1), name(2), "a-x.log", "a.log", "b-261101.log"}
	slices.Sort(want)
	if got := list(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := lines(read(t, path)); !slices.Equal(got, []string{"of+" + name(3)}) {
		t.Errorf("current: %q", got)
	}
	if got := lines(read(t, filepath.Join(dir, name(2)))); !slices.Equal(got, []string{"of+" + name(2)}) {
		t.Errorf("the last: %q", got)
	}
}

// A file that was not ended well is gone on with; so is one whose days have too much.
func TestFileGoesOn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := os.WriteFile(path, []byte("half a li"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, short(config.AccessLog{File: path, Rotate: sizes(config.Daily)}))
	now := time.Now()
	for range 9 {
		put(t, l, now, 1, strings.Repeat("x", 29))
	}
	closeLog(t, l)
	stamp := now.UTC().Format("060102")
	names := list(t, dir)
	if len(names) < 3 || names[0] != "log" || names[1] != "log-"+stamp || names[2] != "log-"+stamp+"_2" {
		t.Errorf("files: %q", names)
	}
	n := 0
	for _, name := range names {
		n += strings.Count(read(t, filepath.Join(dir, name)), strings.Repeat("x", 29)+"\n")
	}
	if text := read(t, filepath.Join(dir, names[1])); n != 9 || !strings.HasPrefix(text, "half a li\n#Software") {
		t.Errorf("%d lines:\n%s", n, text)
	}
}

// Other programs move the file away and have it opened again, or copy it and empty it.
func TestOthersRotate(t *testing.T) {
	dir := t.TempDir()
	path, old := filepath.Join(dir, "a.log"), filepath.Join(dir, "a.log.1")
	l := open(t, short(config.AccessLog{File: path}))
	put(t, l, noon, 1, "one")
	if err := l.Reopen(); err != nil { // has it written
		t.Fatal(err)
	}
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	put(t, l, noon, 1, "two")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	put(t, l, noon, 1, "three")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	put(t, l, noon, 1, "four")
	closeLog(t, l)
	if got := lines(read(t, old)); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("moved: %q", got)
	}
	text := read(t, path)
	if got := lines(text); !slices.Equal(got, []string{"four"}) || strings.Count(text, "#Fields") != 1 || text[0] != '#' {
		t.Errorf("emptied:\n%q", text)
	}
	if err := l.Reopen(); err != nil {
		t.Errorf("a closed log is opened again: %v", err)
	}
}

func TestCannotOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []config.AccessLog{{File: "/no/such\x00/file"}, {File: filepath.Join(file, "a.log")}, {Directory: file}, {Directory: filepath.Join(file, "a")}} {
		if l, err := Open(Settings{AccessLog: s}); err == nil || !strings.HasPrefix(err.Error(), "open access log: ") {
			t.Errorf("%+v: %v", s, err)
			_ = l.Close()
		}
	}
}

// A folder that goes away is made again; until then lines wait.
func TestFolderIsGone(t *testing.T) {
	dir := t.TempDir()
	var told bytes.Buffer
	s := short(config.AccessLog{Directory: dir})
	s.Logger = slog.New(slog.NewTextHandler(&told, nil))
	l := open(t, s)
	if err := os.WriteFile(filepath.Join(dir, "W3SVC1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, l, noon, 1, "a")
	testwait.Until(t, "failing", func() bool { return l.Status().Failing != "" })
	if err := os.Remove(filepath.Join(dir, "W3SVC1")); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "written", func() bool { return l.Status() == Status{Lines: 1} })
	closeLog(t, l)
	if got := lines(read(t, filepath.Join(dir, "W3SVC1", "u_extend1.log"))); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %q", got)
	}
	if text := told.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "access log cannot be written") || !strings.Contains(text, "written again") {
		t.Errorf("the log has\n%s", text)
	}
}

func TestManyAtATime(t *testing.T) {
	dir := t.TempDir()
	l := open(t, short(config.AccessLog{Directory: dir, Rotate: config.Rotate{Every: config.Hourly, Size: 64 << 10}}))
	const each = 5000
	var all sync.WaitGroup
	for site := range 4 {
		all.Go(func() {
			for i := range each {
				put(t, l, noon.Add(time.Duration(i)*time.Second), 1+site%2, "/some/path/to/a/file")
				if i%1000 == 0 {
					if err := l.Reopen(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	closeLog(t, l)
	n := 0
	for _, site := range []string{"W3SVC1", "W3SVC2"} {
		for _, name := range list(t, filepath.Join(dir, site)) {
			text := read(t, filepath.Join(dir, site, name))
			if len(text) > 64<<10 {
				t.Errorf("%s has %d bytes", name, len(text))
			}
			n += len(lines(text))
		}
	}
	if s := l.Status(); n != 4*each || s.Lines != 4*each || s.Lost != 0 {
		t.Errorf("%d lines, %+v", n, s)
	}
}

func BenchmarkPut(b *testing.B) {
	for name, f := range map[string]config.AccessFormat{"w3c": config.AccessW3C, "json": config.AccessJSON} {
		b.Run(name, func(b *testing.B) {
			l, err := Open(Settings{AccessLog: config.AccessLog{File: os.DevNull, Format: f, Rotate: config.Rotate{Every: config.Never}}})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			e := hello()
			b.ReportAllocs()
			for b.Loop() {
				l.Put(&e)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		status, substatus int
		want              uint32
	}{{200, 0, 0}, {404, 0, 2}, {404, 2, 1260}, {404, 3, 50}, {404, 4, 2}, {404, 14, 0}, {401, 1, 1326}, {401, 2, 5}, {403, 14, 5}, {500, 0, 0}, {503, 2, 0}} {
		if got := Refused(tt.status, tt.substatus); got != tt.want {
			t.Errorf("%d.%d: got %d, want %d", tt.status, tt.substatus, got, tt.want)
		}
	}
}
