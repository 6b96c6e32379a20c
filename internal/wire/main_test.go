package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is for what is going to happen, however slow the machine is.
const patience = time.Minute

// leavesNothing fails the test when a goroutine, a descriptor or a region of its own outlives it.
func leavesNothing(t testing.TB) {
	t.Helper()
	warmUp()
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors()
	clean := func() bool {
		return runtime.NumGoroutine() <= goroutines && openDescriptors() <= descriptors && mappedRegions() == 0
	}
	t.Cleanup(func() {
		for end := time.Now().Add(30 * time.Second); !clean(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d regions; %d descriptors, there were %d; %d goroutines, there were %d:\n%s", mappedRegions(), openDescriptors(), descriptors,
					runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
}

// mappedRegions is how many mappings this process has of memory that regions are made of.
func mappedRegions() int {
	if runtime.GOOS == "windows" { // by Wine it sees those of another process
		return 0
	}
	maps, _ := os.ReadFile("/proc/self/maps") // there is none where there are no regions either
	return bytes.Count(maps, []byte("/memfd:isapid"))
}

// warmUp makes the descriptors that the runtime keeps for itself from the first pipe on.
var warmUp = sync.OnceFunc(func() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
})

func openDescriptors() int {
	if runtime.GOOS == "windows" {
		return 0
	}
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if entries, err := os.ReadDir(dir); err == nil {
			return len(entries)
		}
	}
	return 0
}

// until waits for a fact.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come that %s", what)
		}
	}
}

// soon is what comes on c.
func soon[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		t.Fatalf("%s does not come\n%s", what, stacks[:runtime.Stack(stacks, true)])
		panic("")
	}
}

// plain says that the streams of the tests are plain; see TestPlain.
var plain = runtime.GOOS == "windows" || os.Getenv(PlainByEnv) == "1"

// descriptors skips a test of what only streams with descriptors have.
func descriptors(t testing.TB) {
	t.Helper()
	if plain {
		t.Skip("plain streams carry no descriptors")
	}
}

// side is one end of a stream, before it is a link's: a socket, or two pipes, or one that is a stream already.
type side struct {
	*net.UnixConn
	r, w *os.File
	ours Stream
}

func (s *side) Read(p []byte) (int, error) {
	switch {
	case s.r != nil:
		return s.r.Read(p)
	case s.UnixConn != nil:
		return s.UnixConn.Read(p)
	}
	n, _, err := s.ours.recv(p)
	return n, err
}

func (s *side) Write(p []byte) (int, error) {
	switch {
	case s.w != nil:
		return s.w.Write(p)
	case s.UnixConn != nil:
		return s.UnixConn.Write(p)
	}
	for n := 0; n < len(p); {
		sent, err := s.ours.send(p[n:], nil, true)
		if n += sent; err != nil {
			return n, err
		}
	}
	return len(p), nil
}

func (s *side) Close() error {
	switch {
	case s.r != nil:
		return errors.Join(s.r.Close(), s.w.Close())
	case s.UnixConn != nil:
		return s.UnixConn.Close()
	}
	return s.ours.Close()
}

// deafen has this end, which is no stream yet, take nothing more; it can still be written.
func (s *side) deafen() error {
	if s.r != nil {
		return s.r.Close()
	}
	return s.CloseRead()
}

func (s *side) stream(t testing.TB) (st Stream) {
	t.Helper()
	var err error
	switch {
	case s.r != nil:
		st, err = Pipes(s.r, s.w)
	case s.UnixConn != nil:
		st, err = socket(s.UnixConn)
	default:
		return s.ours
	}
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// sides are two ends of a stream.
func sides(t testing.TB) (a, b *side) {
	t.Helper()
	if plain {
		return pipes2(t)
	}
	return sockets(t)
}

// pipes2 are two ends of a plain stream. A link of b may wait where it is, as a worker's does.
func pipes2(t testing.TB) (a, b *side) {
	t.Helper()
	ours, r, w, err := NewPipes()
	if err != nil {
		t.Fatal(err)
	}
	return &side{ours: ours}, &side{r: r, w: w}
}

// owner is a Peer made of functions; what is nil breaks a rule.
type owner struct {
	serve   func(*Exchange)
	control func(topic string, payload []byte, answer func(bool, []byte)) error
	note    func(topic string, payload []byte) error
	trace   func(sub uint32, p []byte, events, dropped int) error
	board   func(f *os.File) error
	serving sync.WaitGroup
}

func (o *owner) Serve(x *Exchange) error {
	if o.serve == nil {
		return protocolError("unexpected exchange")
	}
	o.serving.Go(func() { o.serve(x) })
	return nil
}

func (o *owner) Control(topic string, payload []byte, answer func(bool, []byte)) error {
	if o.control == nil {
		return protocolError("unexpected question")
	}
	return o.control(topic, payload, answer)
}

func (o *owner) Note(topic string, payload []byte) error {
	if o.note == nil {
		return protocolError("unexpected note")
	}
	return o.note(topic, payload)
}

func (o *owner) Trace(sub uint32, p []byte, events, dropped int) error {
	if o.trace == nil {
		return protocolError("unexpected trace")
	}
	return o.trace(sub, p, events, dropped)
}

func (o *owner) Board(f *os.File) error {
	if o.board == nil {
		return protocolError("unexpected board")
	}
	return o.board(f)
}

// running is a link that is run by a goroutine until the test ends.
type running struct {
	*Link
	t    testing.TB
	done chan struct{}
	err  error // once done is closed
}

func run(t testing.TB, s *side, o *owner, front bool) *running {
	t.Helper()
	l := NewLink(s.stream(t), o, front, []byte("{}"), func([]byte) error { return nil })
	r := &running{Link: l, t: t, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = l.Run()
	}()
	t.Cleanup(func() {
		l.Close(nil)
		soon(t, "the end of the link", r.done)
		o.serving.Wait()
	})
	return r
}

// over is why the link ended.
func (r *running) over() error {
	r.t.Helper()
	soon(r.t, "the end of the link", r.done)
	return r.err
}

// pair is a front and a worker that serves.
func pair(t testing.TB, serve func(*Exchange)) (front, worker *running) {
	t.Helper()
	a, b := sides(t)
	return run(t, a, &owner{}, true), run(t, b, &owner{serve: serve}, false)
}

// peer is the other end of a link as a program that writes what it likes.
type peer struct {
	*side
	t   testing.TB
	buf []byte
}

// against is a front's link whose worker is the test itself; the greetings are over.
func against(t testing.TB, o *owner) (*running, *peer) {
	t.Helper()
	a, b := sides(t)
	p := &peer{side: b, t: t}
	t.Cleanup(func() { b.Close() })
	l := run(t, a, o, true)
	p.want(kHello)
	p.put(appendFrame(nil, kHello, 0, 0, []byte("{}")))
	return l, p
}

// put writes; that the link is over already is no error.
func (p *peer) put(b []byte) {
	if _, err := p.Write(b); err != nil && !errors.Is(err, errClosedPipe) && !errors.Is(err, errBrokenPipe) && !errors.Is(err, syscall.ECONNRESET) {
		p.t.Error(err)
	}
}

// next is the next frame.
func (p *peer) next() (frame, error) {
	for {
		f, size, err := parseFrame(p.buf)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(p.buf) >= size {
			f.payload = append([]byte(nil), f.payload...)
			p.buf = p.buf[size:]
			return f, nil
		}
		more := make([]byte, 64<<10)
		n, err := p.Read(more)
		if p.buf = append(p.buf, more[:n]...); err != nil {
			return frame{}, err
		}
	}
}

// want is the next frame of a kind; those of others are dropped.
func (p *peer) want(k kind) frame {
	p.t.Helper()
	for {
		f, err := p.next()
		if err != nil {
			p.t.Fatalf("waiting for %v: %v", k, err)
		}
		if f.kind == k {
			return f
		}
	}
}

// client is an Asker made of functions.
type client struct {
	question func(Topic, []byte) (bool, []byte, *os.File)
	child    func(*Exchange)

	mu     sync.Mutex
	reason string
	hangUp bool
}

func (c *client) Head(_ int, reason string) { c.reason = reason }

func (c *client) HangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangUp = true
}

func (c *client) Question(topic Topic, payload []byte) (bool, []byte, *os.File) {
	if c.question == nil {
		return false, nil, nil
	}
	return c.question(topic, payload)
}

func (c *client) Child(x *Exchange) {
	if c.child == nil {
		x.End(Result{})
		return
	}
	c.child(x)
}

// page is a ResponseWriter that tells what it was given.
type page struct {
	header  http.Header
	status  int
	interim []int
	write   func([]byte) (int, error) // nil: the bytes are counted
	n       int
	flushes int
}

func (p *page) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}

func (p *page) WriteHeader(status int) {
	if status < 200 {
		p.interim = append(p.interim, status)
		return
	}
	p.status = status
}

func (p *page) Write(b []byte) (int, error) {
	if p.write != nil {
		return p.write(b)
	}
	p.n += len(b)
	return len(b), nil
}

func (p *page) FlushError() error { p.flushes++; return nil }

// answer is what Do returned.
type answer3 struct {
	res   Result
	began bool
	err   error
}

func get() *Request {
	return &Request{HTTP: Message{Method: "GET", URI: "/", Proto: "HTTP/1.1", Major: 1, Minor: 1, Path: "/", Whole: true}}
}

func post(length int64) *Request {
	q := get()
	q.HTTP.Method, q.HTTP.Whole, q.HTTP.Length = "POST", false, length
	return q
}

// do runs Do in a goroutine.
func do(t testing.TB, l *running, w http.ResponseWriter, q *Request, body io.Reader, a Asker, leave <-chan struct{}) <-chan answer3 {
	c := make(chan answer3, 1)
	go func() {
		var r answer3
		r.res, r.began, r.err = l.Do(t.Context(), w, q, body, nil, a, leave)
		c <- r
	}()
	return c
}

// must is the result of an exchange that goes well.
func must(t testing.TB, c <-chan answer3) Result {
	t.Helper()
	r := soon(t, "the answer", c)
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.res
}

// number makes a payload of numbers.
func numbers(n ...uint64) (b []byte) {
	for _, v := range n {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func resultFrame(id uint64) []byte {
	r := Result{}
	r.Status = 200
	return end(r.append(begin(nil, kEnd, 0, id)), 0)
}

func headFrame(id uint64, status int) []byte {
	h := head{status: status}
	return end(h.append(begin(nil, kHead, 0, id)), 0)
}

func isProtocol(err error, what string) error {
	var p *ProtocolError
	if !errors.As(err, &p) {
		return fmt.Errorf("got %w, want a protocol error", err)
	}
	if p.What != what {
		return fmt.Errorf("got %q, want %q", p.What, what)
	}
	return nil
}
