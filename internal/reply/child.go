package reply

import (
	"net/http"

	"github.com/isapid/isapid/internal/isapi"
)

// Child is the ResponseWriter of a child request: it becomes the parent's response, as far as that has not begun.
type Child struct {
	Status int         // 0: it has none yet
	Bytes  int64       // that it wrote
	Err    isapi.Error // why something could not be sent

	s         *Response
	noHeaders bool
	header    http.Header
}

// Child makes a writer for a child request, of which only the body is sent if there are to be no headers.
func (s *Response) Child(noHeaders bool) *Child { return &Child{s: s, noHeaders: noHeaders} }

func (c *Child) Header() http.Header {
	if c.header == nil {
		c.header = http.Header{}
	}
	return c.header
}

func (c *Child) WriteHeader(status int) {
	if c.Status != 0 || status < 200 {
		return
	}
	c.Status = status
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.noHeaders || c.s.head || c.s.ended || c.s.finished {
		return
	}
	h := isapi.Head{Status: status}
	for name, values := range c.header {
		for _, v := range values {
			h.Fields = append(h.Fields, isapi.Field{Name: name, Value: v})
		}
	}
	c.Err = c.s.sendHead(&h, nil)
}

func (c *Child) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	var err isapi.Error
	if c.s.head {
		err = c.s.bodyOfChild(p)
	} else {
		err = c.s.writeLocked(p)
	}
	if err != isapi.OK {
		c.Err = err
		return 0, err
	}
	c.Bytes += int64(len(p))
	return len(p), nil
}

// Flush lets a child stream.
func (c *Child) Flush() {
	c.WriteHeader(http.StatusOK)
	c.s.Flush()
}

// bodyOfChild is a write that is no part of the extension's own chunk framing.
func (s *Response) bodyOfChild(p []byte) isapi.Error {
	if s.finished || s.ended || s.err != isapi.OK {
		return s.err
	}
	return s.send(p)
}

// Unwrap is for [http.ResponseController], which finds the connection's deadlines below.
func (c *Child) Unwrap() http.ResponseWriter { return c.s.w }

// Reserve ends the response for a child request that answers in its place. It fails when something was sent already. then is
// called with the response locked.
func (s *Response) Reserve(then func()) isapi.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished || s.head || s.ended || len(s.raw) > 0 {
		return isapi.InvalidParameter
	}
	s.ended = true
	then()
	return isapi.OK
}

// Reopen lets the child of SEND_URL write what the extension may not any more.
func (s *Response) Reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = false
}

// Seal ends it: what follows is dropped.
func (s *Response) Seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// Begun tells whether there is a head.
func (s *Response) Begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// GiveUp: the response cannot be completed.
func (s *Response) GiveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
}
