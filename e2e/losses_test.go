package e2e

import (
	"context"
	"log/slog"
	"sync"
)

// losses are the requests of which the log says that they were lost with their worker.
type losses struct {
	mu     sync.Mutex
	byID   map[string]string // the error, which names the process
	broken int               // of them those whose answer had begun
}

func (l *losses) add(r slog.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var id, why string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "request":
			id = a.Value.String()
		case "error":
			why = a.Value.String()
		case "broken":
			if a.Value.Bool() {
				l.broken++
			}
		}
		return true
	})
	l.byID[id] = why
}

// of is why a request was lost; "" if it was not.
func (l *losses) of(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id]
}

// lostHandler is a handler that collects losses besides.
type lostHandler struct {
	slog.Handler
	lost *losses
}

func (h lostHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "request lost with its worker" {
		h.lost.add(r)
		return nil // the tests that have them expect them
	}
	return h.Handler.Handle(ctx, r)
}

func (h lostHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return lostHandler{h.Handler.WithAttrs(a), h.lost}
}

func (h lostHandler) WithGroup(name string) slog.Handler {
	return lostHandler{h.Handler.WithGroup(name), h.lost}
}
