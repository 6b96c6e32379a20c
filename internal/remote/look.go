package remote

import (
	"context"
	"errors"
	"time"

	"github.com/isapid/isapid/internal/trace"
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
// has answered. The events go to Settings.Traced.
func (w *Worker) Trace(ctx context.Context, list []trace.Subscription) error {
	return errors.ErrUnsupported
}

// Board is what the threads of the worker were last doing, also when it has ended; false if that cannot be known. A request in it is
// one that is in the worker or was there lately, an image one that it has: the rest is the worker's word.
func (w *Worker) Board() (trace.Board, bool) { return trace.Board{}, false }

// Requests are those that are inside, in no order.
func (w *Worker) Requests() (list []Inside) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.running {
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
	r := w.byID[id]
	if r == nil {
		return Inside{}, false
	}
	return r.inside(), true
}

// Relevel tells the worker from which level on the loggers of its images take lines, if that has changed.
func (w *Worker) Relevel() {}

func (r *running) inside() Inside {
	in := Inside{Request: r.id, Image: r.image.path, Method: r.method, URL: r.url, Client: r.client, Since: r.since}
	if r.app != nil {
		in.Site, in.App = r.app.SiteName, r.app.Path
	}
	return in
}

func (i *Image) info() ImageInfo {
	return ImageInfo{Number: i.id, Path: i.path, Generation: i.opt.Generation}
}

// recent are the IDs of the requests that were in a worker last.
type recent struct {
	ids  [256]uint64
	next int
}

func (r *recent) add(id uint64) {
	r.ids[r.next%len(r.ids)] = id
	r.next++
}

func (r *recent) has(id uint64) bool {
	for _, one := range r.ids {
		if one == id {
			return true
		}
	}
	return false
}
