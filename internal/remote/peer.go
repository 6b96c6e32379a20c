package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/executor"
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
	case wire.NoteFaulted:
		id, fault, err := wire.DecodeFault(payload)
		if err == nil {
			w.faulted(id, fault)
		}
		return err
	case wire.NoteUnhealthy:
		id, text, err := wire.DecodeNotice(payload)
		if err != nil {
			return err
		}
		if i := w.image(id); i != nil {
			w.s.Notify(Event{Kind: Unhealthy, Image: i.path, Reason: text})
		}
	case wire.NoteFound:
		id, f, times, err := wire.DecodeFound(payload)
		if err == nil {
			w.found(id, f, times)
		}
		return err
	case wire.NoteCounter:
		id, list, err := wire.DecodeCounters(payload)
		if err == nil {
			w.counted(id, list)
		}
		return err
	default:
		return &wire.ProtocolError{What: fmt.Sprintf("unknown note %q", topic)}
	}
	return nil
}

// Trace implements [wire.Peer].
func (p peer) Trace(subscription uint32, events []byte, n, dropped int) error {
	if traced := p.w.s.Traced; traced != nil {
		traced(p.w, subscription, events, n, dropped)
	}
	return nil
}

// Board implements [wire.Peer]; no link gives a front one.
func (p peer) Board(*os.File) error { return &wire.ProtocolError{What: "a worker gave a board"} }

// image is the image with a number; nil if it was just unloaded, or never there.
func (w *Worker) image(number uint64) *Image {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.images[number]
}

// faulted: an image contained a fault.
func (w *Worker) faulted(number uint64, f *executor.FaultInfo) {
	i := w.image(number)
	if i == nil {
		return
	}
	f.Request = w.faultedIn(number)
	w.mu.Lock()
	w.fault = f
	w.mu.Unlock()
	own := *f
	w.s.Notify(Event{Kind: Faulted, Image: i.path, Reason: f.Text, Fault: &own})
	if i.opt.Faulted != nil {
		i.opt.Faulted(errors.New(f.Text))
	}
}

// faultedIn is the request in which an image has just contained a fault, as the board says; 0: that is not known. It costs some 100 µs, so it
// is not asked each time.
func (w *Worker) faultedIn(image uint64) (request uint64) {
	now := time.Now()
	if now.Sub(w.looked) < lookEvery {
		return 0
	}
	w.looked = now
	b, _ := w.readBoard()
	at := int64(0)
	for _, t := range b.Threads {
		for _, c := range t.Last {
			if c.Faulted && c.Image == image && c.At >= at {
				request, at = c.Request, c.At
			}
		}
	}
	return request
}

// lookEvery is how often a board is looked at for a fault.
const lookEvery = 10 * time.Millisecond

// logRecord writes a line of the worker's log where the image's go.
func (w *Worker) logRecord(r *wire.Record) {
	log := w.s.Log
	w.mu.Lock()
	if i := w.images[r.Image]; i != nil && i.opt.Logger != nil {
		log = i.opt.Logger
	}
	w.mu.Unlock()
	rec := slog.NewRecord(r.Time, r.Level, r.Text, 0)
	rec.AddAttrs(slog.Int("worker", w.Pid()))
	rec.AddAttrs(r.Attrs...)
	w.logged.add(lineOf(rec), time.Now())
	if !log.Enabled(context.Background(), r.Level) {
		return
	}
	_ = log.Handler().Handle(context.Background(), rec)
}

// maxLine is how much of a line of the log an obituary has, in bytes.
const maxLine = 1 << 10

// lineOf is a line of the log as text. Control characters in it are quoted.
func lineOf(rec slog.Record) string {
	var b bytes.Buffer
	_ = slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.Level(math.MinInt)}).Handle(context.Background(), rec)
	line := strings.TrimSuffix(b.String(), "\n")
	return line[:min(len(line), maxLine)]
}
