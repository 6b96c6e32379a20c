// Package server is HTTP itself: listeners, TLS, limits and timeouts. It knows sites as handlers and host names, and
// nothing of what is behind them.
//
// A [Server] goes New, Listen, Serve, Shutdown. New reads and checks everything that can be wrong in a configuration, Listen
// takes the addresses (all or none), Serve answers until Shutdown, and Shutdown returns when nothing of the server runs any more.
//
// HTTP/1.x and HTTP/2 are net/http's. Handlers get its own ResponseWriter, so that sendfile, Flush and ResponseController work
// at full speed, with two exceptions: a body of undeclared length (HTTP/1.x), and HTTP/2. Every request's context leads to its
// connection: see package conn.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
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
	limits    Limits
	log       *slog.Logger
	endpoints []*endpoint

	mu    sync.Mutex
	state state // guarded by mu

	requests atomic.Int64 // handlers that run; over HTTP/2 they may outlive their connection's goroutine
	conns    atomic.Int64 // connections that net/http serves
	serving  atomic.Int64 // endpoints that accept
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
	s := &Server{limits: limits.WithDefaults(), log: log}
	var err error
	if s.endpoints, err = plan(s, sites); err != nil {
		return nil, err
	}
	for _, e := range s.endpoints {
		e.http = s.newHTTP(e)
	}
	return s, nil
}

// Listen takes all addresses, or none and returns why. Clients can connect from here on and wait for [Server.Serve].
func (s *Server) Listen() error {
	if err := s.move(made, listening); err != nil {
		return err
	}
	for _, e := range s.endpoints {
		if err := e.listen(); err != nil {
			s.closeListeners()
			for _, e := range s.endpoints {
				e.listener = nil
			}
			return errors.Join(err, s.move(listening, made))
		}
	}
	return nil
}

// Addrs returns the addresses listened on, in the order in which the bindings first name them; port 0 is resolved.
func (s *Server) Addrs() []net.Addr {
	var addrs []net.Addr
	for _, e := range s.endpoints {
		if e.listener != nil {
			addrs = append(addrs, e.listener.Addr())
		}
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
	s.serving.Add(int64(len(s.endpoints)))
	s.mu.Unlock()

	failed := make(chan error, len(s.endpoints))
	for _, e := range s.endpoints {
		go func() {
			defer s.serving.Add(-1)
			failed <- e.http.Serve(e.accepting())
		}()
	}
	var first error
	for range s.endpoints {
		err := <-failed
		if first == nil || errors.Is(first, ErrClosed) {
			first = err
		}
		if !errors.Is(err, ErrClosed) {
			s.closeListeners()
		}
	}
	return first
}

func (s *Server) move(from, to state) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != from {
		return fmt.Errorf("server cannot be %v: it is %v, not %v", to, s.state, from)
	}
	s.state = to
	return nil
}

func (s *Server) closeListeners() {
	for _, e := range s.endpoints {
		e.close()
	}
}

// baseContext is the parent of all requests' contexts.
func (s *Server) baseContext(net.Listener) context.Context { return context.Background() }
