package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// maker makes random messages. What means the same as nothing is nothing.
type maker struct{ *rand.Rand }

func newMaker(t testing.TB) maker {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return maker{rand.New(rand.NewPCG(seed, 0))}
}

func (m maker) text() string {
	b := make([]byte, m.IntN(4)*m.IntN(100))
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return string(b)
}

func (m maker) bytes() []byte {
	if s := m.text(); s != "" {
		return []byte(s)
	}
	return nil
}

func (m maker) bool() bool { return m.IntN(2) == 1 }

func (m maker) header() http.Header {
	var h http.Header
	for range m.IntN(4) * m.IntN(10) {
		if h == nil {
			h = http.Header{}
		}
		var values []string
		for range m.IntN(3) {
			values = append(values, m.text())
		}
		h[m.text()] = values
	}
	return h
}

func (m maker) size() int64 { return m.Int64N(1 << m.IntN(62)) }

func (m maker) tls() *TLS {
	if m.bool() {
		return nil
	}
	t := &TLS{
		Version: uint16(m.Uint32()), Cipher: uint16(m.Uint32()), ServerName: m.text(), Protocol: m.text(), Verified: m.bool(),
		Server: m.bytes(),
	}
	for range m.IntN(3) {
		t.Peers = append(t.Peers, m.bytes())
	}
	return t
}

func (m maker) request() *Request {
	q := &Request{
		For: m.IntN(purposes), Image: m.Uint64(), Parent: m.Uint64(), Skip: m.bool(), Status: m.IntN(maxStatus), Sub: m.IntN(100),
		Timed: m.bool(), HasHost: m.bool(), ID: m.Uint64(), Trace: m.context(), Target: m.target(),
		HTTP: Message{
			Method: m.text(), URI: m.text(), Proto: m.text(), Major: m.IntN(10), Minor: m.IntN(10), Scheme: m.text(), URLHost: m.text(),
			Path: m.text(), RawPath: m.text(), RawQuery: m.text(), ForceQuery: m.bool(), Host: m.text(), Remote: m.text(),
			Local: m.text(), Length: m.size() - 1, Chunked: m.bool(), Close: m.bool(), Header: m.header(), Raw: m.bytes(), TLS: m.tls(),
			Preset: m.header(), Body: m.bytes(), Whole: m.bool(), BodyError: BodyError(m.IntN(int(bodyErrors))), BodyErrorLimit: m.size(),
		},
	}
	q.Target.Timed = q.Timed
	switch q.For {
	case ForImage:
		q.Filtered = m.filtered(&q.Target)
	case ForAnswer:
		q.Changes = m.changes()
	}
	return q
}

func (m maker) context() (c executor.TraceContext) {
	if m.bool() {
		return c
	}
	for i := range c.TraceID {
		c.TraceID[i] = byte(m.Uint32())
	}
	c.TraceID[0] |= 1
	for i := range c.SpanID {
		c.SpanID[i] = byte(m.Uint32())
	}
	c.Sampled, c.State = m.bool(), m.text()
	return c
}

func (m maker) result() Result {
	r := Result{HangUp: m.bool(), Result: executor.Result{
		Status: m.IntN(maxStatus), Substatus: m.IntN(100), Win32: m.Uint32(), Bytes: m.size(), LogData: m.text(), LogQuery: m.text(),
		ThreadTime: time.Duration(m.size()), Broken: m.bool(),
	}}
	if m.bool() {
		r.Fault = errors.New(m.text())
	}
	r.Log = m.log()
	return r
}

// word is a text that JSON can have.
func (m maker) word() string { return strings.Repeat("wörd ", m.IntN(5)) }

func (m maker) fault() *executor.FaultInfo {
	f := &executor.FaultInfo{Signal: m.word(), Meaning: m.word(), Call: m.word(), Text: m.word(), Addr: m.Uint64(), Request: m.Uint64()}
	for range m.IntN(4) {
		f.Stack = append(f.Stack, executor.FaultFrame{PC: m.Uint64(), Offset: m.Uint64(), Image: m.word(), Symbol: m.word(), Line: m.word()})
	}
	return f
}

func (m maker) finding() *executor.Finding {
	f := &executor.Finding{Kind: executor.TwoAsync, Call: m.word(), Text: m.word(), Request: m.Uint64(), At: time.Unix(m.Int64N(1e9), 0).UTC()}
	for range m.IntN(4) {
		f.Stack = append(f.Stack, m.word())
	}
	return f
}

func (m maker) counters() (list []Counter) {
	for range m.IntN(4) {
		c := Counter{Name: m.text(), Delta: m.Float64()}
		for range m.IntN(4) {
			c.Labels = append(c.Labels, m.text())
		}
		list = append(list, c)
	}
	return list
}

func (m maker) record() Record {
	r := Record{Image: m.Uint64(), Time: time.Unix(0, m.size()), Level: slog.Level(m.IntN(20) - 10), Text: m.text()}
	for range m.IntN(4) {
		r.Attrs = append(r.Attrs, []slog.Attr{
			slog.String(m.text(), m.text()), slog.Int64(m.text(), int64(m.Uint64())), slog.Bool(m.text(), m.bool()),
			slog.Duration(m.text(), time.Duration(m.Uint64())),
		}[m.IntN(4)])
	}
	return r
}

// TestRoundTrips: what is decoded is what was encoded, for thousands of random messages.
func TestRoundTrips(t *testing.T) {
	m := newMaker(t)
	for range 3000 {
		q := m.request()
		got, err := decodeRequest(q.append(nil))
		if err != nil || !reflect.DeepEqual(got, q) {
			t.Fatalf("request: %v\n got %+v\nwant %+v", err, got, q)
		}
		h := head{m.IntN(800) + 200, m.text(), m.header()}
		if got, err := decodeHead(h.append(nil)); err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("head: %v\n got %+v\nwant %+v", err, got, h)
		}
		r := m.result()
		if got, err := decodeResult(r.append(nil)); err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("result: %v\n got %+v\nwant %+v", err, got, r)
		}
		rec := m.record()
		if got, err := DecodeRecord(rec.Append(nil)); err != nil || !reflect.DeepEqual(got, rec) {
			t.Fatalf("record: %v\n got %+v\nwant %+v", err, got, rec)
		}
		mp := executor.Mapping{Path: m.text(), Flags: m.Uint32(), MatchedPath: m.IntN(1000), MatchedURL: m.IntN(1000)}
		if got, err := DecodeMapping(EncodeMapping(mp)); err != nil || got != mp {
			t.Fatalf("mapping: %v\n got %+v\nwant %+v", err, got, mp)
		}
		fault := m.fault()
		if id, got, err := DecodeFault(EncodeFault(7, fault)); err != nil || id != 7 || !reflect.DeepEqual(got, fault) {
			t.Fatalf("fault: %v\n got %+v\nwant %+v", err, got, fault)
		}
		found := m.finding()
		if id, got, times, err := DecodeFound(EncodeFound(7, found, 3)); err != nil || id != 7 || times != 3 || !reflect.DeepEqual(got, found) {
			t.Fatalf("finding: %v\n got %+v\nwant %+v", err, got, found)
		}
		counters := m.counters()
		if id, got, err := DecodeCounters(EncodeCounters(7, counters)); err != nil || id != 7 || !reflect.DeepEqual(got, counters) {
			t.Fatalf("counters: %v\n got %+v\nwant %+v", err, got, counters)
		}
		if id, got, err := DecodeLevel(EncodeLevel(7, rec.Level)); err != nil || id != 7 || got != rec.Level {
			t.Fatalf("level: %v, got %v, want %v", err, got, rec.Level)
		}
		id, text := m.Uint64(), m.text()
		if gotID, got, err := DecodeNotice(EncodeNotice(id, text)); err != nil || gotID != id || got != text {
			t.Fatalf("notice: %v, %d %q, want %d %q", err, gotID, got, id, text)
		}
	}
}

// TestCut: a message that ends too early, and one with something behind its end, is refused.
func TestCut(t *testing.T) {
	m := newMaker(t)
	for range 100 {
		r, rec, mp := m.result(), m.record(), executor.Mapping{Path: m.text()}
		h := head{200, m.text(), m.header()}
		for name, c := range map[string]struct {
			whole  []byte
			decode func([]byte) error
		}{
			"REQUEST":  {m.request().append(nil), func(p []byte) error { _, err := decodeRequest(p); return err }},
			"HEAD":     {h.append(nil), func(p []byte) error { _, err := decodeHead(p); return err }},
			"END":      {r.append(nil), func(p []byte) error { _, err := decodeResult(p); return err }},
			"record":   {rec.Append(nil), func(p []byte) error { _, err := DecodeRecord(p); return err }},
			"mapping":  {EncodeMapping(mp), func(p []byte) error { _, err := DecodeMapping(p); return err }},
			"fault":    {EncodeFault(1, m.fault()), func(p []byte) error { _, _, err := DecodeFault(p); return err }},
			"finding":  {EncodeFound(1, m.finding(), 1), func(p []byte) error { _, _, _, err := DecodeFound(p); return err }},
			"level":    {EncodeLevel(1, 4), func(p []byte) error { _, _, err := DecodeLevel(p); return err }},
			"counters": {EncodeCounters(1, append(m.counters(), Counter{})), func(p []byte) error { _, _, err := DecodeCounters(p); return err }},
		} {
			if err := c.decode(append(c.whole, 0)); err == nil {
				t.Fatalf("%s with a byte too many is accepted", name)
			}
			n := m.IntN(len(c.whole))
			var p *ProtocolError
			if err := c.decode(c.whole[:n:n]); !errors.As(err, &p) {
				t.Fatalf("the first %d bytes of a %s of %d: %v", n, name, len(c.whole), err)
			}
		}
	}
}

// TestDecodeErrors: values that no sender gives.
func TestDecodeErrors(t *testing.T) {
	request := func(change func(*Request)) []byte {
		q := &Request{HTTP: Message{Length: -1}}
		change(q)
		return q.append(nil)
	}
	heading := func(status int) []byte { h := head{status: status}; return h.append(nil) }
	ending := func(change func(*Result)) []byte { r := Result{}; change(&r); return r.append(nil) }
	for name, c := range map[string]struct {
		p    []byte
		into func([]byte) error
	}{
		"purpose":        {request(func(q *Request) { q.For = purposes }), requestError},
		"status":         {request(func(q *Request) { q.Status = 1000 }), requestError},
		"length":         {request(func(q *Request) { q.HTTP.Length = -2 }), requestError},
		"version":        {request(func(q *Request) { q.HTTP.Major = 10 }), requestError},
		"body error":     {request(func(q *Request) { q.HTTP.BodyError = bodyErrors }), requestError},
		"bool":           {append([]byte{0, 0, 0}, 2), requestError},
		"long varint":    {append([]byte{0}, bytes.Repeat([]byte{0xff}, 10)...), requestError},
		"status 99":      {heading(99), headError},
		"status 101":     {heading(101), headError},
		"status 1000":    {heading(1000), headError},
		"result status":  {ending(func(r *Result) { r.Status = 1000 }), resultError},
		"negative bytes": {ending(func(r *Result) { r.Bytes = -1 }), resultError},
		"negative time":  {ending(func(r *Result) { r.ThreadTime = -1 }), resultError},
	} {
		var p *ProtocolError
		if err := c.into(c.p); !errors.As(err, &p) {
			t.Errorf("%s: got %v, want a protocol error", name, err)
		}
	}
}

func requestError(p []byte) error { _, err := decodeRequest(p); return err }
func headError(p []byte) error    { _, err := decodeHead(p); return err }
func resultError(p []byte) error  { _, err := decodeResult(p); return err }
func recordError(p []byte) error  { _, err := DecodeRecord(p); return err }

func countersError(p []byte) error { _, _, err := DecodeCounters(p); return err }

// TestHostileLengths: a number that announces much makes no room for it.
func TestHostileLengths(t *testing.T) {
	prefix := func(n int, count uint64) []byte {
		b := (&Request{HTTP: Message{}}).append(nil)[:n]
		return binary.AppendUvarint(b, count)
	}
	filled := func(start []byte, with byte) []byte {
		return append(start, bytes.Repeat([]byte{with}, maxMessage-len(start))...)
	}
	headers := func(count uint64) []byte { return binary.AppendUvarint([]byte{200, 1, 0}, count) } // status 200, no reason
	type hostile struct {
		name  string
		p     []byte
		into  func([]byte) error
		times int // of what came, that may be allocated
	}
	tests := []hostile{
		{"names, none there", headers(math.MaxInt64), headError, 16},
		{"names, all the same", filled(headers(maxMessage/2-10), 0), headError, 16},
		{"values of one name", filled(binary.AppendUvarint(append(headers(1), 0), maxMessage-20), 0), headError, 40},
		{"values, too many", filled(binary.AppendUvarint(append(headers(1), 0), 1<<40), 0), headError, 16},
		{"text", []byte{200, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, headError, 16},
		{"attributes", binary.AppendUvarint([]byte{0, 0, 0, 0}, math.MaxUint32), recordError, 16},
		{"attributes, too many", filled(binary.AppendUvarint([]byte{0, 0, 0, 0}, maxMessage/2), 0), recordError, 16},
		{"counters", binary.AppendUvarint([]byte{1}, math.MaxUint32), countersError, 16},
		{"counters, too many", filled(binary.AppendUvarint([]byte{1}, maxMessage/10), 0), countersError, 16},
		{"labels", append([]byte{1, 1, 0}, bytes.Repeat([]byte{0xff}, 9)...), countersError, 16},
		{"trace context", append(prefix(8, 1), bytes.Repeat([]byte{0xff}, 40)...), requestError, 64},
		{"attributes, empty", filled(binary.AppendUvarint([]byte{0, 0, 0, 0}, maxMessage/3-10), 0), recordError, 100},
	}
	for n := range 30 {
		tests = append(tests, hostile{"in a request", prefix(n, math.MaxUint64), requestError, 16})
	}
	for _, c := range tests {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = c.into(c.p)
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(32<<10+c.times*len(c.p)); got > limit {
			t.Errorf("%s: %d bytes allocated for a message of %d, want at most %d", c.name, got, len(c.p), limit)
		}
	}
}

// TestParseFrame: headers, whole frames and parts of them.
func TestParseFrame(t *testing.T) {
	good := appendFrame(nil, kData, flagFlush, 7, []byte("abc"))
	change := func(at int, v byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = v
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		size int
		err  string
	}{
		{"nothing", nil, headerSize, ""},
		{"part of a header", good[:15], headerSize, ""},
		{"header alone", good[:16], len(good), ""},
		{"whole", good, len(good), ""},
		{"and more", append(append([]byte(nil), good...), 1, 2, 3), len(good), ""},
		{"kind 0", change(4, 0), 0, "unknown kind 0"},
		{"kind unknown", change(4, byte(kinds)), 0, fmt.Sprint("unknown kind ", int(kinds))},
		{"flag unknown", change(5, 0x80), 0, "DATA with bits set that mean nothing"},
		{"flag of another kind", change(5, flagEnd), 0, "DATA with bits set that mean nothing"},
		{"reserved", change(6, 1), 0, "DATA with bits set that mean nothing"},
		{"reserved", change(7, 1), 0, "DATA with bits set that mean nothing"},
		{"long", change(2, 3), 0, "DATA of 196611 bytes is too long"},
		{"very long", change(3, 0xff), 0, "DATA of 4278190083 bytes is too long"},
	} {
		f, size, err := parseFrame(c.b)
		if c.err != "" {
			var p *ProtocolError
			if !errors.As(err, &p) || p.What != c.err {
				t.Errorf("%s: got %v, want %s", c.name, err, c.err)
			}
			continue
		}
		if err != nil || size != c.size {
			t.Errorf("%s: got %d, %v, want %d", c.name, size, err, c.size)
		}
		if len(c.b) >= size && (f.kind != kData || f.id != 7 || f.flags != flagFlush || string(f.payload) != "abc") {
			t.Errorf("%s: got %+v", c.name, f)
		}
	}
	for k := kHello; k < kinds; k++ {
		size := int(rules[k].size)
		if _, got, err := parseFrame(appendHeader(nil, k, rules[k].flags, 1, size)); err != nil || got != headerSize+size {
			t.Errorf("the longest %v: %d, %v", k, got, err)
		}
		if _, _, err := parseFrame(appendHeader(nil, k, 0, 1, size+1)); err == nil {
			t.Errorf("a %v of %d bytes is accepted", k, size+1)
		}
	}
}

// TestRoom: the room for a frame grows with it.
func TestRoom(t *testing.T) {
	buf, from, to := make([]byte, usual), 0, 16
	for to < maxRequest {
		before := len(buf)
		buf, from, to = makeRoom(buf, from, to, headerSize+maxRequest)
		if from != 0 || to == len(buf) || len(buf) > 2*max(to, before)+usual {
			t.Fatalf("%d bytes of room for %d that came", len(buf), to)
		}
		to += len(buf[to:])
	}
	if buf, from, to = makeRoom(buf, to, to, headerSize); len(buf) != usual || from != 0 || to != 0 {
		t.Errorf("%d bytes stay when a large frame is over", len(buf))
	}
}

// TestLogHandler: levels, attributes and groups.
func TestLogHandler(t *testing.T) {
	var got []Record
	log := slog.New(&LogHandler{Image: 3, Level: slog.LevelInfo, Emit: func(r *Record) { got = append(got, *r) }})
	log.Debug("not told")
	log.With("a", 1).WithGroup("g").Info("told", "b", true, "c", 2*time.Second, "d", errors.New("e"))
	if len(got) != 1 {
		t.Fatalf("%d records", len(got))
	}
	r, err := DecodeRecord(got[0].Append(nil))
	if err != nil || r.Image != 3 || r.Text != "told" || r.Level != slog.LevelInfo {
		t.Errorf("%+v, %v", r, err)
	}
	if text := slog.GroupValue(r.Attrs...).String(); text != "[a=1 g.b=true g.c=2s g.d=e]" {
		t.Errorf("%s", text)
	}
}
