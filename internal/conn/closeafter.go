package conn

import (
	"io"
	"net/http"
	"strings"
)

// CloseAfterReply makes net/http close the connection behind a response whose head was sent: nothing but a body beyond
// its limit does. A writer that knows better has a method HangUp.
func CloseAfterReply(w http.ResponseWriter) {
	for {
		if h, ok := w.(interface{ HangUp() }); ok {
			h.HangUp()
			return
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
	}
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("xx")), 1).Read(make([]byte, 2))
}
