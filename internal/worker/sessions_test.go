package worker

import (
	"testing"

	"github.com/isapid/isapid/internal/filter"
)

// TestSessions: a connection is one thing from its first request to its end, and no more are kept than may be.
func TestSessions(t *testing.T) {
	s := sessions{on: map[uint64]*filter.Connection{}}
	if s.get(0, false) != nil {
		t.Error("something is kept for a connection without a number")
	}
	one := s.get(1, false)
	if one == nil || s.get(1, false) != one || s.get(2, false) == one {
		t.Error("a connection is not found again, or is another's")
	}
	s.ended(1)
	s.ended(3) // nobody has heard of it
	if again := s.get(1, false); again == one {
		t.Error("a connection goes on after its end")
	}
	for n := uint64(10); len(s.on) < maxSessions; n++ {
		s.get(n, false)
	}
	if s.get(1<<40, false) != nil || len(s.on) != maxSessions {
		t.Errorf("%d connections are kept, want %d", len(s.on), maxSessions)
	}
	if s.get(2, false) == nil {
		t.Error("one that is kept is not found any more")
	}
}
