package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// socket is what is listened on. Accept can be interrupted by a deadline.
type socket interface {
	net.Listener
	SetDeadline(time.Time) error
}

// endpoint is one listening address. It outlives the plans that name it.
type endpoint struct {
	server    *Server
	addr      string
	socket    socket
	inherited bool // the socket is not ours to close before the end

	// The service that accepts, nil before Serve, comes last. The others do not accept any more and keep the connections they
	// have, because those that were made now have other limits. Guarded by Server.mu.
	services []*service
}

// listen takes the address: the socket that was inherited for it, or a new one. Those there are may stand in its way.
func (e *endpoint) listen(there []*endpoint) error {
	for _, l := range e.server.inherited {
		if binds(l, e.addr) {
			e.socket, e.inherited = l, true
			return nil
		}
	}
	l, err := (&net.ListenConfig{Control: exclusive}).Listen(context.Background(), "tcp", e.addr) // it waits for nothing
	switch {
	case errors.Is(err, errInUse):
		for _, other := range there {
			if other.port() == e.port() { // there is no way from one to the other but through none
				return fmt.Errorf("listen on %q: this server listens on %q: only a restart can change one into the other", e.addr, other.addr)
			}
		}
		return fmt.Errorf("listen on %q: the address is in use: stop the program that has it, or change the binding", e.addr)
	case errors.Is(err, errNotPermitted):
		return fmt.Errorf("listen on %q: not permitted: %s", e.addr, whyNotPermitted)
	case errors.Is(err, errNoAddress):
		return fmt.Errorf("listen on %q: this machine does not have the address", e.addr)
	case err != nil:
		return fmt.Errorf("listen on %q: %w", e.addr, err)
	}
	e.socket = l.(*net.TCPListener)
	return nil
}

// port is that of the address, resolved once there is a socket.
func (e *endpoint) port() string {
	addr := e.addr
	if e.socket != nil {
		addr = e.socket.Addr().String()
	}
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// close gives the address up.
func (e *endpoint) close() {
	if e.socket != nil && !e.inherited {
		_ = e.socket.Close()
	}
}

// accepting is the service that takes new connections; nil before Serve.
func (e *endpoint) accepting() *service {
	if n := len(e.services); n > 0 {
		return e.services[n-1]
	}
	return nil
}

// forget drops the services that have no connection any more.
func (e *endpoint) forget() {
	kept := e.services[:0]
	for i, v := range e.services {
		if i == len(e.services)-1 || !v.over() {
			kept = append(kept, v)
		}
	}
	clear(e.services[len(kept):])
	e.services = kept
}

// binds says whether a socket is bound to an address of a binding.
func binds(l *net.TCPListener, addr string) bool {
	has, ok := l.Addr().(*net.TCPAddr)
	host, port, err := net.SplitHostPort(addr)
	if !ok || err != nil || port != fmt.Sprint(has.Port) {
		return false
	}
	ip := net.ParseIP(host)
	if host == "" || ip.IsUnspecified() {
		return has.IP.IsUnspecified() // Go makes no difference between them either
	}
	return ip.Equal(has.IP)
}
