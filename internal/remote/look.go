package remote

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/wire"
)

// Inside is a request in a worker.
type Inside struct {
	Request             uint64 // its ID; 0: none
	Image               string // path
	Site, App           string // name and path; "" if there is none
	Method, URL, Client string
	Since               time.Time
}

// ImageInfo is what is known of an image that a worker has loaded, or is loading.
type ImageInfo struct {
	Number     uint64 // in the worker: that of events and of the board
	Path       string
	Generation int
}

// Trace says who listens to the calls of the worker's images from now on, all of them; none: nobody does. It returns when the worker
// has answered, or has ended or was disowned: then nobody can listen, which is no error. The events go to Settings.Traced.
func (w *Worker) Trace(ctx context.Context, list []trace.Subscription) error {
	if list == nil {
		list = []trace.Subscription{}
	}
	payload, err := json.Marshal(list)
	if err != nil {
		return err
	}
	_, err = w.link.Ask(ctx.Done(), wire.AskTrace, payload)
	switch {
	case errors.Is(err, wire.ErrCancelled):
		return ctx.Err()
	case errors.Is(err, wire.ErrDown):
		return nil
	}
	return err
}

// Board is what the threads of the worker were last doing, also when it has ended; false if that cannot be known. A request in it is
// one that is in the worker or was there lately, an image one that it has: the rest is the worker's word.
func (w *Worker) Board() (trace.Board, bool) {
	w.mu.Lock()
	o := w.obit
	w.mu.Unlock()
	switch {
	case o == nil:
		return w.readBoard()
	case o.Board == nil:
		return trace.Board{}, false
	}
	return *o.Board, true
}

// readBoard reads the file: what the worker does to that memory meanwhile can do no more than change what is read.
func (w *Worker) readBoard() (b trace.Board, ok bool) {
	if w.board == nil {
		return b, false
	}
	p := make([]byte, boardHead)
	if _, err := w.board.ReadAt(p, 0); err != nil {
		return b, false
	}
	p = append(p, make([]byte, min(max(trace.BoardPart(p), len(p)), trace.BoardSize)-len(p))...)
	if _, err := w.board.ReadAt(p[boardHead:], boardHead); err != nil && len(p) > boardHead {
		return b, false
	}
	b, err := trace.ReadBoard(p)
	if err != nil { // no image was called yet
		b = trace.Board{}
	}
	w.mu.Lock()
	requests := w.runs.known()
	images := make(map[uint64]struct{}, len(w.images))
	for id := range w.images {
		images[id] = struct{}{}
	}
	w.mu.Unlock()
	for _, t := range b.Threads {
		purge(t.Open, images, requests)
		purge(t.Last, images, requests)
	}
	return b, true
}

// boardHead is how much of a board says how long it is, in bytes.
const boardHead = 4096

// purge takes from calls what the worker cannot know.
func purge(calls []trace.LastCall, images, requests map[uint64]struct{}) {
	for i := range calls {
		c := &calls[i]
		if _, ok := images[c.Image]; !ok {
			c.Image = 0
		}
		if _, ok := requests[c.Request]; !ok {
			c.Request = 0
		}
	}
}

// Requests are those that are inside, in no order.
func (w *Worker) Requests() (list []Inside) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs.all() {
		list = append(list, r.inside())
	}
	return list
}

// Image is the image with a number; false: the worker has none.
func (w *Worker) Image(number uint64) (ImageInfo, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.images[number]
	if i == nil {
		return ImageInfo{}, false
	}
	return i.info(), true
}

// Request is the request with an ID; false: it is not in this worker.
func (w *Worker) Request(id uint64) (Inside, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.runs.byID[id]
	if r == nil {
		return Inside{}, false
	}
	return r.inside(), true
}

// Relevel tells the worker from which level on the loggers of its images take lines, if that has changed.
func (w *Worker) Relevel() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relevel(0, &w.level, w.s.Log)
	for id, i := range w.images {
		w.relevel(id, &i.level, i.opt.Logger)
	}
}

// relevel tells the worker of one level, if it is another than it knows. w.mu is held, so that these come in order.
func (w *Worker) relevel(image uint64, known *int, log *slog.Logger) {
	if level := logLevel(log); level != *known {
		*known = level
		w.link.Tell(wire.NoteLevel, wire.EncodeLevel(image, slog.Level(level)))
	}
}

func (i *Image) info() ImageInfo {
	return ImageInfo{Number: i.id, Path: i.path, Generation: i.opt.Generation}
}
