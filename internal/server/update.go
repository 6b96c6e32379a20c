package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Update is what will take the place of the sites and limits there are. Make it with [Server.Prepare]; either Commit or Discard
// must be called, once.
type Update struct {
	server    *Server
	plan      *plan
	endpoints []*endpoint
}

// Prepare does what can fail: it checks sites and limits as [New] does, reads the certificates, also of sites that stay,
// and takes the addresses that are new; all or none. Clients can connect to those from here on and wait for Commit. The server must
// listen; there can be one Update at a time.
func (s *Server) Prepare(sites []Site, limits Limits) (*Update, error) {
	p, err := newPlan(sites, limits)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != listening && s.state != serving:
		return nil, fmt.Errorf("server cannot be updated: it is %v", s.state)
	case s.preparing:
		return nil, errors.New("server cannot be updated: another update is being prepared")
	}
	endpoints, err := s.listen(p, s.endpoints)
	if err != nil {
		return nil, err
	}
	s.preparing = true
	return &Update{s, p, endpoints}, nil
}

// Discard leaves everything as it is.
func (u *Update) Discard() {
	s := u.server
	s.mu.Lock()
	defer s.mu.Unlock()
	closeAllBut(s.endpoints, u.endpoints)
	s.preparing = false
}

// Renewed are the names of the sites that present another certificate than they do now, in the order of the bindings.
func (u *Update) Renewed() (names []string) {
	u.server.mu.Lock()
	defer u.server.mu.Unlock()
	for _, at := range u.plan.places {
		old := u.server.plan.find(at.addr)
		for host, p := range at.hosts {
			if old == nil || old.hosts[host] == nil || p.tls == nil || old.hosts[host].tls == nil {
				continue
			}
			if !p.tls.Certificates[0].Leaf.Equal(old.hosts[host].tls.Certificates[0].Leaf) && !slices.Contains(names, p.site.Name) {
				names = append(names, p.site.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Commit answers from now on by the new sites and limits, also on connections that are there. What runs finishes as it began.
//
// At an address that is not named any more nobody listens; its connections end with the request that runs on them. The same
// happens to connections whose address has changed between http and https, or asks other clients for certificates. Limits of
// connections hold for new ones, those of requests at once.
//
// The channel is closed when no request runs any more that began with the old sites, and no connection can begin one. The
// error is [ErrClosed] if Shutdown has come before.
func (u *Update) Commit() (done <-chan struct{}, err error) {
	s := u.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.preparing = false
	if s.state == stopped {
		closeAllBut(s.endpoints, u.endpoints)
		return nil, ErrClosed
	}
	var left []*service
	for _, e := range s.endpoints {
		if !slices.Contains(u.endpoints, e) {
			left = append(left, e.abandon()...)
		}
	}
	if s.state == serving {
		for i, e := range u.endpoints {
			left = append(left, s.change(e, u.plan.places[i])...)
		}
	}
	old := s.plan
	s.plan, s.endpoints = u.plan, u.endpoints
	s.leaving = append(s.leaving, left...)
	return s.leave(old, left), nil
}

// abandon gives an address up and returns its services.
func (e *endpoint) abandon() []*service {
	for _, v := range e.services {
		v.stop()
	}
	e.close()
	return e.services
}

// change has an endpoint answer by other places, and returns the services that must not do so.
func (s *Server) change(e *endpoint, at *places) (left []*service) {
	e.forget()
	v := e.accepting()
	if v == nil {
		s.serve(e, at)
		return nil
	}
	old := v.now.Load()
	if v.secure != at.secure || !at.sameClients(old) {
		v.stop()
		left, e.services = e.services, nil
		s.serve(e, at)
		return left
	}
	for _, v := range e.services {
		v.now.Store(at)
	}
	if connectionLimits(&v.limits) != connectionLimits(&at.plan.limits) {
		v.stop()
		s.serve(e, at)
	}
	return nil
}

// connectionLimits are those that a connection is made with.
func connectionLimits(l *Limits) Limits {
	return Limits{Header: l.Header, HeaderTimeout: l.HeaderTimeout, IdleTimeout: l.IdleTimeout, WriteTimeout: l.WriteTimeout}
}

// leave sees a plan and the services that are left with it to their end. The lock is held.
func (s *Server) leave(old *plan, left []*service) <-chan struct{} {
	done := make(chan struct{})
	s.leavers.Go(func() {
		defer close(done)
		for _, v := range left {
			v.finish(s.ended)
		}
		old.wait(s.ended)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.leaving = slices.DeleteFunc(s.leaving, func(v *service) bool { return slices.Contains(left, v) })
	})
	return done
}

// finish closes connections as soon as no request runs on them.
func (v *service) finish(ctx context.Context) {
	select {
	case <-v.served: // connections that were accepted are served
	case <-ctx.Done():
	}
	_ = v.http.Shutdown(ctx) // fails only when ctx ends, and then the server's Shutdown has done the rest
}
