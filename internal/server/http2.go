package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// serveHTTP2 is for one stream of an HTTP/2 connection. The connection's clocks see all streams together, so each stream
// gets its own here: its body must arrive, and its client must open the window, within the limits.
func (s *Site) serveHTTP2(l *Limits, w http.ResponseWriter, r *http.Request) {
	if !s.admit(l, w, r) {
		return
	}
	stream := &streamWriter{ResponseWriter: w, control: http.NewResponseController(w), limit: positive(l.WriteTimeout)}
	var body *streamBody
	if r.ContentLength != 0 {
		inner := *r
		body = &streamBody{ReadCloser: r.Body, control: stream.control, limit: positive(l.BodyTimeout)}
		inner.Body = body
		if l.Body > 0 && r.ContentLength < 0 {
			body.ReadCloser = http.MaxBytesReader(w, r.Body, l.Body)
		}
		r = &inner
	}
	defer stream.finish()
	s.Handler.ServeHTTP(stream, r)
	switch {
	case body != nil && body.timedOut:
		panic(http.ErrAbortHandler)
	case body != nil && body.tooLarge && !stream.wrote:
		s.fail(w, r, http.StatusRequestEntityTooLarge, 1)
	}
}

// streamBody is the body of one stream.
type streamBody struct {
	io.ReadCloser
	control  *http.ResponseController
	limit    time.Duration
	armed    time.Time
	timedOut bool
	tooLarge bool
}

func (b *streamBody) Read(p []byte) (int, error) {
	if b.limit > 0 {
		if now := time.Now(); b.armed.Sub(now) < b.limit {
			b.armed = now.Add(b.limit + b.limit/4)
			_ = b.control.SetReadDeadline(b.armed)
		}
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		if errors.Is(err, os.ErrDeadlineExceeded) && !b.armed.IsZero() && !time.Now().Before(b.armed) {
			b.timedOut = true // else the handler ended the read with a deadline of its own
		}
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			b.tooLarge = true
		}
	}
	return n, err
}

// streamWriter resets a stream whose client takes nothing for a time.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	limit   time.Duration
	timer   *time.Timer // runs while a write does; nil before the first
	wrote   bool

	mu   sync.Mutex
	done bool // guarded by mu: the handler returned, net/http's writer must not be touched
}

// streamPiece is what must be taken within the limit.
const streamPiece = 16 << 10

func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *streamWriter) WriteHeader(status int) {
	w.wrote = w.wrote || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

func (w *streamWriter) Write(p []byte) (n int, err error) {
	w.wrote = true
	for {
		piece := p[n:min(len(p), n+streamPiece)]
		stop := w.watch()
		m, err := w.ResponseWriter.Write(piece)
		stop()
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

func (w *streamWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController looks for.
func (w *streamWriter) FlushError() error {
	w.wrote = true
	defer w.watch()()
	return w.control.Flush()
}

// watch starts the clock and returns what stops it.
func (w *streamWriter) watch() func() {
	if w.limit <= 0 {
		return func() {}
	}
	if w.timer == nil {
		w.timer = time.AfterFunc(w.limit, w.expire)
	} else {
		w.timer.Reset(w.limit)
	}
	return w.stop
}

func (w *streamWriter) stop() { w.timer.Stop() }

// expire resets the stream: a deadline in the past does.
func (w *streamWriter) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		_ = w.control.SetWriteDeadline(time.Unix(1, 0))
	}
}

// finish bounds the time for what net/http still holds back, at most 4 KiB.
func (w *streamWriter) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	if w.wrote && w.limit > 0 {
		_ = w.control.SetWriteDeadline(time.Now().Add(w.limit))
	}
}
