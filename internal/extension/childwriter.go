package extension

import (
	"net/http"

	"github.com/isapid/isapid/internal/isapi"
)

// childWriter is the ResponseWriter of a child request: it becomes the parent's response, as far as that has not begun.
type childWriter struct {
	s         *response
	noHeaders bool
	header    http.Header
	status    int
	n         int64
	err       isapi.Error
}

func (c *childWriter) Header() http.Header {
	if c.header == nil {
		c.header = http.Header{}
	}
	return c.header
}

func (c *childWriter) WriteHeader(status int) {
	if c.status != 0 || status < 200 {
		return
	}
	c.status = status
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
	c.err = c.s.sendHead(&h, nil)
}

func (c *childWriter) Write(p []byte) (int, error) {
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
		c.err = err
		return 0, err
	}
	c.n += int64(len(p))
	return len(p), nil
}

// Flush lets a child stream.
func (c *childWriter) Flush() {
	c.WriteHeader(http.StatusOK)
	c.s.flush()
}

// bodyOfChild is a write that is no part of the extension's own chunk framing.
func (s *response) bodyOfChild(p []byte) isapi.Error {
	if s.finished || s.ended || s.err != isapi.OK {
		return s.err
	}
	return s.send(p)
}

// Unwrap is for [http.ResponseController], which finds the connection's deadlines below.
func (c *childWriter) Unwrap() http.ResponseWriter { return c.s.w }

// reopen lets the child of SEND_URL write what the extension may not any more.
func (s *response) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = false
}

func (s *response) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

func (s *response) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// giveUp: the response cannot be completed.
func (s *response) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
}
