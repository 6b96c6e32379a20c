package wire

import (
	"context"
	"io"
	"os"
	"sync"
	"time"
)

// Exchange is one that the other end opened: what an http.Handler is given, over the link. It is an [http.ResponseWriter] that
// can all that net/http's own can, and its Body is a request body. End ends it.
type Exchange struct {
	Req *Request

	l  *Link
	id uint64

	ctx    context.Context
	cancel context.CancelFunc

	bodyWake   chan struct{}
	windowWake chan struct{}

	mu            sync.Mutex // guards all below
	body          []byte     // received and not read
	store         []byte     // the memory of body, from its beginning
	copying       bool       // the reader is at body
	outstanding   int        // bytes the other end may still send
	bodyEnd       bool
	bodyErr       error // returned when body is empty
	bodyTransient bool  // bodyErr is told once
	again         bool  // the other end waits for a CREDIT to try again
	readDeadline  time.Time
	window        int // bytes of the answer that may be sent
	writeDeadline time.Time
	gone          error // why the answer cannot be delivered
	isCut         bool  // the link is over, or nobody wants the answer
	asking        map[uint64]chan reply
	lastQuestion  uint64
	upUnread      int  // bytes of the body that are in the region and not read
	upUsed        bool // there were some
	over          bool // End was called

	touching sync.RWMutex // read-locked by whoever copies to or from a region, and taken before mu
	down, up ring         // regions, set once, for the answer and the body; who writes or reads has the place in them

	answering // the answer; only whoever writes it
}

// reply is the answer to a question.
type reply struct {
	ok      bool
	payload []byte
	file    *os.File
}

func newExchange(l *Link, id uint64, q *Request) *Exchange {
	x := &Exchange{Req: q, l: l, id: id, bodyWake: make(chan struct{}, 1), windowWake: make(chan struct{}, 1), window: Window}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	x.body = q.HTTP.Body
	x.bodyEnd = q.HTTP.Whole
	if e := q.HTTP.BodyError; e != BodyFine {
		x.bodyErr, x.bodyTransient = e.err(q.HTTP.BodyErrorLimit), e == BodyTimeout
	}
	return x
}

// ID is that of the exchange on its link.
func (x *Exchange) ID() uint64 { return x.id }

// Link is where the exchange is.
func (x *Exchange) Link() *Link { return x.l }

// Context ends when nobody waits for the answer any more.
func (x *Exchange) Context() context.Context { return x.ctx }

// handle is a frame of the other end, on the reading goroutine.
func (x *Exchange) handle(f *frame) error {
	switch f.kind {
	case kBody:
		return x.receive(f)
	case kCancel:
		x.cancel()
		return nil
	case kWindow:
		n, err := f.number()
		if err != nil {
			return err
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.window += int(n); (n > regionSize || x.window > x.down.window()) && !x.over {
			return protocolError("WINDOW of more than was sent")
		}
		poke(x.windowWake)
		return nil
	case kGone:
		n, err := f.number()
		if err != nil {
			return err
		}
		x.mu.Lock()
		x.gone = goneError(BodyError(n))
		x.mu.Unlock()
		poke(x.windowWake)
		return nil
	case kLend:
		return x.borrow(f)
	default: // REPLY
		return x.answered(f)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// receive is bytes of the body.
func (x *Exchange) receive(f *frame) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bodyEnd || x.bodyErr != nil && !x.bodyTransient {
		return protocolError("BODY after its end")
	}
	if f.flags&flagFailed != 0 {
		d := decoder{b: f.payload}
		e, limit := BodyError(d.int(int64(bodyErrors-1))), d.int(1<<62)
		if err := d.end("BODY"); err != nil {
			return err
		}
		x.bodyErr, x.bodyTransient = e.err(limit), e == BodyTimeout
		x.again = x.bodyTransient
		poke(x.bodyWake)
		return nil
	}
	n := len(f.payload)
	if f.flags&flagRegion != 0 {
		var err error
		if n, err = f.shared(); err != nil {
			return err
		}
		if x.up.region == nil && !x.over {
			return protocolError("BODY in a region, and none is lent")
		}
	}
	if n > x.outstanding {
		return protocolError("BODY of %d bytes, %d are allowed", n, x.outstanding)
	}
	x.outstanding -= n
	switch {
	case f.flags&flagRegion != 0:
		x.upUnread += n
		x.upUsed = true
	case n > 0 && x.upUsed:
		return protocolError("BODY beside its region")
	default:
		x.keep(f.payload)
	}
	x.bodyEnd = f.flags&flagEnd != 0
	poke(x.bodyWake)
	return nil
}

// keep adds to what is not read. What was read makes room, unless the reader is just copying. x.mu is held.
func (x *Exchange) keep(p []byte) {
	if len(x.body)+len(p) > cap(x.body) && len(x.body)+len(p) <= cap(x.store) && !x.copying {
		x.body = x.store[:copy(x.store[:cap(x.store)], x.body)]
	}
	x.body = append(x.body, p...)
	if cap(x.body) > cap(x.store) {
		x.store = x.body[:0]
	}
}

// Body is the request body; one reader at a time.
func (x *Exchange) Body() io.ReadCloser { return bodyReader{x} }

type bodyReader struct{ x *Exchange }

func (b bodyReader) Close() error { return nil }

func (b bodyReader) Read(p []byte) (int, error) {
	x := b.x
	if len(p) == 0 {
		return 0, nil
	}
	for {
		data, shared, deadline, err := x.available()
		switch {
		case shared:
			return x.fromRegion(p)
		case len(data) > 0:
			// Outside of the lock: the memory is an extension's, and may be none.
			n := copy(p, data)
			return n, x.consumed(n, false)
		}
		if err != nil {
			return 0, err
		}
		if err := waitFor(x.bodyWake, deadline); err != nil {
			return 0, err
		}
	}
}

// waitFor waits for a wake-up, until the deadline if there is one.
func waitFor(wake <-chan struct{}, deadline time.Time) error {
	if deadline.IsZero() {
		<-wake
		return nil
	}
	d := time.Until(deadline)
	if d <= 0 {
		return os.ErrDeadlineExceeded
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-wake:
		return nil
	case <-t.C:
		return os.ErrDeadlineExceeded
	}
}

// available is what can be read now, or why there will be nothing; it asks for more if there is nothing. shared says that it is in the
// region.
func (x *Exchange) available() (data []byte, shared bool, deadline time.Time, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !x.readDeadline.IsZero() && !time.Now().Before(x.readDeadline):
		err = os.ErrDeadlineExceeded
	case len(x.body) > 0:
		data, x.copying = x.body, true
	case x.upUnread > 0:
		shared = true
	case x.bodyErr != nil:
		if err = x.bodyErr; x.bodyTransient {
			x.bodyErr, x.bodyTransient = nil, false
		}
	case x.bodyEnd:
		err = io.EOF
	case x.isCut:
		err = goneError(BodyReset)
	}
	deadline = x.readDeadline
	if len(data) == 0 && !shared && err == nil && (x.outstanding == 0 || x.again) {
		x.again = false
		x.allow(x.up.window() - x.outstanding)
	}
	return data, shared, deadline, err
}

// consumed takes n bytes off, allows the other end more, and says whether that was the end.
func (x *Exchange) consumed(n int, shared bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if shared {
		x.upUnread -= n
	} else if x.body, x.copying = x.body[n:], false; len(x.body) == 0 {
		x.body = x.store
	}
	started, unread := x.outstanding > 0, len(x.body)+x.upUnread
	if started && !x.bodyEnd && x.bodyErr == nil && x.outstanding+unread <= x.up.window()/2 {
		x.allow(x.up.window() - x.outstanding - unread)
	}
	if x.bodyEnd && unread == 0 {
		return io.EOF
	}
	return nil
}

// allow lets the other end send n bytes more, unless END is on its way to it. x.mu is held.
func (x *Exchange) allow(n int) {
	if !x.over {
		x.outstanding += n
		x.l.write(appendNumber(nil, kCredit, x.id, uint32(n)))
	}
}

// SetReadDeadline is for [http.ResponseController]: reads of the body fail from then on. No byte is lost by it.
func (x *Exchange) SetReadDeadline(t time.Time) error {
	x.mu.Lock()
	x.readDeadline = t
	x.mu.Unlock()
	poke(x.bodyWake)
	return nil
}

// SetWriteDeadline is for [http.ResponseController].
func (x *Exchange) SetWriteDeadline(t time.Time) error {
	x.mu.Lock()
	x.writeDeadline = t
	x.mu.Unlock()
	poke(x.windowWake)
	return nil
}

// EnableFullDuplex is for [http.ResponseController]: the body can always be read while the answer is written.
func (x *Exchange) EnableFullDuplex() error { return nil }

// cut: nobody wants the answer, or there is no link any more.
func (x *Exchange) cut() {
	x.mu.Lock()
	x.isCut = true
	if x.gone == nil {
		x.gone = goneError(BodyReset)
	}
	asking := x.asking
	x.asking = nil
	x.mu.Unlock()
	x.cancel()
	poke(x.bodyWake)
	poke(x.windowWake)
	for _, c := range asking {
		close(c)
	}
}

// Ask asks the other end something about the request and waits for the answer. It fails when the link is over. The
// caller closes the file. A payload of more than 512 KiB is not asked about.
func (x *Exchange) Ask(topic Topic, payload []byte) (ok bool, answer []byte, file *os.File) {
	switch {
	case len(payload) > maxMessage/2:
		return false, []byte("that is too long"), nil
	case topic == AskDescriptor && x.l.conn.plain:
		return false, nil, nil
	}
	c := make(chan reply, 1)
	x.mu.Lock()
	if x.isCut {
		x.mu.Unlock()
		return false, nil, nil
	}
	x.lastQuestion++
	id := x.lastQuestion
	x.expect(id, c)
	x.mu.Unlock()
	b := append(appendUint(begin(nil, kCall, 0, x.id), id), byte(topic))
	x.l.write(end(append(b, payload...), 0))
	r := <-c
	return r.ok, r.payload, r.file
}

// expect makes c the one that is told of answer id. x.mu is held.
func (x *Exchange) expect(id uint64, c chan reply) {
	if x.asking == nil {
		x.asking = map[uint64]chan reply{}
	}
	x.asking[id] = c
}

func (x *Exchange) answered(f *frame) error {
	r := reply{ok: f.flags&flagFailed == 0}
	if f.flags&flagFile != 0 {
		if r.file = x.l.recv.takeFile(); r.file == nil {
			return protocolError("REPLY without its descriptor")
		}
	}
	d := decoder{b: f.payload}
	id := d.uint()
	r.payload = append([]byte(nil), d.b...)
	x.mu.Lock()
	c := x.asking[id]
	delete(x.asking, id)
	cut := x.isCut
	x.mu.Unlock()
	if c == nil || d.bad {
		if r.file != nil {
			r.file.Close()
		}
		if cut {
			return nil
		}
		return protocolError("REPLY %d to nothing", id)
	}
	c <- r
	return nil
}
