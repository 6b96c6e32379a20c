package wire

import (
	"os"
	"sync"
	"sync/atomic"
)

// A region is memory that both processes have. The bytes of a large body go through it: the socket would copy each of them three
// times more. PROTOCOL.md has the rules, and docs/decisions/why-large-bodies-share-memory.md the reasons. The front makes every
// region, so that there is nothing in one that a worker could have prepared.
type region struct {
	number uint64
	mem    []byte       // regionSize bytes. Those a worker writes can change at any time: they are passed on, never looked at
	users  atomic.Int32 // who keeps it mapped: the link, and each exchange that has it
	lent   bool         // to an exchange. Guarded by regions.mu
	file   *os.File     // in the front, until the worker has it too. Guarded by regions.mu
}

// drop is called by each user once; the last one's unmaps it.
func (r *region) drop() {
	if r.users.Add(-1) == 0 {
		unmapRegion(r.mem)
		r.mem = nil
	}
}

// ring is one end's place in a region, through which bytes go in order, around and around. No more of them are on their way than
// it has room for: flow control sees to that.
type ring struct {
	*region
	pos int
}

// next is the memory of the following bytes: n, or as many as lie together.
func (g *ring) next(n int) []byte { return g.mem[g.pos:min(g.pos+n, len(g.mem))] }

// move is told that the first n of them are done with.
func (g *ring) move(n int) { g.pos = (g.pos + n) % len(g.mem) }

// regions are those of one link. A front makes them when it needs one more and keeps them for later exchanges; a worker has what it is
// given.
type regions struct {
	mu   sync.Mutex          // guards all below
	all  [maxRegions]*region // by number, from 1 on
	made uint64              // in the front: so many, also those that the worker could not have
	free []*region           // in the front: mapped by both ends, and nobody's. The last one was used last
	none bool                // in the front: there will be no more, one of the ends cannot have them
	over bool                // the link is
}

// of is the region with a number that the other end has told; nil if there is none. s.mu is held.
func (s *regions) of(n uint64) *region {
	if n == 0 || n > maxRegions {
		return nil
	}
	return s.all[n-1]
}

// take lends a region that nobody has; nil: there is none. Each one that is taken is returned by put and drop.
func (s *regions) take() *region {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return nil
	}
	r := s.free[n-1]
	s.free = s.free[:n-1]
	r.lent = true
	r.users.Add(1)
	return r
}

// put makes a region one that can be lent again. Neither end may touch it for the exchange that had it, from now on.
func (s *regions) put(r *region) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.lent = false; !s.over {
		s.free = append(s.free, r)
	}
}

// make makes another region, if there may be one more, and gives what is to be sent with its descriptor. It can be taken when the
// worker has answered.
func (s *regions) make() (frame []byte, file *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.none || s.made == maxRegions {
		return nil, nil
	}
	r, err := newRegion()
	if err == nil {
		if file, err = duplicate(r.file); err != nil {
			r.file.Close()
			r.drop()
		}
	}
	if err != nil { // bodies go through the socket then
		s.none = true
		return nil, nil
	}
	s.all[s.made] = r
	s.made++
	r.number = s.made
	return end(appendUint(begin(nil, kRegion, 0, 0), r.number), 0), file
}

// answered is what the worker says to a region: it has it, or it cannot.
func (s *regions) answered(f *frame) error {
	d := decoder{b: f.payload}
	n := d.uint()
	if err := d.end("REGION"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	r := s.of(n)
	if r == nil || r.file == nil {
		return protocolError("REGION %d, which was not offered", n)
	}
	ok := f.flags&flagFailed == 0 && sealRegion(r.file) == nil
	r.file.Close()
	if r.file = nil; !ok {
		s.none, s.all[n-1] = true, nil
		r.drop()
		return nil
	}
	s.free = append(s.free, r)
	return nil
}

// offered is a region of the front, in the worker; the answer is to be sent.
func (s *regions) offered(f *frame, file *os.File) (answer []byte, err error) {
	if file == nil {
		return nil, protocolError("REGION without a descriptor")
	}
	defer file.Close()
	d := decoder{b: f.payload}
	n := d.uint()
	if err := d.end("REGION"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == 0 || n > maxRegions || s.all[n-1] != nil { // they may overtake each other
		return nil, protocolError("REGION %d, which is there or cannot be", n)
	}
	if err := checkRegion(file); err != nil {
		return nil, err
	}
	if s.over {
		return nil, nil
	}
	answer = begin(nil, kRegion, 0, 0)
	r, err := mapRegion(file)
	if err != nil {
		answer[5] |= flagFailed
	} else {
		r.number, s.all[n-1] = n, r
	}
	return end(appendUint(answer, n), 0), nil
}

// lend finds the region that the front lends to an exchange of this worker.
func (s *regions) lend(n uint64) (*region, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.of(n)
	switch {
	case r == nil:
		return nil, protocolError("LEND of region %d, which this end does not have", n)
	case r.lent:
		return nil, protocolError("LEND of region %d, which an exchange has", n)
	}
	r.lent = true
	r.users.Add(1)
	return r, nil
}

// takeBack: an exchange of this worker that is over had it.
func (s *regions) takeBack(r *region) {
	s.mu.Lock()
	r.lent = false
	s.mu.Unlock()
	r.drop()
}

// close is told that the link is over. A region that somebody uses is unmapped when he is done.
func (s *regions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, r := range s.all {
		if r == nil {
			continue
		}
		if r.file != nil {
			r.file.Close()
			r.file = nil
		}
		r.drop()
	}
	s.free = nil
}
