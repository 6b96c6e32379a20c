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

// writing is the clock of the sending side.
type writing struct {
	limit atomic.Int64 // ns; 0: none
	armed atomic.Int64 // ns since epoch: the deadline on the socket is not before this

	mu     sync.Mutex
	server time.Time // guarded by mu: a deadline that the HTTP server or a handler set
}

// epoch makes the monotonic clock a number.
var epoch = time.Now()

// SetWriteTimeout makes a write fail with [os.ErrDeadlineExceeded] when the client takes nothing for d (at most d/2
// later), however long all of it takes. What counts is bytes the client's system acknowledged, so that a slow client behind
// a large send buffer is not cut. 0 means no limit.
func (c *Conn) SetWriteTimeout(d time.Duration) {
	if c == nil {
		return
	}
	c.writing.limit.Store(int64(d))
	c.writing.armed.Store(0)
	if d <= 0 {
		c.writing.mu.Lock()
		defer c.writing.mu.Unlock()
		_ = c.nc.SetWriteDeadline(c.writing.server)
	}
}

// SetWriteDeadline implements [net.Conn]. It holds besides the progress limit: whichever comes first.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c == nil {
		return net.ErrClosed
	}
	w := &c.writing
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.IsZero() && w.server.IsZero() {
		return nil // net/http does so after each response; our own deadline stays
	}
	w.server = t
	w.armed.Store(0)
	return c.nc.SetWriteDeadline(t)
}

// arm sees to it that at least half the limit is left before a write. It reads the clock each time, but sets a deadline
// only twice per limit.
func (c *Conn) arm() {
	w := &c.writing
	d := w.limit.Load()
	if d <= 0 || w.armed.Load()-int64(time.Since(epoch)) >= d/2 {
		return
	}
	c.setProgressDeadline(time.Duration(d))
}

func (c *Conn) setProgressDeadline(d time.Duration) {
	w := &c.writing
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	t := now.Add(d)
	w.armed.Store(int64(t.Sub(epoch)))
	if !w.server.IsZero() && w.server.Before(t) {
		t = w.server
	}
	_ = c.nc.SetWriteDeadline(t) // fails only on a closed connection, and then so does the write
}

// stall follows one write (or sendfile) that does not return.
type stall struct {
	queued int // bytes in the send queue when the deadline last passed
	known  bool
}

// goOn decides after a failed write whether to continue it: yes, if the progress deadline passed and yet there was progress, n
// bytes taken from us or some from the send queue by the client.
func (c *Conn) goOn(s *stall, n int64, err error) bool {
	w := &c.writing
	d := time.Duration(w.limit.Load())
	if d <= 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.closed.Load() {
		return false
	}
	w.mu.Lock()
	over := !w.server.IsZero() && !time.Now().Before(w.server)
	w.mu.Unlock()
	if over {
		return false
	}
	queued, ok := c.sendQueue()
	if n == 0 && (!ok || s.known && queued >= s.queued) {
		return false
	}
	s.queued, s.known = queued, ok
	c.setProgressDeadline(d / 2)
	return true
}

// send writes p, past those who see all that is sent in clear text.
func (c *Conn) send(p []byte) (int, error) {
	if s := c.raw.sender.Load(); s != nil && c.kind.Load() == plain {
		return c.sendThrough(*s, p)
	}
	return c.transmit(p)
}

// transmit writes p, and as one system call if the socket's buffer has room.
func (c *Conn) transmit(p []byte) (int, error) {
	if !resumable && c.tcp != nil {
		return c.transmitPieces(p)
	}
	c.arm()
	sent, err := c.nc.Write(p)
	if err == nil {
		return sent, nil
	}
	var s stall
	for n := sent; c.goOn(&s, int64(n), err); sent += n {
		if n, err = c.nc.Write(p[sent:]); err == nil {
			return sent + n, nil
		}
	}
	return sent, err
}

// transmitPieces is transmit where a write that a deadline has ended cannot be continued: so much may be sent in the time of the limit
// that a client who moves takes it.
func (c *Conn) transmitPieces(p []byte) (sent int, err error) {
	for {
		c.arm()
		n, err := c.nc.Write(p[sent:min(len(p), sent+writePiece)])
		if sent += n; err != nil || sent == len(p) {
			return sent, err
		}
	}
}

const writePiece = 64 << 10

// sendAll writes all pieces, with writev where the connection can. It consumes pieces.
func (c *Conn) sendAll(pieces net.Buffers) error {
	if s := c.raw.sender.Load(); s != nil {
		_, err := c.sendThrough(*s, bytes.Join(pieces, nil))
		return err
	}
	if !resumable && c.tcp != nil {
		_, err := c.transmitPieces(bytes.Join(pieces, nil))
		return err
	}
	c.arm()
	var s stall
	for {
		var n int64
		var err error
		if c.tcp != nil {
			n, err = pieces.WriteTo(c.tcp)
		} else {
			n, err = pieces.WriteTo(c.nc)
		}
		if err == nil || !c.goOn(&s, n, err) {
			return err
		}
	}
}

// ReadFrom implements [io.ReaderFrom], so that net/http sends files with sendfile. A cork ends here.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.Uncork(); err != nil {
		return 0, err
	}
	if c == nil {
		return 0, net.ErrClosed
	}
	rest, ok := r.(*io.LimitedReader)
	if !ok {
		rest = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	if c.tcp == nil || !resumable || !isFile(rest.R) || c.raw.sender.Load() != nil {
		return io.Copy(writerOnly{c}, r) // a source that blocks must not run against our deadline
	}
	var sent int64
	var s stall
	for {
		// Bounded, so that the deadline is moved while a fast transfer goes on.
		piece := io.LimitedReader{R: rest.R, N: min(rest.N, sendfilePiece)}
		want := piece.N
		c.arm()
		n, err := c.tcp.ReadFrom(&piece)
		sent += n
		rest.N -= n
		if err != nil && !c.goOn(&s, n, err) {
			c.broke.Store(true)
			return sent, err
		}
		if err == nil && (n < want || rest.N <= 0) {
			return sent, nil
		}
	}
}

const sendfilePiece = 64 << 20

// writerOnly hides ReadFrom from io.Copy.
type writerOnly struct{ io.Writer }

// isFile tells whether r is a regular file, the only thing that never blocks.
func isFile(r io.Reader) bool {
	f, ok := r.(interface{ Stat() (os.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}
