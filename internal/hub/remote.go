package hub

import (
	"context"
	"maps"
	"sync/atomic"

	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/trace"
)

// workers finds the source of a worker without waiting for anybody.
type workers struct {
	all atomic.Pointer[map[*remote.Worker]*source] // never changed, but replaced, with Hub.mu held
}

func (m *workers) of(w *remote.Worker) *source {
	if all := m.all.Load(); all != nil {
		return (*all)[w]
	}
	return nil
}

func (m *workers) put(w *remote.Worker, s *source) {
	next := map[*remote.Worker]*source{}
	if all := m.all.Load(); all != nil {
		maps.Copy(next, *all)
	}
	if next[w] = s; s == nil {
		delete(next, w)
	}
	m.all.Store(&next)
}

// Watch makes every worker that is started with s, for a pool, a source of this hub, before it loads its first image. What s has for
// Started, Ended and Traced already is called, too.
func (h *Hub) Watch(s *remote.Settings, pool string) {
	started, ended, traced := s.Started, s.Ended, s.Traced
	s.Started = func(w *remote.Worker) {
		h.started(w, pool)
		if started != nil {
			started(w)
		}
	}
	s.Ended = func(w *remote.Worker) {
		h.ended(w)
		if ended != nil {
			ended(w)
		}
	}
	s.Traced = func(w *remote.Worker, subscription uint32, p []byte, events, dropped int) {
		if src := h.workers.of(w); src != nil {
			src.Batch(subscription, p, events, dropped)
		}
		if traced != nil {
			traced(w, subscription, p, events, dropped)
		}
	}
}

func (h *Hub) started(w *remote.Worker, pool string) {
	s := h.register(&workerSource{w, pool})
	h.mu.Lock()
	h.workers.put(w, s)
	h.mu.Unlock()
	s.introduce()
}

func (h *Hub) ended(w *remote.Worker) {
	if s := h.workers.of(w); s != nil {
		h.mu.Lock()
		h.workers.put(w, nil)
		h.mu.Unlock()
		h.remove(s)
	}
}

// workerSource is a worker as a source.
type workerSource struct {
	w    *remote.Worker
	pool string
}

// Source methods.

func (s *workerSource) Trace(ctx context.Context, list []trace.Subscription, _ trace.Sink) error {
	return s.w.Trace(ctx, list)
}

func (s *workerSource) Process() Process {
	return Process{Pool: s.pool, Worker: s.w.Name(), Pid: s.w.Pid()}
}

func (s *workerSource) Image(number uint64) (Image, bool) {
	i, ok := s.w.Image(number)
	return Image{Number: number, Path: i.Path, Pool: s.pool, Generation: i.Generation}, ok
}

func (s *workerSource) Request(id uint64) (trace.About, bool) {
	in, ok := s.w.Request(id)
	return trace.About{
		Request: id, Site: in.Site, App: in.App, Pool: s.pool, Image: in.Image, Client: in.Client, URL: in.URL, Method: in.Method,
	}, ok
}
