package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Peer is who owns a link: what it does when the other end asks for something. The methods are called on the goroutine
// that reads; they must not block. An error is a broken rule and ends the link.
type Peer interface {
	// Serve answers an exchange that the other end opened, in a goroutine of its own, until [Exchange.End].
	Serve(x *Exchange) error
	// Control is asked something; it calls answer once, from any goroutine.
	Control(topic string, payload []byte, answer func(ok bool, payload []byte)) error
	// Note is told something.
	Note(topic string, payload []byte) error
	// Trace is given events of calls, in a front: see [trace.Sink]. Nothing is kept of p.
	Trace(subscription uint32, p []byte, events, dropped int) error
	// Board is given the file of a board, in a worker, before anything else but the greeting: see [MapBoard]. The caller closes it.
	Board(f *os.File) error
}

// Link is one end of the stream. Make it with [NewLink], then call Run.
type Link struct {
	conn  Stream
	peer  Peer
	odd   bool // ids of exchanges we open
	send  sender
	recv  receiver
	hello bool // the other end's came
	heard bool // something came after it
	mem   regions
	greet func(payload []byte) error

	nextID atomic.Uint64

	mu      sync.Mutex // guards all below
	asked   map[uint64]*Call
	served  map[uint64]*Exchange
	waiting map[uint64]chan answer // for kAnswer
	lastID  uint64                 // highest id the other end opened
	err     error                  // why the link is over

	closing sync.Once
	down    chan struct{} // closed when the link is over
}

type answer struct {
	ok      bool
	payload []byte
}

// ErrDown is why something is not done on a link that is over; what ended it is wrapped beside it.
var ErrDown = errors.New("link is down")

// NewLink makes an end of a link of a stream, which it owns from then on. front is the end that opens exchanges with odd ids. hello is
// what this end says first; greet is called with what the other end says first.
func NewLink(s Stream, peer Peer, front bool, hello []byte, greet func([]byte) error) *Link {
	l := &Link{
		conn: s, peer: peer, odd: front, greet: greet,
		asked: map[uint64]*Call{}, served: map[uint64]*Exchange{}, waiting: map[uint64]chan answer{}, down: make(chan struct{}),
	}
	l.nextID.Store(2)
	if front {
		l.nextID.Store(1)
	}
	l.mem.none = s.plain
	l.send.to, l.recv.from = s, s
	l.send.patient = s.waits && !front
	l.send.broken = l.deaf
	l.write(appendFrame(nil, kHello, 0, 0, hello))
	return l
}

// Run reads until the link is over and says why: io.EOF when the other end closed it or ended. Everything that waited for the
// other end has been told when it returns, and the stream is closed. Where a read cannot be ended, as that of a standard handle on
// Windows, it returns when the other end has ended.
func (l *Link) Run() error {
	err := l.recv.run(l.handle)
	switch {
	case errors.Is(err, syscall.ECONNRESET): // it ended with something of ours unread
		err = io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = l.silenced()
	}
	l.Close(err)
	l.send.late.Wait()
	l.recv.close()
	return l.Err()
}

// lastWords is how long is read on from a peer that takes nothing any more.
const lastWords = time.Second

// deaf: nothing can be sent any more. What the other end sent before that is still good: answers, or why it ended. It has no time
// for that if it only stopped reading. This may be called with any lock held.
func (l *Link) deaf(why error) {
	if errors.Is(why, errBacklog) {
		l.expireAt(time.Unix(1, 0))
		return
	}
	l.Expire()
}

// silenced is why the link is over when its end came by a deadline.
func (l *Link) silenced() error {
	if err := l.send.failed(); err != nil {
		return err
	}
	return io.EOF
}

// expireAt has the link end at a time, if the other end has not ended it by then. Where a read cannot be ended Run does not return, but
// everybody else is told: see [Link.Down].
func (l *Link) expireAt(t time.Time) {
	if l.conn.SetReadDeadline(t) != nil {
		time.AfterFunc(time.Until(t), func() { l.Close(l.silenced()) })
	}
}

// Expire says that the other end has ended, or is about to: what it sent is still read, for a second at most, then the link is over.
func (l *Link) Expire() { l.expireAt(time.Now().Add(lastWords)) }

// Close ends the link. Its first reason counts; all calls return when everybody has been told.
func (l *Link) Close(why error) {
	if why == nil {
		why = net.ErrClosed
	}
	l.closing.Do(func() { l.close(why) })
}

func (l *Link) close(why error) {
	l.mu.Lock()
	l.err = why
	calls, served, waiting := l.asked, l.served, l.waiting
	l.asked, l.served, l.waiting = map[uint64]*Call{}, map[uint64]*Exchange{}, map[uint64]chan answer{}
	l.mu.Unlock()
	_ = l.conn.Close()
	l.send.fail(why)
	close(l.down)
	for _, c := range calls {
		c.cut()
	}
	for _, x := range served {
		x.cut()
	}
	for _, w := range waiting {
		if w != nil {
			close(w)
		}
	}
	l.mem.close()
}

// Down is closed when the link is over.
func (l *Link) Down() <-chan struct{} { return l.down }

// Err is why the link is over; nil while it is not.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// downErr is what an operation on a link that is over fails with.
func (l *Link) downErr() error { return fmt.Errorf("%w: %w", ErrDown, l.Err()) }

// write sends frames. An error is not told: whoever waits for an answer learns it from Close.
func (l *Link) write(b []byte) { l.send.write(b, nil) }

// writeWithFile sends a frame with a descriptor, which it closes.
func (l *Link) writeWithFile(b []byte, f *os.File) { l.send.write(b, f) }

// handle is one frame, on the reading goroutine.
func (l *Link) handle(f *frame) error {
	if !l.hello {
		if f.kind != kHello || f.id != 0 {
			return protocolError("%v before HELLO", f.kind)
		}
		l.hello = true
		return l.greet(f.payload)
	}
	first := !l.heard
	l.heard = true
	switch f.kind {
	case kRequest:
		return l.opened(f)
	case kBody, kCancel, kWindow, kGone, kReply, kLend:
		return l.toServed(f)
	case kHead, kData, kFile, kCredit, kCall, kEnd:
		return l.toAsked(f)
	case kControl:
		return l.asksControl(f)
	case kAnswer:
		return l.answered(f)
	case kNote:
		d := decoder{b: f.payload}
		topic := d.string()
		if d.bad {
			return protocolError("NOTE without a topic")
		}
		return l.peer.Note(topic, d.b)
	case kRegion:
		return l.region(f)
	case kTrace:
		return l.traced(f)
	case kBoard:
		return l.boarded(f, first)
	default:
		return protocolError("unexpected %v", f.kind)
	}
}

// region is a REGION: in a worker a new one, in a front the answer.
func (l *Link) region(f *frame) error {
	if l.odd {
		return l.mem.answered(f)
	}
	answer, err := l.mem.offered(f, l.recv.takeFile())
	if answer != nil {
		l.write(answer)
	}
	return err
}

func (l *Link) ours(id uint64) bool { return id&1 == 1 == l.odd }

// opened is a REQUEST of the other end.
func (l *Link) opened(f *frame) error {
	if l.ours(f.id) || f.id == 0 {
		return protocolError("REQUEST with id %d", f.id)
	}
	q, err := decodeRequest(f.payload)
	if err != nil {
		return err
	}
	x := newExchange(l, f.id, q)
	l.mu.Lock()
	switch {
	case l.served[f.id] != nil:
		err = protocolError("REQUEST with id %d, which is open", f.id)
	case len(l.served) >= maxExchange:
		err = protocolError("more than %d exchanges", maxExchange)
	case l.err != nil:
		err = l.err
	default:
		l.lastID = max(l.lastID, f.id)
		l.served[f.id] = x
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if q.For == ForImage {
		return l.peer.Serve(x)
	}
	l.mu.Lock()
	parent := l.asked[q.Parent]
	l.mu.Unlock()
	if parent == nil {
		return protocolError("child of exchange %d, which is not open", q.Parent)
	}
	return parent.adopt(x)
}

// toServed is a frame for an exchange that we answer. It may come when that is over already.
func (l *Link) toServed(f *frame) error {
	l.mu.Lock()
	x, last := l.served[f.id], l.lastID
	l.mu.Unlock()
	if x == nil {
		if l.ours(f.id) || f.id == 0 || f.id > last {
			return protocolError("%v for exchange %d, which was never opened", f.kind, f.id)
		}
		return nil
	}
	return x.handle(f)
}

// toAsked is a frame for an exchange that we opened. None may come after its end.
func (l *Link) toAsked(f *frame) error {
	l.mu.Lock()
	c := l.asked[f.id]
	if c != nil && f.kind == kEnd {
		delete(l.asked, f.id)
	}
	l.mu.Unlock()
	if c == nil {
		return protocolError("%v for exchange %d, which is not open", f.kind, f.id)
	}
	return c.handle(f)
}

// Ask asks the other end something and waits for the answer, until cancel is closed. An answer of "no" is an error with its text.
func (l *Link) Ask(cancel <-chan struct{}, topic string, payload []byte) ([]byte, error) {
	id := l.takeID()
	w := make(chan answer, 1)
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return nil, l.downErr()
	}
	l.waiting[id] = w
	l.mu.Unlock()
	b := begin(nil, kControl, 0, id)
	b = append(appendText(b, topic), payload...)
	l.write(end(b, 0))
	select {
	case a, open := <-w:
		switch {
		case !open:
			return nil, l.downErr()
		case !a.ok:
			return nil, errors.New(string(a.payload))
		}
		return a.payload, nil
	case <-cancel:
		l.mu.Lock()
		if l.waiting[id] == w {
			l.waiting[id] = nil // the answer is still to come
		}
		l.mu.Unlock()
		return nil, ErrCancelled
	}
}

// ErrCancelled is why [Link.Ask] has no answer.
var ErrCancelled = errors.New("nobody waits for the answer any more")

func (l *Link) takeID() uint64 { return l.nextID.Add(2) }

func (l *Link) asksControl(f *frame) error {
	d := decoder{b: f.payload}
	topic := d.string()
	if d.bad {
		return protocolError("CONTROL without a topic")
	}
	id := f.id
	var once sync.Once
	return l.peer.Control(topic, d.b, func(ok bool, payload []byte) {
		once.Do(func() {
			flags := uint8(0)
			if !ok {
				flags = flagFailed
			}
			l.write(appendFrame(nil, kAnswer, flags, id, payload[:min(len(payload), maxMessage)]))
		})
	})
}

func (l *Link) answered(f *frame) error {
	l.mu.Lock()
	w, ok := l.waiting[f.id]
	delete(l.waiting, f.id)
	l.mu.Unlock()
	if !ok {
		return protocolError("ANSWER %d to nothing", f.id)
	}
	if w != nil {
		w <- answer{f.flags&flagFailed == 0, append([]byte(nil), f.payload...)}
	}
	return nil
}

// Tell tells the other end something that wants no answer. What is longer than a frame is not told.
func (l *Link) Tell(topic string, payload []byte) {
	b := begin(nil, kNote, 0, 0)
	if b = append(appendText(b, topic), payload...); len(b)-headerSize <= maxMessage {
		l.write(end(b, 0))
	}
}
