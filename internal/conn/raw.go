package conn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Receiver changes what a client sends before the HTTP server sees any of it. It is called by one goroutine at a time.
type Receiver interface {
	// Receive is given what was received last and says what the HTTP server gets for it, which stays its own until the next call. next is
	// how many bytes it wants next, 0 if it does not matter. An error ends the connection; with [io.EOF] as if the client had closed
	// it. By send it can answer on its own.
	Receive(data []byte, send func([]byte) error) (out []byte, next int, err error)
}

// Sender changes what a client gets, behind all that the HTTP server does. Calls follow one another.
type Sender interface {
	// Send passes a block on to write: as it is, changed, in several pieces or not at all. It may change the block, which is the
	// connection's again when it returns. The first block of a response has its complete head; no block is empty. An error breaks
	// the connection.
	Send(block []byte, write func([]byte) error) error
}

// raw is what stands between a connection and the HTTP server.
type raw struct {
	received *received // nil: nothing; set before the connection is served
	always   Sender    // of every response; likewise

	sender atomic.Pointer[Sender] // of this response; nil: nobody

	// Of who writes.
	begun bool   // the head of the response was sent
	head  []byte // what there is of it
}

// Blocks that are received.
const (
	smallBlock = 4 << 10  // when nothing says how much will come
	largeBlock = 48 << 10 // at most
)

// longestHead is how much of a response is kept until its head is complete. One that is longer is sent in pieces.
const longestHead = 1 << 20

// Filter has r change what is received and s what is sent; either may be nil. It must be called before the connection is served. Over
// HTTP/2 they see nothing.
func (c *Conn) Filter(r Receiver, s Sender) {
	if c == nil {
		return
	}
	if r != nil {
		c.raw.received = &received{by: r}
		c.raw.received.idle.L = &c.raw.received.mu
	}
	c.raw.always = s
	c.SendThrough(s)
}

// SendThrough has s change what is sent from now on, instead of the Sender of the connection, until the response ends. nil: nobody.
func (c *Conn) SendThrough(s Sender) {
	switch {
	case c == nil:
	case s == nil:
		c.raw.sender.Store(nil)
	default:
		c.raw.sender.Store(&s)
	}
}

// Secure tells whether there is TLS on the connection.
func (c *Conn) Secure() bool { return c != nil && c.kind.Load() != plain }

// endResponse: the next block begins another one.
func (r *raw) endResponse(c *Conn) {
	if r.always != nil || r.sender.Load() != nil {
		c.SendThrough(r.always)
	}
	r.begun, r.head = false, nil
}

// sendThrough has a sender see p, in blocks as it must see them.
func (c *Conn) sendThrough(s Sender, p []byte) (int, error) {
	w := &c.raw
	if len(p) == 0 {
		return 0, nil
	}
	block := p
	if !w.begun {
		w.head = append(w.head, p...)
		var err error
		if w.head, err = passInterim(w.head, c.writeClear); err != nil {
			return 0, err
		}
		if !bytes.Contains(w.head, []byte("\r\n\r\n")) && len(w.head) < longestHead {
			return len(p), nil
		}
		block, w.head = w.head, nil
		w.begun = true
	} else {
		block = append([]byte(nil), p...) // it may be changed
	}
	if err := s.Send(block, c.writeClear); err != nil {
		return 0, err
	}
	return len(p), nil
}

// passInterim writes the interim responses (100 Continue) that stand before a head. No filter expects those: it takes the first block
// for the head of the response.
func passInterim(p []byte, write func([]byte) error) (rest []byte, err error) {
	const prefix = "HTTP/1.1 1"
	for bytes.HasPrefix(p, []byte(prefix)) && !bytes.HasPrefix(p, []byte(prefix+"01")) {
		end := bytes.Index(p, []byte("\r\n\r\n"))
		if end < 0 {
			return p, nil
		}
		if err := write(p[:end+4]); err != nil {
			return nil, err
		}
		p = p[end+4:]
	}
	return p, nil
}

// received is the receiving side with a filter in it.
type received struct {
	by   Receiver
	out  []byte // changed, and not read yet
	next int    // bytes that are wanted next
	err  error  // what comes after all that

	// in is what came while a request ran whose body was over. It is shown when the request has ended: until then the calls of
	// filters on this connection are those of the request.
	in []byte

	mu   sync.Mutex
	idle sync.Cond // told when one of these changes
	// Guarded by mu: the last read deadline lies in the past, or the connection was closed. Either ends a read.
	late, gone bool
}

// interrupt notes what ends a read. It is told of every deadline.
func (r *received) interrupt(deadline time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late = !deadline.IsZero() && !deadline.After(time.Now())
	if r.late {
		r.idle.Broadcast()
	}
}

// close ends a read for good.
func (r *received) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
	r.idle.Broadcast()
}

// receive is Read with a receiver. from is the clear text.
func (c *Conn) receive(from io.Reader, p []byte) (int, error) {
	r := c.raw.received
	if len(p) == 1 && len(r.out) == 0 && r.err == nil {
		return 0, r.await(c, from)
	}
	for len(r.out) == 0 {
		if len(r.in) == 0 && r.err != nil {
			return 0, r.err
		}
		if len(r.in) == 0 {
			if err := c.receiveBlock(from, len(p)); err != nil {
				return 0, err
			}
		}
		in := r.in
		if r.in = nil; len(in) == 0 {
			continue
		}
		var err error
		if r.out, r.next, err = r.by.Receive(in, c.answer); err != nil {
			r.err = err
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// receiveBlock reads what the socket has, or waits for something.
func (c *Conn) receiveBlock(from io.Reader, asked int) error {
	r := c.raw.received
	if err := c.reading.beforeRead(asked); err != nil {
		return err
	}
	size := r.next
	if size <= 0 {
		size = max(asked, smallBlock)
	}
	block := make([]byte, min(size, largeBlock))
	n, err := from.Read(block)
	r.in = block[:n]
	if err != nil {
		c.noteReadError(err)
		c.noteBodyTimeout(err, asked)
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			r.err = sticky(err)
		}
		if n == 0 {
			return err
		}
	}
	return nil
}

// sticky is what stays of an error: a deadline can be moved.
func sticky(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// await is the HTTP server's background read, which looks whether the client is still there, and is the only one of a single byte. It returns when the client is not, or when
// the server wants to read something else; what was received by then is shown to the receiver later.
func (r *received) await(c *Conn, from io.Reader) error {
	for len(r.in) < largeBlock {
		block := make([]byte, smallBlock)
		n, err := from.Read(block)
		r.in = append(r.in, block[:n]...)
		if err == nil {
			continue
		}
		c.noteReadError(err)
		if r.err = sticky(err); r.err == nil || len(r.in) == 0 {
			return err
		}
		break // a client that sent another request and then closed its side wants the answer to both
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.late && !r.gone {
		r.idle.Wait()
	}
	if r.gone {
		return net.ErrClosed
	}
	return os.ErrDeadlineExceeded
}

// answer sends what a receiver says on its own.
func (c *Conn) answer(p []byte) error {
	if s := c.raw.sender.Load(); s != nil && len(p) > 0 {
		return (*s).Send(append([]byte(nil), p...), c.writeClear)
	}
	return c.writeClear(p)
}

// writeClear writes to the client what no filter sees.
func (c *Conn) writeClear(p []byte) (err error) {
	switch {
	case len(p) == 0:
	case c.above != nil:
		_, err = c.above.Write(p)
	default:
		_, err = c.transmit(p)
	}
	return err
}
