package server

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/conn"
)

// service is net/http's part of an endpoint. What connections are made with cannot be changed in it: another one takes its
// place then.
type service struct {
	server   *Server
	endpoint *endpoint
	limits   Limits
	secure   bool
	now      atomic.Pointer[places]
	tap      *tap
	http     *http.Server
	conns    atomic.Int64
	refusing atomic.Bool   // it was asked to stop accepting
	served   chan struct{} // closed when it has handed over the last connection
}

// newService makes a service for an endpoint. The caller puts it into the endpoint and calls begin.
func (s *Server) newService(e *endpoint, at *places) *service {
	l := at.plan.limits
	v := &service{server: s, endpoint: e, limits: l, secure: at.secure, served: make(chan struct{})}
	v.now.Store(at)
	v.tap = newTap(e.socket, positive(l.WriteTimeout), func(c *conn.Conn) { s.accepted(c, at.secure) })
	v.http = &http.Server{
		Handler:           v,
		MaxHeaderBytes:    positive(l.Header),
		ReadHeaderTimeout: positive(l.HeaderTimeout),
		IdleTimeout:       positive(l.IdleTimeout),
		ErrorLog:          errorLog(s.log.With("address", e.addr)),
		BaseContext:       func(net.Listener) context.Context { return context.Background() }, // the parent of all requests' contexts
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return conn.NewContext(ctx, conn.Of(c))
		},
		ConnState: v.connState,
	}
	if v.secure {
		v.http.TLSConfig = v.tlsConfig() // tells net/http to prepare HTTP/2; the handshake is ours
	}
	return v
}

// begin accepts in a goroutine of its own, until the tap is closed.
func (v *service) begin() {
	s := v.server
	s.serving.Add(1)
	go func() {
		defer s.serving.Add(-1)
		defer close(v.served)
		err := v.http.Serve(v.listener())
		if v.refusing.Load() {
			return
		}
		select {
		case s.failed <- err:
		default: // another one was first
		}
	}()
}

// listener is what net/http is given.
func (v *service) listener() net.Listener {
	if !v.secure {
		return v.tap
	}
	return newHandshaking(v.tap, v.tlsConfig(), positive(v.limits.HeaderTimeout))
}

// refuse has the service accept no more. What happens to its socket from now on is no failure.
func (v *service) refuse() {
	v.refusing.Store(true)
	_ = v.tap.Close() // fails only on a socket that is closed
}

// stop ends accepting. When it returns another service may go on with the socket. Connections are left alone.
func (v *service) stop() {
	v.refuse()
	select {
	case <-v.tap.left:
	case <-v.served: // it had failed
	}
	_ = v.endpoint.socket.SetDeadline(time.Time{})
}

// over says that the service has stopped and has no connection any more.
func (v *service) over() bool {
	select {
	case <-v.served:
		return v.conns.Load() == 0
	default:
		return false
	}
}

// enter begins a request with the places there are now. The caller must leave their plan.
func (v *service) enter() *places {
	for {
		at := v.now.Load()
		at.plan.inside.Add(1)
		if v.now.Load() == at { // else nobody may know of this request who waits for the old plan
			return at
		}
		at.plan.leave()
	}
}

// connState follows the connections net/http serves. It runs in their goroutines.
func (v *service) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		v.conns.Add(1)
		v.server.conns.Add(1)
	case http.StateActive:
		conn.Of(c).RequestBegun()
	case http.StateIdle:
		conn.Of(c).RequestEnded()
	case http.StateClosed, http.StateHijacked:
		conn.Of(c).Ended() // before it is counted out: Shutdown waits
		v.conns.Add(-1)
		v.server.conns.Add(-1)
	}
}

// positive turns "no limit" into net/http's word for it.
func positive[T int | int64 | time.Duration](v T) T { return max(v, 0) }
