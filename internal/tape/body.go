package tape

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// MostBody is the longest body that is recorded, in bytes; a request with a longer one cannot be played again.
const MostBody = 8 << 20

// mostBodies is how many bytes of bodies a recorder keeps at a time, of all requests that have not been written.
const mostBodies = 256 << 20

// copied is a copy of a body on its way.
type copied struct {
	total *atomic.Int64 // bytes of all of the recorder

	mu   sync.Mutex // guards all below: a thread that was left behind may write still
	text []byte
	cut  string // why it is not all
}

func (c *copied) add(p []byte) {
	if len(p) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cut != "":
		return
	case len(c.text)+len(p) > MostBody:
		c.cut = "is longer than 8 MiB"
	case c.total.Add(int64(len(p))) > mostBodies:
		c.total.Add(-int64(len(p)))
		c.cut = "did not fit beside those of other requests"
	default:
		c.text = append(c.text, p...)
		return
	}
	c.total.Add(-int64(len(c.text)))
	c.text = nil
}

// take ends the copy.
func (c *copied) take() (text []byte, cut string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, cut = c.text, c.cut
	c.total.Add(-int64(len(text)))
	c.text, c.cut = nil, "it has ended"
	return text, cut
}

// received is the body of a request that is copied while it is read.
type received struct {
	io.ReadCloser
	to  *copied
	end atomic.Bool // it was read to its end
}

func (b *received) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.to.add(p[:n])
	if errors.Is(err, io.EOF) {
		b.end.Store(true)
	}
	return n, err
}

// sent is a response that is copied while it is written.
type sent struct {
	http.ResponseWriter
	to *copied

	mu     sync.Mutex // guards all below
	status int        // 0: it has not begun
	header http.Header
}

// Unwrap lets [http.ResponseController] reach what the server's writer can do besides.
func (s *sent) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (s *sent) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		s.begin(status)
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (s *sent) Write(p []byte) (int, error) {
	s.begin(http.StatusOK)
	n, err := s.ResponseWriter.Write(p)
	s.to.add(p[:n])
	return n, err
}

// FlushError is what http.ResponseController looks for.
func (s *sent) FlushError() error {
	s.begin(http.StatusOK)
	return http.NewResponseController(s.ResponseWriter).Flush()
}

func (s *sent) begin(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == 0 {
		s.status, s.header = status, s.Header().Clone()
	}
}

// head is the status and the header as they were sent; 0: nothing was.
func (s *sent) head() (int, http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, s.header
}
