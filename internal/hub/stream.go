package hub

import (
	"context"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

const (
	maxHeld    = 4 << 20  // bytes of records that wait for a listener
	writeFrom  = 64 << 10 // bytes that are given to him at once
	writeAfter = 50 * time.Millisecond
	aliveEvery = 5 * time.Second
	maxTold    = 2048 // requests of which a listener has been told, and is not told again
)

// Stream is what somebody who listens gets.
type Stream struct {
	h      *Hub
	id     uint32
	who    string
	filter trace.Filter
	since  time.Time
	wake   chan struct{} // there is something
	full   chan struct{} // there is enough

	mu        sync.Mutex // guards all below
	hello     []byte     // the first record
	buf       []byte     // records
	spare     []byte
	dropped   uint64 // not told yet
	events    uint64 // in all
	lost      uint64 // dropped in all
	processes map[uint32]struct{}
	images    map[inSource]struct{}
	requests  told
}

// inSource is a number that means something in one process.
type inSource struct {
	source uint32
	number uint64
}

// told are the requests of which a listener was told last.
type told struct {
	known map[inSource]struct{}
	ring  [maxTold]inSource
	next  int
}

// add notes a request; the oldest one is forgotten.
func (t *told) add(r inSource) {
	slot := &t.ring[t.next%maxTold]
	delete(t.known, *slot)
	*slot = r
	t.known[r] = struct{}{}
	t.next++
}

func newStream(h *Hub, id uint32, who string, f trace.Filter) *Stream {
	return &Stream{
		h: h, id: id, who: who, filter: f, since: time.Now(), wake: make(chan struct{}, 1), full: make(chan struct{}, 1),
		processes: map[uint32]struct{}{}, images: map[inSource]struct{}{}, requests: told{known: map[inSource]struct{}{}},
	}
}

// begin makes the first record.
func (st *Stream) begin(missing []Missing) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.hello = appendHello(nil, &Hello{Version: Version, Software: st.h.software, ID: st.id, Filter: st.filter, Since: st.since, Missing: missing})
}

// take has events of a process for this stream; dropped are those that it could not keep. It does not wait for anybody, and keeps nothing of
// p.
func (st *Stream) take(from *source, p []byte, dropped int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.drop(dropped)
	before := len(st.buf)
	room := before+len(p) <= maxHeld
	var request, image uint64
	events, err := trace.Scan(p, func(r, i uint64) {
		if room && (r != request || i != image) {
			request, image = r, i
			st.tell(from, r, i)
		}
	})
	switch {
	case events == 0:
	case err != nil || !room:
		st.drop(events)
	default:
		st.events += uint64(events)
		st.buf = appendBatch(st.buf, from.number, p)
	}
	if before == 0 && (len(st.buf) > 0 || st.dropped > 0) {
		poke(st.wake)
	}
	if before < writeFrom && len(st.buf) >= writeFrom {
		poke(st.full)
	}
}

// drop counts events that nobody will see. st.mu is held.
func (st *Stream) drop(n int) {
	st.dropped += uint64(max(n, 0))
	st.lost += uint64(max(n, 0))
	st.h.dropped.Add(uint64(max(n, 0)))
}

// tell says whose events come next, where that is known and was not told. st.mu is held.
func (st *Stream) tell(from *source, request, image uint64) {
	if _, ok := st.processes[from.number]; !ok {
		st.processes[from.number] = struct{}{}
		st.buf = appendProcess(st.buf, from.number, &from.process)
	}
	i := inSource{from.number, image}
	if _, ok := st.images[i]; !ok && image != 0 {
		if known, ok := from.s.Image(image); ok {
			st.images[i] = struct{}{}
			st.buf = appendImage(st.buf, from.number, &known)
		}
	}
	r := inSource{from.number, request}
	if _, ok := st.requests.known[r]; !ok && request != 0 {
		if about, ok := from.s.Request(request); ok {
			st.requests.add(r)
			st.buf = appendRequest(st.buf, from.number, &about)
		}
	}
}

// forget drops what was told of a process that is gone: there will be no more of it.
func (st *Stream) forget(number uint32) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.processes, number)
	for i := range st.images {
		if i.source == number {
			delete(st.images, i)
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run gives the records to write, whole ones, several at a time, until ctx is over, or write fails: then it returns that error. The first
// is given at once. While write waits, events are dropped that have no more room. p is valid until write returns. There is one Run at a
// time.
func (st *Stream) Run(ctx context.Context, write func(p []byte) error) error {
	st.mu.Lock()
	hello := st.hello
	st.mu.Unlock()
	if err := write(hello); err != nil {
		return err
	}
	beat := time.NewTicker(aliveEvery)
	defer beat.Stop()
	company := time.NewTimer(writeAfter)
	defer company.Stop()
	for {
		alive := false
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			alive = true
		case <-st.wake:
			company.Reset(writeAfter)
			select {
			case <-ctx.Done():
			case <-st.full:
			case <-company.C:
			}
		}
		p := st.next(alive)
		if len(p) == 0 {
			continue
		}
		if err := write(p); err != nil {
			return err
		}
	}
}

// next is all that waits, and is valid until the next call; with alive it is not nothing.
func (st *Stream) next(alive bool) []byte {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.dropped > 0 {
		st.buf = appendDropped(st.buf, st.dropped)
		st.dropped = 0
	}
	if alive && len(st.buf) == 0 {
		st.buf = appendAlive(st.buf)
	}
	p := st.buf
	st.buf, st.spare = st.spare[:0], p
	return p
}

// Close ends it: nobody is asked for events any more. It returns when the processes have said so, or 2 s have passed.
func (st *Stream) Close() { st.h.detach(st) }

func (st *Stream) listener() Listener {
	st.mu.Lock()
	defer st.mu.Unlock()
	return Listener{ID: st.id, Who: st.who, Filter: st.filter, Since: st.since, Events: st.events, Dropped: st.lost}
}
