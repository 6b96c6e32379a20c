package remote

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/isapid/isapid/internal/wire"
)

// peer is the front at its end of the wire.
type peer struct{ w *Worker }

// Serve implements [wire.Peer]: a worker opens only children of our own requests, and the link knows whose they are.
func (p peer) Serve(*wire.Exchange) error {
	return &wire.ProtocolError{What: "a worker opened a request of its own"}
}

// Control implements [wire.Peer].
func (p peer) Control(topic string, _ []byte, _ func(bool, []byte)) error {
	return &wire.ProtocolError{What: fmt.Sprintf("unknown question %q", topic)}
}

// Note implements [wire.Peer].
func (p peer) Note(topic string, payload []byte) error {
	w := p.w
	switch topic {
	case wire.NoteReady:
		select {
		case <-w.ready:
			return &wire.ProtocolError{What: "ready twice"}
		default:
			close(w.ready)
		}
	case wire.NoteLog:
		r, err := wire.DecodeRecord(payload)
		if err != nil {
			return err
		}
		w.logRecord(&r)
	case wire.NoteFaulted, wire.NoteUnhealthy:
		id, text, err := wire.DecodeNotice(payload)
		if err != nil {
			return err
		}
		w.mu.Lock()
		i := w.images[id]
		w.mu.Unlock()
		if i == nil {
			return nil // it was just unloaded
		}
		kind := Faulted
		if topic == wire.NoteUnhealthy {
			kind = Unhealthy
		}
		w.s.Notify(Event{Kind: kind, Image: i.path, Reason: text})
		if kind == Faulted && i.opt.Faulted != nil {
			i.opt.Faulted(fmt.Errorf("%s", text))
		}
	default:
		return &wire.ProtocolError{What: fmt.Sprintf("unknown note %q", topic)}
	}
	return nil
}

// logRecord writes a line of the worker's log where the image's go.
func (w *Worker) logRecord(r *wire.Record) {
	log := w.s.Log
	w.mu.Lock()
	if i := w.images[r.Image]; i != nil && i.opt.Logger != nil {
		log = i.opt.Logger
	}
	w.mu.Unlock()
	if !log.Enabled(context.Background(), r.Level) {
		return
	}
	rec := slog.NewRecord(r.Time, r.Level, r.Text, 0)
	rec.AddAttrs(slog.Int("worker", w.Pid()))
	rec.AddAttrs(r.Attrs...)
	_ = log.Handler().Handle(context.Background(), rec)
}
