package filter

import (
	"io"
	"net/http"
	"strconv"
)

// countedLimit is how much of a body is kept to tell its length.
const countedLimit = 64 << 10

// rawWriter is around the ResponseWriter where a filter sees what is sent. Filters that change bytes cannot be expected to understand
// chunks, and the server knows how the response ends before it does: a short body gets its length, one that is longer ends with
// the connection. When finish returns every byte was sent, so that SF_NOTIFY_END_OF_REQUEST comes behind the last of them.
type rawWriter struct {
	http.ResponseWriter
	r      *http.Request
	status int    // 0: none yet
	begun  bool   // the head is the server's
	kept   []byte // of the body
}

func (w *rawWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *rawWriter) WriteHeader(status int) {
	switch {
	case w.status != 0:
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.status = status
	h := w.Header()
	if _, known := h["Content-Length"]; known || w.bodyless() || h.Get("Transfer-Encoding") != "" {
		w.begin()
	}
}

func (w *rawWriter) bodyless() bool {
	return w.r.Method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified || w.status < 200
}

func (w *rawWriter) begin() {
	w.begun = true
	w.ResponseWriter.WriteHeader(w.status)
}

// endless begins a response whose length nobody knows.
func (w *rawWriter) endless() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.begun {
		return nil
	}
	w.Header().Set("Transfer-Encoding", "identity") // for net/http: until the connection closes
	w.begin()
	kept := w.kept
	w.kept = nil
	_, err := w.ResponseWriter.Write(kept)
	return err
}

func (w *rawWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun && len(w.kept)+len(p) <= countedLimit {
		w.kept = append(w.kept, p...)
		return len(p), nil
	}
	if err := w.endless(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

func (w *rawWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// ReadFrom keeps the server's way with files, which are shown to filters piece by piece all the same.
func (w *rawWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.begun {
		return io.Copy(w.ResponseWriter, r)
	}
	return io.Copy(struct{ io.Writer }{w}, r)
}

func (w *rawWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController looks for.
func (w *rawWriter) FlushError() error {
	if err := w.endless(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// finish sends what is left of a response that is complete.
func (w *rawWriter) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		w.Header().Set("Content-Length", strconv.Itoa(len(w.kept)))
		w.begin()
		_, _ = w.ResponseWriter.Write(w.kept) // who cannot be reached any more learns nothing
		w.kept = nil
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}
