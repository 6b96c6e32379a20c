package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// Most is how many may listen at a time.
const Most = 8

// answerIn is how long a process may take to say that it knows who listens.
const answerIn = 2 * time.Second

// Why nobody can listen.
var (
	ErrMany   = errors.New("too many listen already")
	ErrFilter = errors.New("filter cannot be read")
)

// Source is a process whose calls can be listened to. The methods may be called from several goroutines.
type Source interface {
	// Trace says who listens, all of them, and where what is recorded goes. It returns when that is so, or ctx is over. There is one call
	// at a time.
	Trace(ctx context.Context, list []trace.Subscription, to trace.Sink) error
	// Process says which one it is.
	Process() Process
	// Image is the image with a number; false: there is none.
	Image(number uint64) (Image, bool)
	// Request is what a request is about, while the process has it; false: it has none with this ID.
	Request(id uint64) (trace.About, bool)
}

// Hub knows who listens, and to what. Make it with [New].
type Hub struct {
	software string

	mu      sync.RWMutex // guards all below
	streams map[uint32]*Stream
	sources map[*source]struct{}
	last    uint32 // stream
	given   uint32 // number to a source
	version uint64 // of streams: it goes up with each that comes or goes
	workers workers

	dropped atomic.Uint64
}

// Dropped is how many events were dropped since the hub was made, of all who listened.
func (h *Hub) Dropped() uint64 { return h.dropped.Load() }

// New makes a hub. The software is told at the beginning of each stream.
func New(software string) *Hub {
	return &Hub{software: software, streams: map[uint32]*Stream{}, sources: map[*source]struct{}{}}
}

// source is a process that has been added. It is the sink of what is recorded there.
type source struct {
	h       *Hub
	s       Source
	process Process
	number  uint32
	turn    chan struct{} // held by who tells it who listens, and guards all below
	told    uint64        // the version that it knows
	ids     []uint32      // of those who listen, as far as it was told
}

// Batch implements [trace.Sink].
func (s *source) Batch(subscription uint32, p []byte, _, dropped int) {
	s.h.mu.RLock()
	st := s.h.streams[subscription]
	s.h.mu.RUnlock()
	if st != nil { // else nobody has it any more
		st.take(s, p, dropped)
	}
}

// Add has a process listened to from now on. It returns when it knows who listens, or 2 s have passed. The caller must call remove, when the
// process is not to be listened to any more, or has ended.
func (h *Hub) Add(s Source) (remove func()) {
	src := h.register(s)
	src.introduce()
	return func() { h.remove(src) }
}

// register makes a process a source. It must be introduced, and removed.
func (h *Hub) register(s Source) *source {
	src := &source{h: h, s: s, process: s.Process(), turn: make(chan struct{}, 1)}
	h.mu.Lock()
	h.given++
	src.number = h.given
	h.sources[src] = struct{}{}
	h.mu.Unlock()
	return src
}

// introduce tells a new source who listens. If that fails it is told again when somebody comes or goes.
func (s *source) introduce() {
	s.h.mu.RLock()
	version := s.h.version
	s.h.mu.RUnlock()
	ctx, cancel := context.WithTimeout(context.Background(), answerIn)
	defer cancel()
	_ = s.tell(ctx, version)
}

func (h *Hub) remove(s *source) {
	h.mu.Lock()
	if _, ok := h.sources[s]; !ok {
		h.mu.Unlock()
		return
	}
	delete(h.sources, s)
	streams := make([]*Stream, 0, len(h.streams))
	for _, st := range h.streams {
		streams = append(streams, st)
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), answerIn)
	defer cancel()
	s.turn <- struct{}{}
	if s.told = 1<<64 - 1; len(s.ids) > 0 { // who is about to tell it has nothing more to say
		s.ids = nil
		_ = s.s.Trace(ctx, nil, s) // it may be gone
	}
	<-s.turn
	for _, st := range streams {
		st.forget(s.number)
	}
}

// tell says to a process who listens, unless it knows that version or a later one.
func (s *source) tell(ctx context.Context, version uint64) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.told >= version {
		return nil
	}
	list, now := s.h.list(s)
	ids := make([]uint32, len(list))
	for n, one := range list {
		ids[n] = one.ID
	}
	if !slices.Equal(ids, s.ids) {
		s.ids = ids // it may have heard it, whatever it says
		if err := s.s.Trace(ctx, list, s); err != nil {
			s.ids = append(s.ids, 0) // and is told again
			return err
		}
	}
	s.told = now
	return nil
}

// PartOf says whether a pool with workers is meant by a name: it is called so, or is a part of the pool of the configuration with that
// name, or has those of its images that are for another system.
func PartOf(pool, name string) bool {
	rest, begins := strings.CutPrefix(pool, name)
	return begins && (rest == "" || rest[0] == '@' || rest[0] == ':')
}

// list is who listens to a process, and of which version that is. A worker is not asked for what belongs to others.
func (h *Hub) list(s *source) (list []trace.Subscription, version uint64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for id, st := range h.streams {
		f := st.filter
		if s.process.Worker != "" {
			if f.Pool != "" && !PartOf(s.process.Pool, f.Pool) {
				continue
			}
			f.Pool = "" // all that it has is of this pool, whatever it is called there
		}
		list = append(list, trace.Subscription{ID: id, Filter: f})
	}
	slices.SortFunc(list, func(a, b trace.Subscription) int { return cmp.Compare(a.ID, b.ID) })
	return list, h.version
}

// spread tells all processes who listens, and answers who of them did not say in time that it knows.
func (h *Hub) spread(ctx context.Context, version uint64) []Missing {
	h.mu.RLock()
	sources := make([]*source, 0, len(h.sources))
	for s := range h.sources {
		sources = append(sources, s)
	}
	h.mu.RUnlock()
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	errs := make([]error, len(sources))
	var all sync.WaitGroup
	for n, s := range sources {
		all.Go(func() { errs[n] = s.tell(ctx, version) })
	}
	all.Wait()
	var missing []Missing
	for n, err := range errs {
		if err == nil || !h.has(sources[n]) {
			continue
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("it did not answer within %v", answerIn)
		}
		missing = append(missing, Missing{sources[n].process, err.Error()})
	}
	slices.SortFunc(missing, func(a, b Missing) int { return cmp.Compare(a.Worker, b.Worker) })
	return missing
}

func (h *Hub) has(s *source) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	_, ok := h.sources[s]
	return ok
}

// Attach has somebody listen. It returns when all processes have said that they know, or 2 s have passed: who is missing is in the first
// record. The caller must Close what it returns.
func (h *Hub) Attach(ctx context.Context, who string, f trace.Filter) (*Stream, error) {
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFilter, err)
	}
	h.mu.Lock()
	if len(h.streams) >= Most {
		h.mu.Unlock()
		return nil, ErrMany
	}
	h.last++
	h.version++
	st := newStream(h, h.last, who, f)
	h.streams[st.id] = st
	version := h.version
	h.mu.Unlock()
	missing := h.spread(ctx, version)
	if err := ctx.Err(); err != nil {
		st.Close()
		return nil, err
	}
	st.begin(missing)
	return st, nil
}

// detach ends a stream. It returns when the processes know, or 2 s have passed.
func (h *Hub) detach(st *Stream) {
	h.mu.Lock()
	if h.streams[st.id] != st {
		h.mu.Unlock()
		return
	}
	delete(h.streams, st.id)
	h.version++
	version := h.version
	h.mu.Unlock()
	h.spread(context.Background(), version)
}

// Listener is somebody who listens.
type Listener struct {
	ID      uint32
	Who     string
	Filter  trace.Filter
	Since   time.Time
	Events  uint64 // given to him
	Dropped uint64
}

// Listeners are those who listen, in the order in which they came.
func (h *Hub) Listeners() (list []Listener) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, st := range h.streams {
		list = append(list, st.listener())
	}
	slices.SortFunc(list, func(a, b Listener) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
