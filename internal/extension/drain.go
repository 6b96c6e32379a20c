package extension

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/isapi"
)

// How much of a body the extension left unread is read to save the connection, as net/http does, and for how long: the
// end of a response without a length waits for it.
const (
	maxDrain  = 256 << 10
	drainTime = time.Second
)

// drain reads what the extension left of the body. In full duplex net/http leaves that to its handlers: it would reuse
// the connection even if the rest is broken, and take what follows for a request; and it panics between two requests
// if it meets the end of the body itself.
func (q *request) drain() {
	b := &q.body
	switch {
	case !b.duplex || q.r.ProtoMajor >= 2 || errors.Is(b.err, io.EOF):
		return
	case !q.keepAlive() || hasToken(q.r.Header.Get("Expect"), "100-continue"):
		return // net/http closes the connection, also of a client that still waits for its 100
	}
	if q.r.ContentLength >= 0 && b.left() > maxDrain {
		return // net/http does not even try
	}
	if !q.resp.reached() {
		return
	}
	_ = http.NewResponseController(q.w).SetReadDeadline(time.Now().Add(drainTime)) // net/http sets it anew
	if _, err := io.CopyN(io.Discard, readerFunc(b.read), maxDrain+1); !errors.Is(err, io.EOF) {
		conn.CloseAfterReply(q.w)
	}
}

// reached sends what was written; false when nothing more can be.
func (s *response) reached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushLocked() == isapi.OK && !s.broken
}
