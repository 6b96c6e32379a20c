package reply

import (
	"errors"
	"net/http"

	"github.com/isapid/isapid/internal/isapi"
)

// pageWriter is the ResponseWriter of the server's own pages: it writes straight to the client and keeps the books. The response's lock
// is held while it is used.
type pageWriter struct{ s *Response }

func (p *pageWriter) Header() http.Header { return p.s.w.Header() }

func (p *pageWriter) WriteHeader(status int) {
	s := p.s
	if !s.head && status >= 200 {
		s.head, s.status = true, status
		s.w.WriteHeader(status)
	}
}

func (p *pageWriter) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	n, err := p.s.w.Write(b)
	p.s.written += int64(n)
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		p.s.err, p.s.broken = isapi.WSAEConnReset, true
	}
	return n, err
}
