// Package server is HTTP itself: listeners, TLS, limits and timeouts. It knows sites as handlers and host names, and
// nothing of what is behind them.
//
// A [Server] goes New, Listen, Serve, Shutdown. New reads and checks everything that can be wrong in a configuration, Listen
// takes the addresses (all or none), Serve answers until Shutdown, and Shutdown returns when nothing of the server runs any more.
// Meanwhile Prepare and Commit put other sites and limits in the place of those there are.
//
// An endpoint is an address with its socket, a service is what accepts from it with some limits, a plan is what requests are
// answered by. Other sites are another plan for the same services; other limits of connections are another service for the same
// socket, beside the old one, which keeps its connections and gets the new plan too.
//
// HTTP/1.x and HTTP/2 are net/http's. Handlers get its own ResponseWriter, so that sendfile, Flush and ResponseController work
// at full speed, with two exceptions: a body of undeclared length (HTTP/1.x), and HTTP/2. Every request's context leads to its
// connection: see package conn.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/isapid/isapid/internal/conn"
)

// Site is one web site: who answers for which addresses and host names.
type Site struct {
	Name     string
	Bindings []Binding
	Handler  http.Handler

	// Error writes the site's page for an HTTP status and IIS sub-status (0: none) that this package decides. Headers
	// already set on w are kept. nil means a plain text page.
	Error func(w http.ResponseWriter, r *http.Request, status, substatus int)
}

// Server serves sites. Make it with [New].
type Server struct {
	log       *slog.Logger
	inherited []*net.TCPListener
	accepted  func(c *conn.Conn, secure bool)
	observer  Observer // nil: nobody

	mu        sync.Mutex // guards the fields below
	state     state
	plan      *plan
	endpoints []*endpoint // in the order of the plan
	leaving   []*service  // that are given up and still have connections
	preparing bool        // an Update is neither committed nor discarded

	failed   chan error      // of a listener
	stopping chan struct{}   // closed by the first Shutdown
	ended    context.Context // ends when Shutdown does
	end      context.CancelFunc
	leavers  sync.WaitGroup // goroutines that see what is given up to its end

	requests atomic.Int64 // handlers that run; over HTTP/2 they may outlive their connection's goroutine
	conns    atomic.Int64 // connections that net/http serves
	serving  atomic.Int64 // services that accept
	over     atomic.Bool  // no handler begins any more
}

type state int

const (
	made state = iota
	listening
	serving
	stopped
)

func (s state) String() string {
	return [...]string{"made", "listening", "serving", "stopped"}[s]
}

// ErrClosed is what [Server.Serve] returns after [Server.Shutdown]: a stop on purpose.
var ErrClosed = http.ErrServerClosed

// New checks sites and limits and loads certificates. Nothing runs and nothing is opened as yet. A nil log means
// slog.Default().
func New(sites []Site, limits Limits, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.Default()
	}
	p, err := newPlan(sites, limits)
	if err != nil {
		return nil, err
	}
	s := &Server{log: log, plan: p, accepted: func(*conn.Conn, bool) {}, failed: make(chan error, 1), stopping: make(chan struct{})}
	s.ended, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Inherit gives the server sockets that listen already. An address that one of them is bound to is not taken anew; a
// binding to all addresses finds a socket that is bound to all of IPv6 or of IPv4. It must be called before Listen. Shutdown
// closes them all, used or not; the result of Prepare may use them too.
func (s *Server) Inherit(sockets []*net.TCPListener) { s.inherited = sockets }

// OnAccept has f called with each new connection before anything is read from it, on the goroutine that accepts. secure: there will be
// TLS on it. It must be called before Serve.
func (s *Server) OnAccept(f func(c *conn.Conn, secure bool)) { s.accepted = f }

// Observe has o see all requests. It must be called before Serve.
func (s *Server) Observe(o Observer) { s.observer = o }

// Unused are the addresses of the inherited sockets that no binding has.
func (s *Server) Unused() (list []net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.inherited {
		if !slices.ContainsFunc(s.endpoints, func(e *endpoint) bool { return e.socket == l }) {
			list = append(list, l.Addr())
		}
	}
	return list
}

// Listen takes all addresses, or none and returns why. Clients can connect from here on and wait for [Server.Serve].
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != made {
		return fmt.Errorf("server cannot be %v: it is %v, not %v", listening, s.state, made)
	}
	endpoints, err := s.listen(s.plan, nil)
	if err != nil {
		return err
	}
	s.endpoints, s.state = endpoints, listening
	return nil
}

// listen finds or makes the endpoints of a plan. After an error those it made are closed.
func (s *Server) listen(p *plan, there []*endpoint) ([]*endpoint, error) {
	list := make([]*endpoint, len(p.places))
	for i, at := range p.places {
		if n := slices.IndexFunc(there, func(e *endpoint) bool { return e.addr == at.addr }); n >= 0 {
			list[i] = there[n]
			continue
		}
		e := &endpoint{server: s, addr: at.addr}
		if err := e.listen(there); err != nil {
			closeAllBut(there, list[:i])
			return nil, err
		}
		list[i] = e
	}
	return list, nil
}

// closeAllBut gives up the endpoints of list that are not in kept.
func closeAllBut(kept, list []*endpoint) {
	for _, e := range list {
		if !slices.Contains(kept, e) {
			e.close()
		}
	}
}

// Addrs returns the addresses listened on, in the order in which the bindings first name them; port 0 is resolved.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []net.Addr
	for _, e := range s.endpoints {
		addrs = append(addrs, e.socket.Addr())
	}
	return addrs
}

// Serve answers requests until [Server.Shutdown], then it returns [ErrClosed], possibly before Shutdown does. Any other error is
// that of a listener that failed; then Serve has stopped the others, and Shutdown must still be called. It may be called once.
func (s *Server) Serve() error {
	s.mu.Lock()
	if s.state == stopped {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.state != listening {
		defer s.mu.Unlock()
		return fmt.Errorf("server cannot serve: it is %v, not listening", s.state)
	}
	s.state = serving
	for i, e := range s.endpoints {
		s.serve(e, s.plan.places[i])
	}
	s.mu.Unlock()

	select {
	case err := <-s.failed:
		s.mu.Lock()
		defer s.mu.Unlock()
		closeAllBut(nil, s.endpoints)
		return err
	case <-s.stopping:
		return ErrClosed
	}
}

// serve has a new service accept at an endpoint. The lock is held.
func (s *Server) serve(e *endpoint, at *places) {
	v := s.newService(e, at)
	e.services = append(e.services, v)
	v.begin()
}

// services are all that may have a connection. The lock is held.
func (s *Server) services() []*service {
	list := slices.Clone(s.leaving)
	for _, e := range s.endpoints {
		list = append(list, e.services...)
	}
	return list
}
