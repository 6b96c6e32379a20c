package wire

import (
	"errors"
	"os"
	"sync"
	"time"
)

// sender writes frames and never waits for the other end, so that neither can an exchange nor whoever reads. Who finds nobody writing
// writes what there is; what comes meanwhile leaves together with the next write. So there is no goroutine to wake, and under
// load one system call carries many frames. Only what the socket does not take at once is left to a goroutine of its own.
type sender struct {
	to      Stream
	patient bool           // who writes waits for the other end: it always reads, and this is a stream that can only be waited for
	broken  func(error)    // told once why nothing can be sent any more
	late    sync.WaitGroup // the goroutine that waits for the socket

	mu    sync.Mutex  // guards all below
	busy  bool        // somebody has the outlet
	queue batch       // what comes meanwhile, and what waits for company
	held  int         // bytes in the queue that were held
	timer *time.Timer // releases them
	armed bool        // it runs
	spare []byte
	err   error
}

// batch is bytes with descriptors.
type batch struct {
	b     []byte
	files []attached
}

// attached is a descriptor that goes with the byte at an offset of its batch.
type attached struct {
	at int
	f  *os.File
}

var errBacklog = errors.New("the other end does not read")

// write sends b, with a descriptor if f is not nil, which it closes. b may be used again when it returns.
func (s *sender) write(b []byte, f *os.File) {
	now := batch{b: b}
	if f != nil {
		now.files = []attached{{0, f}}
	}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		now.drop()
		return
	}
	if s.busy {
		full := len(s.queue.b)+len(b) > maxBacklog
		if !full {
			s.queue.add(now)
		}
		s.mu.Unlock()
		if full {
			now.drop()
			s.fail(errBacklog)
		}
		return
	}
	s.busy = true
	if len(s.queue.b) > 0 {
		s.queue.add(now)
		now = s.takeQueue()
	}
	s.mu.Unlock()
	s.drain(now, s.patient)
}

// holdFor is how long a frame waits for something else that is sent.
const holdFor = 25 * time.Millisecond

// hold has a frame, whose payload is in two parts, sent in front of what is sent next, in the same write; if nothing is, on its own
// after a while. False: too much waits already, or nothing can be sent any more, and it is not taken. Both may be used again when it
// returns.
func (s *sender) hold(begin, rest []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(begin) + len(rest)
	if s.err != nil || s.held+n > maxTraced {
		return false
	}
	s.queue.b = append(append(s.queue.b, begin...), rest...)
	s.held += n
	if !s.armed {
		s.armed = true
		if s.timer == nil {
			s.timer = time.AfterFunc(holdFor, s.release)
		} else {
			s.timer.Reset(holdFor)
		}
	}
	return true
}

// release sends what is held.
func (s *sender) release() {
	s.mu.Lock()
	s.armed = false
	if s.err != nil || s.busy || len(s.queue.b) == 0 { // who is busy sends it, too
		s.mu.Unlock()
		return
	}
	s.busy = true
	now := s.takeQueue()
	s.mu.Unlock()
	s.drain(now, s.patient)
}

// takeQueue is what is queued; from then on it is queued elsewhere. s.mu is held.
func (s *sender) takeQueue() (now batch) {
	now, s.queue, s.held = s.queue, batch{b: s.spare[:0]}, 0
	if s.spare = now.b; cap(s.spare) > 1<<20 {
		s.spare = nil
	}
	return now
}

// drain writes now and what is queued meanwhile. It waits for the socket if it may, else a goroutine does that.
func (s *sender) drain(now batch, wait bool) {
	for {
		rest, err := s.put(now, wait)
		if err != nil {
			rest.drop()
			s.fail(err)
		}
		s.mu.Lock()
		switch {
		case s.err != nil:
			queue := s.queue
			s.queue, s.busy = batch{}, false
			s.mu.Unlock()
			rest.drop()
			queue.drop()
			return
		case len(rest.b) > 0:
			var own batch
			own.add(rest) // what came is the caller's
			s.late.Go(func() { s.drain(own, true) })
			s.mu.Unlock()
			return
		case len(s.queue.b) == 0:
			s.busy = false
			s.mu.Unlock()
			return
		}
		now = s.takeQueue()
		s.mu.Unlock()
	}
}

// put writes as much of a batch as the socket takes, all of it if it may wait.
func (s *sender) put(q batch, wait bool) (rest batch, err error) {
	for len(q.b) > 0 && err == nil {
		var f *os.File
		upTo, others := len(q.b), q.files
		if len(others) > 0 && others[0].at == 0 {
			f, others = others[0].f, others[1:]
		}
		if len(others) > 0 {
			upTo = others[0].at
		}
		var n int
		n, err = s.to.send(q.b[:upTo], f, wait)
		if n == 0 && err == nil {
			break
		}
		if n > 0 {
			q = q.after(n)
		}
	}
	return q, err
}

// after is the batch without its first n bytes, which are sent; the descriptors that went with them are closed.
func (q batch) after(n int) batch {
	if len(q.files) > 0 && q.files[0].at == 0 {
		q.files[0].f.Close()
		q.files = q.files[1:]
	}
	for i := range q.files {
		q.files[i].at -= n
	}
	return batch{q.b[n:], q.files}
}

// add copies more to the end.
func (q *batch) add(more batch) {
	for _, a := range more.files {
		q.files = append(q.files, attached{len(q.b) + a.at, a.f})
	}
	q.b = append(q.b, more.b...)
}

func (q batch) drop() {
	for _, a := range q.files {
		a.f.Close()
	}
}

// fail has nothing sent any more; the first reason counts.
func (s *sender) fail(err error) {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	s.mu.Unlock()
	if first {
		s.broken(err)
	}
}

func (s *sender) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
