package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
)

// Asker is what the end that opened an exchange does for the other end besides taking the answer. Question and Child are called
// on goroutines of their own, which the exchange waits for.
type Asker interface {
	// Head is told of the reason phrase that the next head is to have; "" is the usual one.
	Head(status int, reason string)
	// Question answers a question about the request: its connection, its URL space. The descriptor, if there is one, is
	// passed along and closed.
	Question(topic Topic, payload []byte) (ok bool, answer []byte, file *os.File)
	// Child answers an exchange that the other end opened for this one.
	Child(x *Exchange)
	// HangUp: the connection is to end behind the response.
	HangUp()
}

// Call is an exchange that this end opened.
type Call struct {
	l     *Link
	id    uint64
	asker Asker
	wake  chan struct{}
	tasks sync.WaitGroup // questions, children, the pump

	body      io.Reader // what follows Message.Body; nil: nothing
	interrupt func()    // makes a read of body that waits fail

	mu       sync.Mutex // guards all below
	in       []byte     // frames not handled yet
	spare    []byte
	last     int // where the last frame of in begins, if more bytes may be added to it, else noData
	files    []*os.File
	filing   bool            // a FILE is not answered yet
	queued   int             // bytes of the answer received and not acknowledged
	down     bool            // the link is over
	left     bool            // nobody waits any more: what still comes is dropped
	asking   int             // questions open
	turns    []chan struct{} // questions that wait until the frames before them are handled
	children map[*Exchange]struct{}
	pump     *pump
	loans    loans

	// Only Do's goroutine has these.
	w       http.ResponseWriter
	began   bool
	gone    bool // the answer cannot be delivered
	unacked int
	result  Result
}

// Do opens an exchange and copies its answer to w. It returns when the exchange is over (error nil), the link is down
// (began says whether the head was handed to w by then), or leave is closed: then the exchange goes on without anybody who
// waits for it. A request that is too long for a frame fails with [ErrTooLong], and nothing has happened. body is what follows
// q.HTTP.Body, nil for nothing; interrupt makes a read of it that waits fail.
func (l *Link) Do(ctx context.Context, w http.ResponseWriter, q *Request, body io.Reader, interrupt func(), a Asker, leave <-chan struct{}) (res Result, began bool, err error) {
	c := &Call{l: l, asker: a, wake: make(chan struct{}, 1), last: noData, w: w, body: body, interrupt: interrupt}
	c.loans.keeps = q.HTTP.Major >= 2
	c.id = l.takeID()
	out := buffers.Get().(*[]byte)
	*out = end(q.append(begin((*out)[:0], kRequest, 0, c.id)), 0)
	if len(*out)-headerSize > maxRequest {
		putBuffer(out)
		c.finish()
		return res, false, ErrTooLong
	}
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		c.finish()
		return res, false, fmt.Errorf("%w: %w", ErrUnsent, l.downErr())
	}
	l.asked[c.id] = c
	l.mu.Unlock()
	l.write(*out)
	putBuffer(out)

	err = c.follow(ctx, leave)
	c.finish()
	return c.result, c.began, err
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func putBuffer(b *[]byte) {
	if cap(*b) <= 64<<10 {
		buffers.Put(b)
	}
}

// follow handles what comes until the end.
func (c *Call) follow(ctx context.Context, leave <-chan struct{}) error {
	cancelled := ctx.Done()
	for {
		select {
		case <-leave: // also when there is always something to do
			return c.abandon()
		default:
		}
		in, files, down := c.take()
		if len(in) > 0 {
			over, err := c.batch(in, files)
			if err != nil {
				c.l.Close(err)
				return c.l.downErr()
			}
			if over {
				return nil
			}
			continue
		}
		if down {
			return c.l.downErr()
		}
		select {
		case <-c.wake:
		case <-cancelled:
			cancelled = nil
			c.l.write(appendHeader(nil, kCancel, 0, c.id, 0))
		case <-leave:
			return c.abandon()
		}
	}
}

func (c *Call) abandon() error {
	c.l.write(appendNumber(appendHeader(nil, kCancel, 0, c.id, 0), kGone, c.id, uint32(BodyReset)))
	return ErrLeft
}

// Why [Link.Do] returned before the end, besides [ErrDown].
var (
	ErrLeft    = errors.New("the answer did not come in time")
	ErrUnsent  = errors.New("request was not sent") // the link was down already: the other end never heard of it
	ErrTooLong = fmt.Errorf("the head of the request has more than %d bytes", maxRequest)
)

// take is all that came since the last time.
func (c *Call) take() (in []byte, files []*os.File, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in, files = c.in, c.files
	c.in, c.spare, c.files, c.last = c.spare[:0], in, nil, noData
	return in, files, c.down
}

// finish lets go of everything.
func (c *Call) finish() {
	c.mu.Lock()
	c.left = true
	p, files, turns := c.pump, c.files, len(c.turns)
	children := slices.Collect(maps.Keys(c.children))
	c.files, c.in = nil, nil
	if len(files) > 0 {
		files[0].Close()
		c.refuse(0)
	}
	c.mu.Unlock()
	for _, x := range children {
		x.cut()
	}
	for range turns {
		c.nextTurn()
	}
	if c.body != nil && (p == nil || !p.stop()) {
		c.asker.HangUp() // the rest of the body is on the connection
	}
	c.tasks.Wait()
	c.leaveLoans()
}

// batch handles frames that are known to be well-formed in size and order of bytes.
func (c *Call) batch(in []byte, files []*os.File) (over bool, err error) {
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for len(in) > 0 && !over && err == nil {
		f, size, _ := parseFrame(in)
		in = in[size:]
		switch f.kind {
		case kHead:
			err = c.takeHead(&f)
		case kData:
			err = c.takeData(&f)
		case kFile:
			err = c.takeFile(&f, files[0])
			files[0].Close()
			files = files[1:]
		case kCall:
			c.nextTurn()
		case kEnd:
			c.result, err = decodeResult(f.payload)
			over = true
		default: // handle lets no others in
		}
	}
	if over && len(in) > 0 {
		err = protocolError("frames after END")
	}
	if over && err == nil && c.result.HangUp {
		c.asker.HangUp()
	}
	return over, err
}

// handle is a frame of the other end, on the reading goroutine.
func (c *Call) handle(f *frame) error {
	switch f.kind {
	case kCredit:
		return c.credit(f)
	case kCall:
		return c.question(f)
	default:
		return c.later(f)
	}
}

// later keeps a frame for Do's goroutine.
func (c *Call) later(f *frame) error {
	var file *os.File
	if f.kind == kFile {
		if file = c.l.recv.takeFile(); file == nil {
			return protocolError("FILE without a descriptor")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if file != nil {
		if c.filing {
			file.Close()
			return protocolError("FILE before the answer to the last")
		}
		c.filing = true
	}
	n := len(f.payload)
	if f.flags&flagRegion != 0 {
		var err error
		if n, err = f.shared(); err != nil {
			return err
		}
		if c.loans.down.region == nil {
			return protocolError("DATA in a region, and none is lent")
		}
	}
	if f.kind == kEnd {
		c.endLoans()
	}
	if c.left {
		if file != nil {
			file.Close()
			c.refuse(0)
		}
		return nil
	}
	if f.kind == kData {
		if c.queued += n; c.queued > c.loans.down.window() {
			return protocolError("more than %d bytes of an answer are on their way", c.loans.down.window())
		}
	}
	if file != nil {
		c.files = append(c.files, file)
	}
	c.keep(f)
	if len(c.in) > maxHeld {
		return protocolError("too many frames of one exchange at a time")
	}
	c.l.recv.wake(c)
	return nil
}

// keep queues a frame. Bytes of the answer are added to those that wait already, so that many short frames cost no more than
// few long ones.
func (c *Call) keep(f *frame) {
	if f.kind != kData {
		c.last = noData
	} else if in, ok := moreData(c.in, c.last, f.flags, f.payload); ok {
		c.in = in
		return
	} else {
		c.last = len(c.in)
	}
	if c.in == nil {
		c.in = make([]byte, 0, usualOut)
	}
	c.in = append(appendHeader(c.in, f.kind, f.flags, f.id, len(f.payload)), f.payload...)
}

func (c *Call) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// cut: the link is down.
func (c *Call) cut() {
	c.mu.Lock()
	c.down = true
	c.mu.Unlock()
	c.wakeUp()
}

// goneError is what a writer is told of an answer that cannot be delivered.
func goneError(why BodyError) error {
	if why == BodyTimeout {
		return os.ErrDeadlineExceeded
	}
	return syscall.ECONNRESET
}

func number64(b []byte) uint64 { v, _ := binary.Uvarint(b); return v }
