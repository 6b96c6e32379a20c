package filter

import (
	"io"
	"net/http"
)

// face is the response as whoever answers sees it. Filters are shown the head before it is sent, and may put something else in its
// place: then what is written here is dropped, and nobody is told.
type face struct{ q *run }

// Header implements [http.ResponseWriter].
func (f *face) Header() http.Header {
	if f.q.head.dropped.Load() {
		return http.Header{}
	}
	return f.q.w.Header()
}

// WriteHeader implements [http.ResponseWriter].
func (f *face) WriteHeader(status int) {
	h := &f.q.head
	switch {
	case h.dropped.Load() || h.sent.Load():
	case status < 200:
		f.q.w.WriteHeader(status)
	default:
		h.begin(status, false)
	}
}

// open tells whether body bytes are sent.
func (f *face) open() bool {
	h := &f.q.head
	if !h.sent.Load() {
		f.WriteHeader(http.StatusOK)
	}
	return !h.dropped.Load() && !h.nobody
}

// Write implements [http.ResponseWriter].
func (f *face) Write(p []byte) (int, error) {
	if !f.open() {
		return len(p), nil
	}
	n, err := f.q.w.Write(p)
	f.q.head.bytes += int64(n)
	return n, err
}

// ReadFrom implements [io.ReaderFrom]: files are sent by the system, if the server can.
func (f *face) ReadFrom(src io.Reader) (n int64, err error) {
	if !f.open() {
		return io.Copy(io.Discard, src)
	}
	if r, ok := f.q.w.(io.ReaderFrom); ok {
		n, err = r.ReadFrom(src)
	} else {
		n, err = io.Copy(struct{ io.Writer }{f.q.w}, src)
	}
	f.q.head.bytes += n
	return n, err
}

// FlushError is what [http.ResponseController.Flush] calls: the head must not go past the filters.
func (f *face) FlushError() error {
	if !f.open() && f.q.head.dropped.Load() {
		return nil
	}
	return http.NewResponseController(f.q.w).Flush()
}

// Flush implements [http.Flusher].
func (f *face) Flush() { _ = f.FlushError() }

// Unwrap is for [http.ResponseController], which finds the connection's deadlines below.
func (f *face) Unwrap() http.ResponseWriter { return f.q.w }
