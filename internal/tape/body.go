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

// budget is how much of its memory a recorder uses.
type budget struct {
	most int64 // bytes
	used atomic.Int64
}

// kept is what a recorder keeps of a request. When there is no room for all of it, the request is left out as a whole.
type kept struct {
	of *budget

	mu      sync.Mutex // guards all below: a thread that was left behind may write still
	base    int64      // bytes that are used until free, also when the request is left out
	more    int64      // those that are used besides
	left    bool       // it is left out
	over    bool       // nothing is added any more
	in, out copied
	calls   []call
	open    int // calls that have not returned
}

// copied is a copy of a body on its way.
type copied struct {
	text []byte
	cut  string // why it is not all
}

// begin takes room for what is always kept. It says whether there is some.
func (k *kept) begin(base int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.grow(base) {
		return false
	}
	k.base, k.more = k.more, 0
	return true
}

// grow takes room for more; if there is none, what was kept is gone. k.mu is held.
func (k *kept) grow(n int) bool {
	if k.over {
		return false
	}
	if k.of.used.Add(int64(n)) <= k.of.most {
		k.more += int64(n)
		return true
	}
	k.of.used.Add(-int64(n))
	k.left = true
	k.drop()
	return false
}

// drop forgets what was kept. k.mu is held.
func (k *kept) drop() {
	k.of.used.Add(-k.more)
	k.more, k.over = 0, true
	k.in.text, k.out.text, k.calls, k.open = nil, nil, nil, 0
}

// copy keeps p, of the body c of the request.
func (k *kept) copy(c *copied, p []byte) {
	if len(p) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.over || c.cut != "":
	case len(c.text)+len(p) > MostBody:
		k.of.used.Add(-int64(len(c.text)))
		k.more -= int64(len(c.text))
		c.text, c.cut = nil, "is longer than 8 MiB"
	case k.grow(len(p)):
		c.text = append(c.text, p...)
	}
}

// missing says whether the request is left out.
func (k *kept) missing() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.left
}

// free gives back all room: nothing more is kept.
func (k *kept) free() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop()
	k.of.used.Add(-k.base)
	k.base = 0
}

// received is the body of a request that is copied while it is read.
type received struct {
	io.ReadCloser
	to  *kept
	end atomic.Bool // it was read to its end
}

func (b *received) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.to.copy(&b.to.in, p[:n])
	if errors.Is(err, io.EOF) {
		b.end.Store(true)
	}
	return n, err
}

// sent is a response that is copied while it is written.
type sent struct {
	http.ResponseWriter
	to *kept

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
	s.to.copy(&s.to.out, p[:n])
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
