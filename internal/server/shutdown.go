package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// lastWait is how long handlers may take to return after their connections were closed under them.
const lastWait = 10 * time.Second

// Shutdown stops the server: no new connections, idle ones are closed, requests that run finish. When ctx ends, the rest is cut:
// connections are closed and request contexts cancelled. It returns when no connection and no handler is left.
//
// The error says how many requests were cut and wraps ctx's. A handler that does not return within 10 s even then is left
// behind; the error says so, and only ending the process frees it. Shutdown may be called in any state and more than once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if s.state != stopped {
		s.state = stopped
		close(s.stopping)
	}
	services := s.services()
	s.mu.Unlock()

	s.closeListeners(services)
	err := s.drain(ctx, services)
	cut := s.requests.Load()
	if err != nil {
		for _, v := range services {
			_ = v.http.Close()
		}
	}
	ended := s.wait()
	s.end()
	s.leavers.Wait()
	if !ended {
		return errors.Join(fmt.Errorf("shutdown: %d requests were cut, %d of them still run", cut, s.requests.Load()), err)
	}
	if err == nil || cut == 0 { // without a request, only connections were left
		return nil
	}
	return fmt.Errorf("shutdown: %d requests were cut: %w", cut, err)
}

// closeListeners refuses new clients.
func (s *Server) closeListeners(services []*service) {
	for _, v := range services {
		v.refuse()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	closeAllBut(nil, s.endpoints)
	for _, l := range s.inherited {
		_ = l.Close()
	}
}

// drain lets all services finish at the same time. An error means that some did not.
func (s *Server) drain(ctx context.Context, services []*service) error {
	errs := make([]error, len(services))
	var all sync.WaitGroup
	for i, v := range services {
		all.Go(func() { errs[i] = v.http.Shutdown(ctx) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Warn("listener did not close cleanly", "error", err)
	}
	return nil
}

// wait returns true when nothing of the server runs any more, false if that takes longer than lastWait.
func (s *Server) wait() bool {
	for end := time.Now().Add(lastWait); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if s.serving.Load() == 0 && s.conns.Load() == 0 {
			s.over.Store(true) // an HTTP/2 handler may be about to begin
			if s.requests.Load() == 0 {
				return true
			}
		}
	}
	return false
}
