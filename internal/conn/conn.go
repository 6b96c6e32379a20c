// Package conn is the connection under a request: the few things an extension may know or do there that net/http has no
// word for (its descriptor, an abortive close, the reason phrase of a status line, one system call for many pieces), and
// the time limits by progress that net/http does not have. What filters have for a connection is kept with it until its end ([Conn.Keep]),
// and those that want to see its bytes stand between it and the HTTP server ([Conn.Filter]).
//
// Package server wraps every accepted connection; package extension finds it with [From]. Under somebody else's
// http.Server there is none, and all methods of a nil *Conn do nothing and say so.
//
// There are three kinds of connections. On plain HTTP/1.x everything works. On HTTP/1.x over TLS the Conn sits below the
// [tls.Conn] and a second wrapper above it ([Secured]) sees the clear text; only Cork does nothing there. HTTP/2 carries
// several requests on one connection, so whatever would touch the others is refused.
package conn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is one accepted connection. All methods may be called on nil and from any thread, but Read and Write belong to the
// HTTP server: see each method for what happens when they run at the same time.
type Conn struct {
	nc   net.Conn
	tcp  *net.TCPConn // nc, if it is one
	kind atomic.Int32 // plain, secure or shared

	closed   atomic.Bool // Abort or Close was called
	gone     atomic.Bool // a read said that the peer is no longer there
	abortive atomic.Bool // ResetOnClose was called
	broke    atomic.Bool // a write failed
	cert     atomic.Pointer[x509.Certificate]

	request  any          // see SetRequest
	received atomic.Int64 // bytes in clear text since the last response

	reading reading
	writing writing
	head    head
	session session
	raw     raw
	above   *tls.Conn // HTTP/1.x over TLS: what encrypts; nil otherwise

	held atomic.Bool // a reason or a cork is pending: Write must look
	out  sync.Mutex  // guards the next two, and order of what is written while held
	reason
	cork
}

// Kinds of connections.
const (
	plain  = iota // HTTP/1.x in clear text: what is written here is what the client gets
	secure        // TLS above, HTTP/1.x above that
	shared        // TLS above, protocol unknown as yet or HTTP/2
)

// Wrap returns c with what this package adds. The caller hands the result to the HTTP server instead of c; closing it
// closes c.
func Wrap(c net.Conn) *Conn {
	tcp, _ := c.(*net.TCPConn)
	return &Conn{nc: c, tcp: tcp, session: session{number: lastNumber.Add(1)}}
}

type contextKey struct{}

// NewContext returns ctx with c in it, for http.Server.ConnContext.
func NewContext(ctx context.Context, c *Conn) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// From returns the connection under the request whose context is ctx, or nil.
func From(ctx context.Context) *Conn {
	c, _ := ctx.Value(contextKey{}).(*Conn)
	return c
}

// Of returns the Conn that c is, or that is below c, or nil.
func Of(c net.Conn) *Conn {
	switch c := c.(type) {
	case *Conn:
		return c
	case *tlsConn:
		return c.below
	case *tls.Conn:
		return Of(c.NetConn())
	}
	return nil
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if c == nil {
		return 0, net.ErrClosed
	}
	if c.kind.Load() == plain {
		return c.readFrom(socket{c}, p)
	}
	n, err := socket{c}.Read(p)
	c.noteReadError(err)
	return n, err
}

// readFrom reads clear text from r, which is the connection or the TLS above it.
func (c *Conn) readFrom(r io.Reader, p []byte) (int, error) {
	var n int
	var err error
	if c.raw.received != nil {
		n, err = c.receive(r, p)
	} else {
		n, err = c.readNow(r, p)
	}
	c.received.Add(int64(n))
	c.head.capture(p[:n], len(p))
	return n, err
}

func (c *Conn) readNow(r io.Reader, p []byte) (int, error) {
	if err := c.reading.beforeRead(len(p)); err != nil {
		return 0, err
	}
	n, err := r.Read(p)
	if err != nil {
		c.noteReadError(err)
		c.noteBodyTimeout(err, len(p))
	}
	return n, err
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	if c == nil {
		return 0, net.ErrClosed
	}
	var n int
	var err error
	if c.held.Load() {
		n, err = c.writeHeld(p)
	} else {
		n, err = c.send(p)
	}
	if err != nil {
		c.broke.Store(true)
	}
	return n, err
}

// Close implements [net.Conn]. What a cork holds back is sent first.
func (c *Conn) Close() error {
	if c == nil {
		return nil
	}
	if c.held.Load() && c.out.TryLock() { // a writer that holds the lock is stuck: closing frees it
		c.flush()
		c.out.Unlock()
	}
	c.closed.Store(true)
	c.head.forget()
	c.raw.received.close()
	return c.nc.Close()
}

// CloseWrite sends FIN and leaves the other direction open. net/http does so before it closes a connection on which the
// client may still be sending.
func (c *Conn) CloseWrite() error {
	if c == nil || c.tcp == nil || c.abortive.Load() {
		return nil
	}
	if err := c.Uncork(); err != nil {
		return err
	}
	return c.tcp.CloseWrite()
}

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr {
	if c == nil {
		return nil
	}
	return c.nc.LocalAddr()
}

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr {
	if c == nil {
		return nil
	}
	return c.nc.RemoteAddr()
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// RequestBegun tells that the head of a request was read (http.StateActive).
func (c *Conn) RequestBegun() {
	if c != nil {
		c.head.end()
	}
}

// RequestEnded tells that a response is complete and the connection waits for the next request (http.StateIdle): what
// was asked for the last request no longer holds.
func (c *Conn) RequestEnded() {
	if c == nil {
		return
	}
	c.reading.endBody()
	c.received.Store(0)
	c.head.begin()
	if c.held.Load() {
		c.release()
	}
	c.raw.endResponse(c)
}

// SetRequest keeps something for the request that runs, until something else is kept. Only the goroutine that serves the connection may call
// it. Where several requests run at a time, over HTTP/2, nothing is kept: false.
func (c *Conn) SetRequest(v any) bool {
	if c == nil || c.kind.Load() == shared {
		return false
	}
	c.request = v
	return true
}

// Request is what [Conn.SetRequest] has kept, or nil; it, too, is for the goroutine that serves the connection.
func (c *Conn) Request() any {
	if c == nil {
		return nil
	}
	return c.request
}

// Received is how many bytes the client has sent since the last response was complete, in clear text: the head of a request and what has been
// read of its body, and of requests behind it that did not wait for the response. 0 over HTTP/2.
func (c *Conn) Received() int64 {
	if c == nil {
		return 0
	}
	return c.received.Load()
}

// Broke tells whether the client has not been sent everything: a write failed.
func (c *Conn) Broke() bool { return c != nil && c.broke.Load() }

// ServerCertificate is the certificate this server presented on the connection; nil without TLS.
func (c *Conn) ServerCertificate() *x509.Certificate {
	if c == nil {
		return nil
	}
	return c.cert.Load()
}

// SetServerCertificate is for the TLS side of the server, which alone knows which one it chose.
func (c *Conn) SetServerCertificate(cert *x509.Certificate) {
	if c != nil {
		c.cert.Store(cert)
	}
}
