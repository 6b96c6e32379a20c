package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/isapi"
)

var (
	origin = Origin{Pool: "legacy", Worker: "legacy/1", Pid: 4711, Image: "/srv/app.so", Generation: 3}
	about  = About{Request: 1, Site: "shop", App: "/orders", Client: "10.1.2.3:80", URL: "/orders/x?q=\x1b[2J", Method: "GET"}
)

// some are events of a request, and one of none.
func some() []Event {
	at := time.Date(2026, 11, 21, 20, 15, 0, 0, time.UTC)
	return []Event{
		{Func: GetExtensionVersion, Kind: Call, Seq: 1, Span: 1, Image: 1, Thread: 7, At: at, Took: time.Millisecond, Result: 1},
		{Request: 1, Func: HttpExtensionProc, Kind: Enter, Seq: 1, Span: 1, Thread: 7, At: at, Args: []Arg{{Name: "method", IsText: true, Text: "GET"}}},
		{Request: 1, Func: GetServerVariable, Kind: Call, Seq: 2, Span: 2, Parent: 1, Thread: 7, At: at, Took: 1234, Result: 1, Masked: true, Args: []Arg{
			{Name: "name", IsText: true, Text: "HTTP_COOKIE"}, {Name: "size", Num: 100}, {Name: "value", IsText: true, Text: "***", Out: true},
		}},
		{Request: 1, Func: ServerSupportFunction, Code: uint32(isapi.SendURL), Kind: Call, Seq: 3, Span: 3, Parent: 1, Thread: 8, At: at, Took: 12 * time.Second, Err: 87, Args: []Arg{
			{Name: "url", IsText: true, Text: "/\u009b31m\u202e\xff", Cut: true}, {Name: "flags", IsText: true, Word: true, Text: "A|B"},
			{Name: "odd", IsText: true, Word: true, Text: "A B"}, {Name: "at", Hex: true, Num: -1},
		}},
		{Request: 1, Func: ReadClient, Kind: Call, Seq: 4, Span: 4, Parent: 1, Thread: 7, At: at, Took: 1, Result: 1, Body: []byte("ab\n"), BodySize: 9, Args: []Arg{{Name: "size", Num: 9, Out: true}}},
		{Request: 1, Func: HttpExtensionProc, Kind: Leave, Seq: 5, Span: 1, Thread: 7, At: at, Took: time.Second, Args: []Arg{{Name: "fault", IsText: true, Text: "SIGSEGV at 0x10", Out: true}}},
	}
}

func TestPrinter(t *testing.T) {
	defer func(l *time.Location) { time.Local = l }(time.Local)
	time.Local = time.UTC
	var b bytes.Buffer
	p := NewPrinter(&b, false)
	for _, e := range some() {
		if err := p.Print(&e, origin, about); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Dropped(312); err != nil {
		t.Fatal(err)
	}
	want := `20:15:00.000000 -             7       app.so@3:GetExtensionVersion() = TRUE <1ms>
20:15:00.000000 0000000000002 7       GET "/orders/x?q=\x1b[2J" from 10.1.2.3:80, site shop, application /orders, pool legacy, worker legacy/1, process 4711
20:15:00.000000 0000000000002 7       app.so@3:HttpExtensionProc(method="GET") {
20:15:00.000000 0000000000002 7         GetServerVariable("HTTP_COOKIE", size=100) = TRUE value="***" <1.2µs>
20:15:00.000000 0000000000002 8         HSE_REQ_SEND_URL(url="/\u009b31m\u202e\xff"..., flags=A|B, odd="A B", at=0xffffffffffffffff) = FALSE ERROR_INVALID_PARAMETER (87) <12s>
20:15:00.000000 0000000000002 7         ReadClient() = TRUE size=9, body="ab\n"... <1ns>
20:15:01.000000 0000000000002 7       } HttpExtensionProc = fault="SIGSEGV at 0x10" <1s>
… 312 events dropped
`
	if b.String() != want {
		t.Errorf("text:\n%s\nwant:\n%s", b.String(), want)
	}
	full := errors.New("full")
	if err := NewPrinter(broken{full}, true).Print(&Event{}, origin, about); !errors.Is(err, full) {
		t.Errorf("error of the writer: %v", err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestJSON(t *testing.T) {
	var b []byte
	for _, e := range some() {
		b = AppendJSON(b, &e, origin, about)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) != len(some()) {
		t.Fatalf("%d lines for %d events", len(lines), len(some()))
	}
	where := `"image":"/srv/app.so","generation":3,"pool":"legacy","worker":"legacy/1","pid":4711,"site":"shop","application":"/orders","client":"10.1.2.3:80","method":"GET","url":"/orders/x?q=\u001b[2J"}`
	for i, want := range map[int]string{
		1: `{"time":"2026-11-21T20:15:00Z","request":"0000000000002","seq":1,"span":1,"kind":"enter","call":"HttpExtensionProc","function":"HttpExtensionProc","args":[{"name":"method","text":"GET"}],"thread":7,` + where,
		3: `{"time":"2026-11-21T20:15:00Z","request":"0000000000002","seq":3,"span":3,"parent":1,"kind":"call","call":"HSE_REQ_SEND_URL","function":"ServerSupportFunction","code":2,` +
			`"args":[{"name":"url","text":"/\u009b31m\u202e\ufffd","cut":true},{"name":"flags","text":"A|B"},{"name":"odd","text":"A B"},{"name":"at","hex":"0xffffffffffffffff"}],` +
			`"result":0,"result_name":"FALSE","error":87,"error_name":"ERROR_INVALID_PARAMETER (87)","failed":true,"took":12,"thread":8,` + where,
		4: `{"time":"2026-11-21T20:15:00Z","request":"0000000000002","seq":4,"span":4,"parent":1,"kind":"call","call":"ReadClient","function":"ReadClient","args":[{"name":"size","number":9,"out":true}],` +
			`"result":1,"result_name":"TRUE","took":1e-9,"thread":7,"body":"YWIK","body_size":9,` + where,
	} {
		if lines[i] != want {
			t.Errorf("line %d:\n%s\nwant:\n%s", i, lines[i], want)
		}
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("%s is no JSON", line)
		}
	}
}

func TestSummary(t *testing.T) {
	var s Summary
	for range 2 {
		for _, e := range some() {
			s.Add(&e)
		}
	}
	s.Add(&Event{Kind: Call, Func: FilterWriteClient, Took: 1500, Result: 1})
	s.Dropped = 5
	var b bytes.Buffer
	if err := s.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := `  TOTAL   MEAN  LONGEST  CALLS  ERRORS  
    24s    12s      12s      2       2  HSE_REQ_SEND_URL
     2s     1s       1s      2       2  HttpExtensionProc
    2ms    1ms      1ms      2          GetExtensionVersion
  2.5µs  1.2µs    1.2µs      2          GetServerVariable
  1.5µs  1.5µs    1.5µs      1          WriteClient (filter)
    2ns    1ns      1ns      2          ReadClient
… 5 events dropped, which are not in the table
`
	if b.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", b.String(), want)
	}
	for code := range uint32(2 * mostRows) {
		s.Add(&Event{Kind: Call, Func: ServerSupportFunction, Code: 1 << 20 * (code + 1)})
	}
	if n := len(s.Rows()); n > mostRows+1 {
		t.Errorf("%d rows", n)
	}
}

// TestPrinterForgets: what a worker says that lies takes no more memory than what others say.
func TestPrinterForgets(t *testing.T) {
	p := NewPrinter(&bytes.Buffer{}, false)
	for i := range uint64(3 * mostPlaces) {
		_ = p.Print(&Event{Request: i + 1, Kind: Enter, Span: uint32(i), Func: HttpExtensionProc}, Origin{}, About{})
	}
	for i := range uint32(1000) {
		_ = p.Print(&Event{Request: 1, Kind: Enter, Span: i + 1, Parent: i, Func: HttpExtensionProc}, Origin{}, About{})
	}
	if len(p.known) > mostPlaces || len(p.order) > mostPlaces {
		t.Errorf("%d requests are remembered", len(p.known))
	}
	if n := p.known[place{0, 1}]; n == nil || len(n.depth) > 2*mostNested+1 {
		t.Error("calls that never return are remembered without end")
	}
}

func TestIDs(t *testing.T) {
	for _, id := range []uint64{0, 1, 1 << 63, 1<<64 - 1, 0x123456789abcdef} {
		s := FormatID(id)
		if got, err := ParseID(strings.ToUpper(s)); len(s) != 13 || got != id || err != nil {
			t.Errorf("%d: %q, back %d, %v", id, s, got, err)
		}
	}
	for _, s := range []string{"", "1", "000000000000", "00000000000000", "000000000000!", "00000000000\n2"} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("%q is %d", s, id)
		}
	}
}
