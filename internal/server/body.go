package server

import (
	"errors"
	"io"
	"net/http"
)

// serveUndeclared runs the handler on a body whose length shows only while it is read (chunked). The ResponseWriter is
// wrapped here, because only so it is known whether there is still an answer to give.
func serveUndeclared(site *Site, limit int64, w http.ResponseWriter, r *http.Request) {
	body := &limitedBody{ReadCloser: http.MaxBytesReader(w, r.Body, limit)}
	tracked := &trackedWriter{ResponseWriter: w}
	inner := *r // net/http looks at its own request's body afterwards
	inner.Body = body
	site.Handler.ServeHTTP(tracked, &inner)
	if body.tooLarge && !tracked.wrote {
		site.fail(w, r, http.StatusRequestEntityTooLarge, 1)
	}
}

// limitedBody remembers that its limit was passed.
type limitedBody struct {
	io.ReadCloser
	tooLarge bool
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			b.tooLarge = true
		}
	}
	return n, err
}

// trackedWriter remembers whether the handler answered.
type trackedWriter struct {
	http.ResponseWriter
	wrote bool
}

func (w *trackedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *trackedWriter) WriteHeader(status int) {
	w.wrote = w.wrote || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

func (w *trackedWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

func (w *trackedWriter) WriteString(s string) (int, error) {
	w.wrote = true
	return io.WriteString(w.ResponseWriter, s)
}

func (w *trackedWriter) ReadFrom(r io.Reader) (int64, error) {
	w.wrote = true
	return io.Copy(w.ResponseWriter, r)
}

func (w *trackedWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController looks for.
func (w *trackedWriter) FlushError() error {
	w.wrote = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}
