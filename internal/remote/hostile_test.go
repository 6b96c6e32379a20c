//go:build linux

package remote_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/wire"
)

// A worker that is no worker: this program with the argument "hostile" greets, says that it has loaded an image, and does
// something else than it should with each request. It knows the protocol from its page only.

func init() {
	if len(os.Args) == 4 && os.Args[1] == "hostile" {
		seed, _ := strconv.ParseUint(os.Args[3], 10, 64)
		playVillain(os.Args[2], seed)
		os.Exit(0)
	}
}

// Kinds of frames.
const (
	hello = 1 + iota
	request
	body
	cancel
	window
	gone
	reply
	head
	data
	file
	credit
	call
	finish
	control
	answer
	note
)

type villain struct {
	*rand.Rand
	c     *net.UnixConn // nil: its stream is plain
	deaf  atomic.Bool
	board string // path, on a plain stream

	cancelled chan struct{} // one for each CANCEL
	ended     chan struct{} // one for each END
	replied   chan struct{} // one for each REPLY
	files     chan *os.File // those it was given
}

// Read reads from the front. What comes with the bytes goes to files.
func (v *villain) Read(p []byte) (int, error) {
	if v.c == nil {
		return os.Stdin.Read(p)
	}
	oob := make([]byte, 1000)
	n, oobn, _, _, err := v.c.ReadMsgUnix(p, oob)
	if messages, _ := unix.ParseSocketControlMessage(oob[:oobn]); len(messages) > 0 {
		fds, _ := unix.ParseUnixRights(&messages[0])
		for _, fd := range fds {
			v.files <- os.NewFile(uintptr(fd), "given")
		}
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func framed(kind, flags byte, id uint64, payload ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(b, kind, flags, 0, 0)
	return append(binary.LittleEndian.AppendUint64(b, id), payload...)
}

func text(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

// reading is the next frame from the front.
func (v *villain) reading() (kind byte, id uint64, payload []byte) {
	var h [16]byte
	_, err := io.ReadFull(v, h[:])
	if err == nil {
		payload = make([]byte, binary.LittleEndian.Uint32(h[:]))
		_, err = io.ReadFull(v, payload)
	}
	switch {
	case v.deaf.Load():
		time.Sleep(time.Hour)
	case err != nil: // the front is through with us
		os.Exit(0)
	}
	return h[4], binary.LittleEndian.Uint64(h[8:]), payload
}

// send writes; when nobody reads any more, it waits for its end.
func (v *villain) send(frames ...[]byte) {
	write := os.Stdout.Write
	if v.c != nil {
		write = v.c.Write
	}
	for _, b := range frames {
		if _, err := write(b); err != nil {
			time.Sleep(time.Hour)
		}
	}
}

func playVillain(part string, seed uint64) {
	v := &villain{
		Rand: rand.New(rand.NewPCG(seed, 0)), cancelled: make(chan struct{}, 1000), ended: make(chan struct{}, 1000),
		replied: make(chan struct{}, 1000), files: make(chan *os.File, 100),
	}
	if plain {
		signal.Ignore(unix.SIGPIPE) // it goes on as others do when nobody reads
	} else {
		f := os.NewFile(3, "stream")
		c, err := net.FileConn(f)
		if err != nil {
			panic(err)
		}
		f.Close()
		v.c = c.(*net.UnixConn)
	}
	mine, _ := json.Marshal(map[string]any{"version": wire.Version, "software": executor.Software, "pid": os.Getpid()})
	v.send(framed(hello, 0, 0, mine...), framed(note, 0, 0, text("ready")...))
	for {
		kind, id, payload := v.reading()
		switch kind {
		case hello:
			var h wire.FrontHello
			if err := json.Unmarshal(payload, &h); err != nil {
				panic(err)
			}
			v.board = h.Board
		case control:
			v.send(framed(answer, 0, id, []byte("a villain")...))
		case request:
			for _, list := range []map[string]func(*villain, uint64, []byte){crimes, filterCrimes, newsCrimes, boardCrimes} {
				if do := list[part]; do != nil {
					go do(v, id, payload)
				}
			}
		case cancel:
			v.cancelled <- struct{}{}
		case finish:
			seen(v.ended)
		case reply:
			seen(v.replied)
		}
	}
}

// seen notes one more; that somebody waits for so many does not happen.
func seen(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func headOf(id uint64, status uint64) []byte {
	return framed(head, 0, id, append(binary.AppendUvarint(nil, status), 0, 0)...)
}

func endOf(id uint64) []byte { return framed(finish, 0, id, 200, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) }

func page(id uint64, text string) [][]byte {
	return [][]byte{headOf(id, 200), framed(data, 0, id, []byte(text)...), endOf(id)}
}

func uint32s(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// childOf is a request for an error page. Its zeros are empty texts and headers, and lengths of 0.
func childOf(id, parent uint64) []byte {
	p := append(binary.AppendUvarint([]byte{2, 0}, parent), 0, 144, 3, 0, 0, 0, 0, 0) // sub-status, timed, host, ID, trace context
	return framed(request, 0, id, append(append(p, make([]byte, targetBytes)...), make([]byte, messageBytes)...)...)
}

// Lengths of what is empty.
const (
	targetBytes  = 6
	messageBytes = 11 + 2 + 3 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1
)

// withDescriptors sends a frame with n descriptors.
func (v *villain) withDescriptors(b []byte, n int) {
	if v.c == nil {
		v.send(b)
		return
	}
	fds := make([]int, n)
	for i := range fds {
		fds[i] = 0
	}
	if _, _, err := v.c.WriteMsgUnix(b, unix.UnixRights(fds...), nil); err != nil {
		time.Sleep(time.Hour)
	}
}

// crimes are what is done with a request.
var crimes = map[string]func(v *villain, id uint64, payload []byte){
	"honest": func(v *villain, id uint64, _ []byte) { v.send(page(id, "fine")...) },
	"noise": func(v *villain, _ uint64, _ []byte) {
		b := make([]byte, 1<<16)
		for {
			for i := range b {
				b[i] = byte(v.Uint32())
			}
			v.send(b)
		}
	},
	"zeros":          func(v *villain, _ uint64, _ []byte) { v.send(make([]byte, 100)) },
	"other-request":  func(v *villain, id uint64, _ []byte) { v.send(page(id+2, "for somebody else")...) },
	"request-before": func(v *villain, id uint64, _ []byte) { v.send(page(id-2, "for somebody else")...) },
	"end-twice":      func(v *villain, id uint64, _ []byte) { v.send(endOf(id), endOf(id)) },
	"data-first":     func(v *villain, id uint64, _ []byte) { v.send(framed(data, 0, id, []byte("x")...)) },
	"head-twice":     func(v *villain, id uint64, _ []byte) { v.send(headOf(id, 200), headOf(id, 200)) },
	"status":         func(v *villain, id uint64, _ []byte) { v.send(headOf(id, 101)) },
	"length": func(v *villain, id uint64, _ []byte) {
		v.send(framed(head, 0, id)[:0], []byte{255, 255, 255, 255}, headOf(id, 200)[4:])
	},
	"reply":           func(v *villain, id uint64, _ []byte) { v.send(framed(reply, 0, id, 1)) },
	"answer":          func(v *villain, id uint64, _ []byte) { v.send(framed(answer, 0, id)) },
	"control":         func(v *villain, id uint64, _ []byte) { v.send(framed(control, 0, id+1, text("load")...)) },
	"note":            func(v *villain, _ uint64, _ []byte) { v.send(framed(note, 0, 0, text("own")...)) },
	"ready-twice":     func(v *villain, _ uint64, _ []byte) { v.send(framed(note, 0, 0, text("ready")...)) },
	"bad-log":         func(v *villain, _ uint64, _ []byte) { v.send(framed(note, 0, 0, append(text("log"), 255)...)) },
	"hello":           func(v *villain, _ uint64, _ []byte) { v.send(framed(hello, 0, 0, []byte("{}")...)) },
	"request":         func(v *villain, _ uint64, payload []byte) { v.send(framed(request, 0, 2, payload...)) },
	"orphan":          func(v *villain, id uint64, _ []byte) { v.send(childOf(2, id+100)) },
	"credit":          func(v *villain, id uint64, _ []byte) { v.send(framed(credit, 0, id, uint32s(100)...)) },
	"file-of-nothing": func(v *villain, id uint64, _ []byte) { v.send(headOf(id, 200), framed(file, 0, id, 0, 100)) },
	"descriptor":      func(v *villain, id uint64, _ []byte) { v.withDescriptors(headOf(id, 200), 1) },
	"descriptors":     func(v *villain, id uint64, _ []byte) { v.withDescriptors(headOf(id, 200), 100) },
	"many-descriptors": func(v *villain, id uint64, _ []byte) {
		for {
			v.withDescriptors(headOf(id, 103), 3)
		}
	},
	"window": func(v *villain, id uint64, _ []byte) { // the client does not read
		v.send(headOf(id, 200))
		for {
			v.send(framed(data, 0, id, make([]byte, 32<<10)...))
		}
	},
	"questions": func(v *villain, id uint64, _ []byte) { // the client does not read, and an abort waits for it
		v.send(headOf(id, 200), framed(data, 0, id, 1))
		for i := uint64(1); ; i++ {
			v.send(framed(call, 0, id, append(binary.AppendUvarint(nil, i), 3)...))
		}
	},
	"children": func(v *villain, id uint64, _ []byte) {
		for i := range uint64(100_000) {
			v.send(childOf(2+2*i, id))
		}
	},
	"big-heads": func(v *villain, id uint64, _ []byte) { // the client does not read
		v.send(headOf(id, 200), framed(data, 0, id, 1))
		big := framed(head, 0, id, append([]byte{200, 1, 0}, make([]byte, 1<<20-3)...)...)
		for {
			v.send(big)
		}
	},
	"bad-header": func(v *villain, id uint64, _ []byte) {
		v.send(framed(head, 0, id, append([]byte{200, 1, 0, 255, 255, 31}, make([]byte, 1<<20-6)...)...))
	},

	// These break no rule.
	"never": func(*villain, uint64, []byte) {},
	"interim": func(v *villain, id uint64, _ []byte) {
		for {
			v.send(headOf(id, 103))
		}
	},
	"endless": func(v *villain, id uint64, _ []byte) {
		v.send(headOf(id, 200))
		for {
			v.send(framed(data, 0, id))
		}
	},
	"late": func(v *villain, id uint64, payload []byte) {
		<-v.cancelled
		v.send(page(id, "late")...)
	},
	"deaf": func(v *villain, id uint64, _ []byte) {
		v.deaf.Store(true)
		deafen := os.Stdin.Close
		if v.c != nil {
			deafen = v.c.CloseRead
		}
		if err := deafen(); err != nil {
			panic(err)
		}
		v.send(headOf(id, 103))
	},
	"exit":        func(v *villain, id uint64, _ []byte) { v.send(headOf(id, 200)); os.Exit(3) },
	"last-answer": func(v *villain, id uint64, _ []byte) { v.send(page(id, "fine")...); os.Exit(3) },
	"mutated":     mutated,
}

// mutated sends frames that were valid before a few of their bits changed, and zeros behind them, so that it is never the
// front's turn to wait.
func mutated(v *villain, id uint64, payload []byte) {
	valid := [][]byte{
		headOf(id, 200), headOf(id, 103), framed(data, 0, id, []byte("data")...), framed(data, 1, id), endOf(id), framed(credit, 0, id, uint32s(1000)...),
		framed(call, 0, id, 1, 1, '/'), framed(call, 0, id, 2, 2), framed(call, 0, id, 3, 3), framed(call, 0, id, 4, 5), childOf(2, id), childOf(4, id),
		framed(window, 0, 2, uint32s(10)...), framed(gone, 0, 2, uint32s(1)...), framed(body, 0, 2, []byte("body")...), framed(body, 4, 2, 3, 0),
		framed(cancel, 0, 2), framed(reply, 0, 2, 1), framed(note, 0, 0, append(text("log"), 1, 2, 8, 4, 't', 'e', 'x', 't', 1, 1, 'k', 0, 1, 'v')...),
		framed(note, 0, 0, append(text("faulted"), "\x01{\"Text\":\"fault\"}"...)...), framed(note, 0, 0, foundOf(1, 1, "two_async", 0)...),
		framed(note, 0, 0, countersOf(1, counted{"jobs", 1, nil})...), framed(traced, 0, 0, 1, 2, 3, 4, 5), framed(note, 0, 0, append(text("unhealthy"), "\x01why"...)...),
		framed(call, 0, id, append([]byte{5, 6}, make([]byte, messageBytes)...)...), logon(id, 6, "alice", "wonderland"),
		answerOf(8, id, nil, nobody), answerOf(10, id, [][]byte{{0, 1, '/'}}, user("alice", "wonderland")), framed(note, 0, 0, append(text("ended"), 1)...),
		framed(answer, 0, id, 1), framed(control, 0, 2, text("ping")...), framed(request, 0, 6, payload...),
		framed(head, 0, id, append([]byte{200, 1, 2, 'O', 'K', 1, 1, 'A', 2, 1, 'a', 1}, []byte("b")...)...),
	}
	for range 1 + v.IntN(6) {
		b := append([]byte(nil), valid[v.IntN(len(valid))]...)
		for range v.IntN(3) {
			b[v.IntN(len(b))] ^= 1 << v.IntN(8)
		}
		if v.IntN(20) == 0 {
			v.withDescriptors(framed(file, 0, id, byte(v.IntN(2)), byte(v.IntN(100))), v.IntN(3))
		}
		v.send(b)
	}
	for {
		v.send(make([]byte, 64<<10))
	}
}

// scene is where a villain is tried: a folder for its images, of which nothing may be left, as of its processes and what
// they made in this one.
type scene struct {
	t       *testing.T
	place   *place        // where requests lead that go through filters; nil: they go through none
	sandbox *wire.Sandbox // of workers
	look    func(*remote.Settings)
}

func newScene(t *testing.T) *scene {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	warmUp()
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors()
	t.Cleanup(func() {
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%d files are left, as %s", len(left), left[0].Name())
		}
		for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines || openDescriptors() > descriptors; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d descriptors, there were %d; %d goroutines, there were %d:\n%s", openDescriptors(), descriptors,
					runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
	return &scene{t: t}
}

// warmUp makes the descriptors that the runtime keeps for itself from the first pipe on.
var warmUp = sync.OnceFunc(func() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
})

func openDescriptors() int {
	entries, _ := os.ReadDir("/dev/fd")
	return len(entries)
}

// villain is a worker of that kind, with an image that it says to have loaded.
func (s *scene) villain(part string, seed uint64, limit time.Duration) (*remote.Worker, *remote.Image) {
	s.t.Helper()
	w, i, err := s.start(part, seed, limit)
	if err != nil {
		s.t.Fatal(err)
	}
	return w, i
}

func (s *scene) start(part string, seed uint64, limit time.Duration) (*remote.Worker, *remote.Image, error) {
	log := slog.New(slog.DiscardHandler)
	set := remote.Settings{
		Name: "villain/1", Command: []string{os.Args[0], "hostile", part, strconv.FormatUint(seed, 10)}, Log: log, Sandbox: s.sandbox,
		Spec: proc.Spec{Env: append(os.Environ(), "GORACE=atexit_sleep_ms=0", "GOMAXPROCS=1")},
	}
	if s.look != nil {
		s.look(&set)
	}
	w, err := remote.Start(s.t.Context(), set)
	if err != nil {
		return nil, nil, err
	}
	s.t.Cleanup(func() {
		w.Kill("the test is over")
		<-w.Gone()
	})
	i, err := w.Load(s.t.Context(), "none.so", executor.Options{Logger: log, Limit: limit})
	return w, i, err
}

// dead is the obituary of a worker. Its process is gone.
func (s *scene) dead(w *remote.Worker) *remote.Obituary {
	s.t.Helper()
	select {
	case <-w.Gone():
	case <-time.After(time.Minute):
		panic("the worker stays")
	}
	if err := unix.Kill(w.Pid(), 0); !errors.Is(err, unix.ESRCH) {
		s.t.Errorf("process %d is still there: %v", w.Pid(), err)
	}
	return w.Obituary()
}

// client is a ResponseWriter that takes nothing before it is let go, if it has a gate. It passes interim heads over.
type client struct {
	*httptest.ResponseRecorder
	gate <-chan struct{}
}

func (c client) WriteHeader(status int) {
	if status >= 200 {
		c.ResponseRecorder.WriteHeader(status)
	}
}

func (c client) Write(p []byte) (int, error) {
	if c.gate != nil {
		<-c.gate
	}
	return c.ResponseRecorder.Write(p)
}

// theID is that of each request.
const theID = 77

type outcome struct {
	rec *httptest.ResponseRecorder
	res executor.Result
	err error
}

// ask runs one request; the client takes bytes when the worker is dead, or at once.
func (s *scene) ask(w *remote.Worker, i *remote.Image, slow bool) outcome {
	s.t.Helper()
	o := outcome{rec: httptest.NewRecorder()}
	rw := client{ResponseRecorder: o.rec}
	if slow {
		rw.gate = w.Gone()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequest("POST", "/x", strings.NewReader("body"))
		t := &executor.Target{Host: pages{}, Trail: &executor.Trail{}}
		t.Trail.Reset(theID, time.Now())
		if s.place != nil {
			t.Host = s.place
			t.Filtered = &executor.Filtered{Filters: []executor.FilterRef{{Image: "none.so"}}, Route: s.place.route(r), Host: s.place}
		}
		o.res, o.err = i.Execute(rw, r, t)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		panic("the request does not end")
	}
	return o
}

// pages is a host that has error pages only.
type pages struct{}

func (pages) Map(string) (executor.Mapping, error) {
	return executor.Mapping{}, errors.New("there are no files")
}

func (pages) Exec(w http.ResponseWriter, _ *http.Request, _ bool) { w.WriteHeader(404) }

func (pages) Error(w http.ResponseWriter, _ *http.Request, status, _ int) {
	if status < 200 || status > 599 {
		status = 500
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "page %d", status)
}

// TestVillains: what breaks a rule costs the worker its life, and the front nothing.
func TestVillains(t *testing.T) {
	for part := range crimes {
		switch part {
		case "honest", "never", "interim", "endless", "late", "deaf", "exit", "last-answer", "mutated":
			continue
		case "descriptor", "descriptors", "many-descriptors":
			if plain { // there are none, and what is left of it breaks no rule
				continue
			}
		}
		t.Run(part, func(t *testing.T) {
			s := newScene(t)
			w, i := s.villain(part, 1, 0)
			slow := part == "window" || part == "questions" || part == "big-heads"
			o := s.ask(w, i, slow)
			obit := s.dead(w)
			if !strings.HasPrefix(obit.Reason, "protocol error: ") {
				t.Errorf("the obituary says %q: %v", obit.Reason, obit)
			}
			var lost *remote.Lost
			if part == "end-twice" {
				if o.err != nil {
					t.Errorf("it had its answer: %v", o.err)
				}
			} else if !errors.As(o.err, &lost) || lost.Obit != obit {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestHonestVillain: the villain's own protocol is right, or the tests of this file would say little.
func TestHonestVillain(t *testing.T) {
	s := newScene(t)
	w, i := s.villain("honest", 1, 0)
	for range 10 {
		if o := s.ask(w, i, false); o.err != nil || o.rec.Code != 200 || o.rec.Body.String() != "fine" {
			t.Fatalf("%+v", o)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := w.Stop(ctx); err != nil {
		t.Error(err)
	}
	s.dead(w)
}

// TestNoAnswer: a worker that answers too late or never costs its request the limit: 504, or a broken response if one had begun.
func TestNoAnswer(t *testing.T) {
	for _, part := range []string{"never", "interim", "endless", "late"} {
		t.Run(part, func(t *testing.T) {
			s := newScene(t)
			w, i := s.villain(part, 1, 20*time.Millisecond)
			for range 3 {
				o := s.ask(w, i, false)
				switch {
				case o.err != nil:
					t.Errorf("%v", o.err)
				case part == "endless" && !o.res.Broken, part != "endless" && (o.rec.Code != 504 || o.rec.Body.String() != "page 504"):
					t.Errorf("%+v, %d %q", o.res, o.rec.Code, o.rec.Body)
				}
				if part == "interim" || part == "endless" { // one is enough for two cores
					break
				}
			}
			w.Kill("it hangs")
			if obit := s.dead(w); obit.Reason != "killed: it hangs" {
				t.Errorf("%q", obit.Reason)
			}
		})
	}
}

// TestNotTaken: a worker that takes nothing more is known to be lost at the next thing that is sent to it.
func TestNotTaken(t *testing.T) {
	s := newScene(t)
	w, i := s.villain("deaf", 1, 50*time.Millisecond)
	if o := s.ask(w, i, false); o.err != nil || o.rec.Code != 504 {
		t.Errorf("%+v", o)
	}
	var lost *remote.Lost
	for o := (outcome{}); !errors.As(o.err, &lost); { // CANCEL was the next thing
		if o = s.ask(w, i, false); o.err == nil && o.rec.Code != 504 {
			t.Fatalf("%+v", o)
		}
	}
	s.dead(w)
}

// TestLastAnswer: an answer that a worker gave just before its end counts.
func TestLastAnswer(t *testing.T) {
	s := newScene(t)
	for range 20 {
		w, i := s.villain("last-answer", 1, 0)
		if o := s.ask(w, i, false); o.err != nil || o.rec.Body.String() != "fine" {
			t.Errorf("%+v", o)
		}
		if obit := s.dead(w); obit.Exit.Code != 3 || obit.Reason != "" {
			t.Errorf("%v", obit)
		}
	}
	w, i := s.villain("exit", 1, 0)
	o := s.ask(w, i, false)
	var lost *remote.Lost
	if !errors.As(o.err, &lost) || !lost.Began {
		t.Errorf("%+v", o)
	}
	s.dead(w)
}

// TestMutatedWorkers: sessions with frames that were valid once. Thousands with ISAPID_SOAK set.
func TestMutatedWorkers(t *testing.T) {
	sessions := 300
	if os.Getenv("ISAPID_SOAK") != "" {
		sessions = 5000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := newScene(t)
	s.place = newPlace(t)
	before := heap()
	var all sync.WaitGroup
	next := make(chan uint64)
	for range 2 {
		all.Go(func() {
			for n := range next {
				w, i, err := s.start("mutated", n, 0)
				if err != nil {
					t.Errorf("seed %d: %v", n, err)
					continue
				}
				o := s.ask(w, i, false)
				var lost *remote.Lost
				if o.err != nil && !errors.As(o.err, &lost) {
					t.Errorf("seed %d: %v", n, o.err)
				}
				if obit := s.dead(w); !strings.HasPrefix(obit.Reason, "protocol error: ") {
					t.Errorf("seed %d: the obituary says %q: %v", n, obit.Reason, obit)
				}
			}
		})
	}
	for n := range uint64(sessions) {
		next <- seed + n
	}
	close(next)
	all.Wait()
	if after := heap(); after > before+32<<20 {
		t.Errorf("%d bytes are in use after %d sessions, before there were %d", after, sessions, before)
	}
}

// heap is what is in use, in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
