package worker

import (
	"sync"

	"github.com/isapid/isapid/internal/filter"
)

// sessions are the connections that requests have come on which went through filters, from the first request of each until the front
// says that it has ended.
type sessions struct {
	mu sync.Mutex // guards open
	on map[uint64]*filter.Connection
}

// maxSessions is how many are kept. What a front has open is fewer; a connection beyond that is a new one to filters in each request.
const maxSessions = 1 << 17

// get is the connection with this number; nil for one that is not kept.
func (s *sessions) get(number uint64, secure bool) *filter.Connection {
	if number == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.on[number]
	if c == nil && len(s.on) < maxSessions {
		c = filter.NewConnection(secure)
		s.on[number] = c
	}
	return c
}

// ended: the front knows that a connection has. Filters are told when a request that still runs on it is through; those whose image
// is unloaded meanwhile are told by then. It does not wait.
func (s *sessions) ended(number uint64) {
	s.mu.Lock()
	c := s.on[number]
	delete(s.on, number)
	s.mu.Unlock()
	if c != nil {
		go c.End()
	}
}
