package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/isapid/isapid/internal/conn"
)

// endpoint is one listening address and the sites on it.
type endpoint struct {
	server *Server
	addr   string
	secure bool

	hosts map[string]*place // by host name; "*.example.com" is a name too
	first *place            // the certificate for clients that do not say whom they want
	only  *place            // the one place, if it takes all hosts

	http     *http.Server
	listener net.Listener
}

// add puts one more binding on the address.
func (e *endpoint) add(site *Site, b Binding) error {
	host := normalHost(b.Host)
	if rest := strings.TrimPrefix(host, "*."); strings.Contains(rest, "*") {
		return fmt.Errorf("host %q: a star may only stand for the first labels, as in \"*.example.com\"", b.Host)
	}
	if other := e.hosts[host]; other != nil {
		return fmt.Errorf("host %q belongs to site %q on this address already", b.Host, other.site.Name)
	}
	if e.first != nil && e.secure != b.TLS {
		return fmt.Errorf("site %q has this address with another setting of TLS: an address is either http or https", e.first.site.Name)
	}
	p := &place{Binding: b, site: site}
	if err := p.loadTLS(); err != nil {
		return err
	}
	e.secure = b.TLS
	e.hosts[host] = p
	if e.first == nil || host == "" {
		e.first = p
	}
	e.only = nil
	if host == "" && len(e.hosts) == 1 {
		e.only = p
	}
	return nil
}

// find returns the place for a Host header or TLS server name: exact, then the closest wildcard, then the one for all;
// nil if there is none.
func (e *endpoint) find(host string) *place {
	if e.only != nil {
		return e.only
	}
	host = normalHost(host)
	if p := e.hosts[host]; p != nil && !strings.HasPrefix(host, "*") {
		return p
	}
	for rest := host; ; {
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			return e.hosts[""]
		}
		if p := e.hosts["*."+after]; p != nil {
			return p
		}
		rest = after
	}
}

func (e *endpoint) listen() error {
	l, err := net.Listen("tcp", e.addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %q: the address is in use: stop the program that has it, or change the binding", e.addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %q: not permitted: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE", e.addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %q: this machine does not have the address", e.addr)
	case err != nil:
		return fmt.Errorf("listen on %q: %w", e.addr, err)
	}
	e.listener = l
	return nil
}

func (e *endpoint) close() {
	if e.listener != nil {
		_ = e.listener.Close()
	}
}

// accepting returns the listener net/http is given.
func (e *endpoint) accepting() net.Listener {
	plain := &wrapping{Listener: e.listener, timeout: positive(e.server.limits.WriteTimeout)}
	if !e.secure {
		return plain
	}
	return newHandshaking(plain, e.tlsConfig(), positive(e.server.limits.HeaderTimeout))
}

// wrapping makes every accepted connection a *conn.Conn.
type wrapping struct {
	net.Listener
	timeout time.Duration
}

func (l *wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	wrapped := conn.Wrap(c)
	wrapped.SetWriteTimeout(l.timeout)
	return wrapped, nil
}

// newHTTP returns net/http's part of an endpoint.
func (s *Server) newHTTP(e *endpoint) *http.Server {
	h := &http.Server{
		Handler:           e,
		MaxHeaderBytes:    positive(s.limits.Header),
		ReadHeaderTimeout: positive(s.limits.HeaderTimeout),
		IdleTimeout:       positive(s.limits.IdleTimeout),
		ErrorLog:          errorLog(s.log.With("address", e.addr)),
		BaseContext:       s.baseContext,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return conn.NewContext(ctx, conn.Of(c))
		},
		ConnState: s.connState,
	}
	if e.secure {
		h.TLSConfig = e.tlsConfig() // tells net/http to prepare HTTP/2; the handshake is ours
	}
	return h
}

// connState follows the connections net/http serves. It runs in their goroutines.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateActive:
		conn.Of(c).RequestBegun()
	case http.StateIdle:
		conn.Of(c).RequestEnded()
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	}
}

// positive turns "no limit" into net/http's word for it.
func positive[T int | int64 | time.Duration](v T) T { return max(v, 0) }
