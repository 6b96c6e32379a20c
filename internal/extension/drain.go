package extension

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/reply"
)

// How much of a body the extension left unread is read to save the connection, as net/http does, and for how long: the
// end of a response without a length waits for it.
const (
	maxDrain  = 256 << 10
	drainTime = time.Second
)

// drain reads what the extension left of the body, or has the connection closed. In full duplex net/http leaves that to
// its handlers: it would reuse the connection even if the rest is broken, or too long while somebody has put a body of his own
// in its request, and take what follows for a request; and it panics between two requests if it meets the end of the body itself.
func (q *request) drain() {
	if q.body.duplex && q.r.ProtoMajor < 2 && !q.drained() {
		conn.CloseAfterReply(q.w)
	}
}

// drained reads what is left of the body if that is worth the while, and tells whether the body is at its end.
func (q *request) drained() bool {
	b := &q.body
	known := q.r.ContentLength >= 0
	switch {
	case errors.Is(b.err, io.EOF):
		return !known || b.left() == 0 // somebody's own body may end before that of the connection
	case !reply.KeepAlive(q.r) || reply.HasToken(q.r.Header.Get("Expect"), "100-continue"):
		return false // the client may still wait for its 100
	case known && b.left() > maxDrain || !q.resp.Reached():
		return false
	}
	_ = http.NewResponseController(q.w).SetReadDeadline(time.Now().Add(drainTime)) // net/http sets it anew
	_, err := io.CopyN(io.Discard, readerFunc(b.read), maxDrain+1)
	return errors.Is(err, io.EOF)
}
