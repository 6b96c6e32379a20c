package trace

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink keeps what it gets, by subscription.
type sink struct {
	mu      sync.Mutex
	b       map[uint32][]byte // guarded by mu
	batches int
	most    int
}

func (s *sink) Batch(sub uint32, p []byte, _, _ int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.b == nil {
		s.b = map[uint32][]byte{}
	}
	s.b[sub] = append(s.b[sub], p...)
	s.batches++
	s.most = max(s.most, len(p))
}

// lines are the events a subscription got, in short.
func (s *sink) lines(t *testing.T, sub uint32) (lines []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := Decode(s.b[sub], func(e *Event) error {
		line := fmt.Sprintf("%d/%d %s %s", e.Parent, e.Span, e.Kind, Name(e.Func, e.Code))
		for _, a := range e.Args {
			switch {
			case a.IsText:
				line += fmt.Sprintf(" %s=%q", a.Name, a.Text)
			default:
				line += fmt.Sprintf(" %s=%d", a.Name, a.Num)
			}
			if a.Cut {
				line += "..."
			}
		}
		if e.BodySize > 0 {
			line += fmt.Sprintf(" %q of %d", e.Body, e.BodySize)
		}
		if e.Kind != Enter {
			line += fmt.Sprintf(" = %d %d", e.Result, e.Err)
		}
		lines = append(lines, line)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	delete(s.b, sub)
	return lines
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var image = &Image{Number: 3, Path: "/srv/app.so"}

// tap is one with these filters, whose subscriptions are 1, 2 and so on.
func tap(t *testing.T, filters ...Filter) (*Tap, *sink) {
	t.Helper()
	var list []Subscription
	for i, f := range filters {
		list = append(list, Subscription{uint32(i + 1), f})
	}
	tap, to := &Tap{every: time.Hour}, &sink{}
	if err := tap.Set(list, to); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tap.Set(nil, nil) })
	return tap, to
}

// play is a request with a filter around an extension.
func play(r *Recorder) {
	proc := r.Call(image, HttpExtensionProc, 0)
	proc.Text("method", "GET")
	proc.Go()
	get := r.Call(image, GetServerVariable, 0)
	get.Bytes("name", []byte("HTTP_COOKIE"))
	get.Num("size", 100)
	get.Go()
	get.Back(1, 0)
	get.Value("value", get.Said(0), []byte("secret"))
	get.End()
	write := r.Call(image, WriteClient, 0)
	write.Num("size", 5)
	write.Body([]byte("hello"), 5)
	write.Go()
	proc2 := r.Call(image, HttpFilterProc, 0x40)
	proc2.Go()
	header := r.Call(image, FilterAddHeader, 0)
	header.Header("header", []byte("Set-Cookie: secret\r\nA: b"))
	header.Go()
	header.Back(0, 87)
	header.End()
	proc2.Back(0x08000002, 0)
	proc2.End()
	write.Back(1, 0)
	write.Num("size", 5)
	write.End()
	proc.Back(1, 0)
	proc.Num("http_status", 200)
	proc.End()
}

func TestRecorder(t *testing.T) {
	tap, to := tap(t, Filter{}, Filter{Secrets: true, Body: 3}, Filter{Errors: true}, Filter{Calls: []string{"GetServerVariable"}}, Filter{Slower: time.Hour}, Filter{Image: "other"})
	r := tap.Begin(&About{Request: 9})
	play(r)
	r.End()
	same(t, to.lines(t, 1),
		`0/1 enter HttpExtensionProc method="GET"`,
		`1/2 call GetServerVariable name="HTTP_COOKIE" size=100 value="***" = 1 0`,
		`1/3 enter WriteClient size=5 "" of 5`,
		`3/4 enter HttpFilterProc(SF_NOTIFY_SEND_RESPONSE)`,
		`4/5 call AddHeader header="Set-Cookie: ***\r\nA: b" = 0 87`,
		`3/4 leave HttpFilterProc(SF_NOTIFY_SEND_RESPONSE) = 134217730 0`,
		`1/3 leave WriteClient size=5 = 1 0`,
		`0/1 leave HttpExtensionProc http_status=200 = 1 0`)
	same(t, to.lines(t, 2),
		`0/1 enter HttpExtensionProc method="GET"`,
		`1/2 call GetServerVariable name="HTTP_COOKIE" size=100 value="secret" = 1 0`,
		`1/3 enter WriteClient size=5 "hel" of 5`,
		`3/4 enter HttpFilterProc(SF_NOTIFY_SEND_RESPONSE)`,
		`4/5 call AddHeader header="Set-Cookie: secret\r\nA: b" = 0 87`,
		`3/4 leave HttpFilterProc(SF_NOTIFY_SEND_RESPONSE) = 134217730 0`,
		`1/3 leave WriteClient size=5 = 1 0`,
		`0/1 leave HttpExtensionProc http_status=200 = 1 0`)
	same(t, to.lines(t, 3), `4/5 call AddHeader header="Set-Cookie: ***\r\nA: b" = 0 87`)
	same(t, to.lines(t, 4), `1/2 call GetServerVariable name="HTTP_COOKIE" size=100 value="***" = 1 0`)
	same(t, to.lines(t, 5))
	same(t, to.lines(t, 6))
	for sub, b := range to.b {
		if sub != 2 && strings.Contains(string(b), "secret") {
			t.Errorf("subscription %d got a secret", sub)
		}
	}
}

// TestRecorderThreads: a call on another thread is inside what the image is in, but where the server calls it, it is not.
func TestRecorderThreads(t *testing.T) {
	tap, to := tap(t, Filter{})
	r := tap.Begin(&About{Request: 9})
	proc := r.Call(image, HttpExtensionProc, 0)
	proc.Go()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := r.Call(image, WriteClient, 0)
		w.thread++ // whatever thread this is
		w.Go()
		c := r.Call(image, Completion, 0)
		c.thread += 2
		c.Go()
		c.Back(0, 0)
		c.End()
		w.Back(1, 0)
		w.End()
	}()
	<-done
	proc.Back(3, 0)
	proc.Fault(errors.New("it fell"))
	proc.End()
	late := r.Call(image, ReadClient, 0)
	late.Go()
	r.End()
	late.Back(1, 0)
	late.End()
	r.End()
	same(t, to.lines(t, 1),
		`0/1 enter HttpExtensionProc`,
		`0/3 call HSE_IO_COMPLETION = 0 0`,
		`1/2 call WriteClient = 1 0`,
		`0/1 leave HttpExtensionProc fault="it fell" = 3 0`)
}

func TestNil(t *testing.T) {
	var tap *Tap
	if tap.On() || tap.NeedsPlace() || tap.Begin(&About{}) != nil {
		t.Error("somebody listens at no tap")
	}
	play(nil)
	var r *Recorder
	r.Flush()
	r.End()
	var c *Entry
	if c.BodyLimit() != 0 || c.Said(0) != nil {
		t.Error("there is something in no entry")
	}
	c.Raw(nil, 0)
	c.Secret("", nil)
	c.Cut()
	c.Fault(errors.New(""))
	c.EndAll()
}

func TestTexts(t *testing.T) {
	tap, to := tap(t, Filter{Body: 4})
	r := tap.Begin(&About{})
	c := r.Call(image, ReadClient, 0)
	c.Text("exact", strings.Repeat("x", MostText))
	c.Bytes("long", []byte(strings.Repeat("y", MostText+1)))
	c.Text("cut", "z")
	c.Cut()
	for range 2 * mostArgs {
		c.Num("more", 1)
	}
	c.Go()
	c.Back(1, 0)
	c.Raw([]byte("GET / HTTP/1.1"), 14)
	c.End()
	r.End()
	want := `0/1 call ReadClient exact="` + strings.Repeat("x", MostText) + `" long="` + strings.Repeat("y", MostText) + `"... cut="z"...` +
		strings.Repeat(" more=1", mostArgs-3) + ` "" of 14 = 1 0`
	same(t, to.lines(t, 1), want)
}

// TestBatches: events come at the end, before that when they are many or lie there for a while, and in pieces that can travel.
func TestBatches(t *testing.T) {
	tap, to := &Tap{}, &sink{}
	if err := tap.Set([]Subscription{{1, Filter{Body: MostBody}}}, to); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tap.Set(nil, nil) }()
	r := tap.Begin(&About{Request: 1})
	body := []byte(strings.Repeat("b", MostBody+1))
	for range 20 {
		c := r.Call(image, WriteClient, 0)
		c.Body(body, int64(len(body)))
		c.Go()
		c.Back(1, 0)
		c.End()
	}
	to.mu.Lock()
	if to.batches == 0 || to.most > 64<<10 {
		t.Errorf("%d batches, the largest of %d bytes", to.batches, to.most)
	}
	to.mu.Unlock()
	one := r.Call(image, ReadClient, 0)
	one.Go()
	one.Back(1, 0)
	one.End()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		to.mu.Lock()
		n := 0
		_ = Decode(to.b[1], func(e *Event) error {
			if e.Kind != Enter {
				n++
			}
			return nil
		})
		to.mu.Unlock()
		if n == 21 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d events, want 21", n)
		}
	}
	r.End()
}

// TestLongCall: who looks sees that a call has not returned.
func TestLongCall(t *testing.T) {
	tap, to := &Tap{}, &sink{}
	if err := tap.Set([]Subscription{{1, Filter{}}, {2, Filter{Errors: true}}}, to); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tap.Set(nil, nil) }()
	r := tap.Begin(&About{Request: 1})
	proc := r.Call(image, HttpExtensionProc, 0)
	proc.Go()
	read := r.Call(image, ReadClient, 0)
	read.Num("size", 5)
	read.Go()
	seen := func() []string { return to.lines(t, 1) }
	var lines []string
	for end := time.Now().Add(30 * time.Second); len(lines) < 2 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		lines = append(lines, seen()...)
	}
	read.Back(1, 0)
	read.Num("size", 4)
	read.End()
	proc.Back(4, 0)
	proc.End()
	r.End()
	same(t, append(lines, seen()...),
		`0/1 enter HttpExtensionProc`,
		`1/2 enter ReadClient size=5`,
		`1/2 leave ReadClient size=4 = 1 0`,
		`0/1 leave HttpExtensionProc = 4 0`)
	same(t, to.lines(t, 2), `0/1 call HttpExtensionProc = 4 0`)
}

// TestSet: who goes on listening misses nothing, who does not gets nothing more, and what is wrong changes nothing.
func TestSet(t *testing.T) {
	tap, to := tap(t, Filter{}, Filter{})
	r := tap.Begin(&About{Request: 1})
	play(r)
	if err := tap.Set([]Subscription{{2, Filter{}}, {3, Filter{Site: "x"}}}, to); err != nil {
		t.Fatal(err)
	}
	if !tap.NeedsPlace() {
		t.Error("nobody needs to know the site")
	}
	play(r)
	if err := tap.Set([]Subscription{{4, Filter{Client: "x"}}}, to); err == nil {
		t.Error("a filter that is none was taken")
	}
	if err := tap.Set(make([]Subscription, mostSubscriptions+1), to); err == nil {
		t.Error("too many were taken")
	}
	if err := tap.Set([]Subscription{{4, Filter{}}}, nil); err == nil {
		t.Error("nobody to give events to was taken")
	}
	r.End()
	if n := len(to.lines(t, 1)); n != 0 && n != 8 { // 8, if they were sent in time
		t.Errorf("%d events for who listens no more", n)
	}
	if n := len(to.lines(t, 2)); n != 16 {
		t.Errorf("%d events for who listened on, want 16", n)
	}
	if n := len(to.lines(t, 3)); n != 0 {
		t.Errorf("%d events for who came later", n)
	}
	r = tap.Begin(&About{Request: 2})
	play(r)
	if err := tap.Set(nil, nil); err != nil || tap.On() || tap.Begin(&About{}) != nil {
		t.Error("somebody listens still")
	}
	if r.Call(image, WriteClient, 0) != nil {
		t.Error("a call is taken down for nobody")
	}
	play(r)
	r.End()
	to.lines(t, 2)
	if err := tap.Set([]Subscription{{2, Filter{}}}, to); err != nil {
		t.Fatal(err)
	}
	if tap.live != nil {
		t.Error("a recorder is left behind")
	}
}

// TestSetUnderLoad: attached and detached while requests run, by two at a time.
func TestSetUnderLoad(t *testing.T) {
	tap, to := tap(t)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for i := uint64(1); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				r := tap.Begin(&About{Request: i})
				play(r)
				r.End()
			}
		})
	}
	for i := range uint32(1000) {
		if err := tap.Set([]Subscription{{i + 1, Filter{Sample: 0.5}}}, to); err != nil {
			t.Fatal(err)
		}
		if err := tap.Set(nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	busy.Wait()
	if tap.live != nil {
		t.Error("a recorder is left behind")
	}
	for sub := range to.b {
		to.lines(t, sub) // all of it is whole
	}
}
