package conn

import (
	"crypto/tls"
	"net"
)

// Server puts TLS on top of c, which must be fresh. See [Secured] for what to do after the handshake.
func Server(c *Conn, config *tls.Config) *tls.Conn {
	c.kind.Store(shared)
	return tls.Server(c, config)
}

// Secured returns what to hand to net/http for t, made by [Server], after its handshake: t itself for HTTP/2, which
// net/http only does on a *tls.Conn; for HTTP/1.x a wrapper that sees the clear text.
func Secured(t *tls.Conn) net.Conn {
	below := Of(t)
	if below == nil || t.ConnectionState().NegotiatedProtocol == "h2" {
		return t
	}
	below.kind.Store(secure)
	below.above = t
	return &tlsConn{Conn: t, below: below}
}

// tlsConn is HTTP/1.x over TLS. net/http takes it for TLS because it has ConnectionState.
type tlsConn struct {
	*tls.Conn
	below *Conn
}

func (t *tlsConn) Read(p []byte) (int, error) {
	return t.below.readFrom(t.Conn, p)
}

func (t *tlsConn) Write(p []byte) (int, error) {
	c := t.below
	if c.held.Load() {
		c.out.Lock()
		line, rest := c.takeStatusLine(p)
		c.held.Store(c.reason.set)
		c.out.Unlock()
		if line != nil {
			if _, err := t.write(append(line, rest...)); err != nil {
				return 0, err
			}
			return len(p), nil
		}
	}
	return t.write(p)
}

// write sends p as it is, but for those who see all that is sent.
func (t *tlsConn) write(p []byte) (int, error) {
	if s := t.below.raw.sender.Load(); s != nil {
		return t.below.sendThrough(*s, p)
	}
	return t.Conn.Write(p)
}
