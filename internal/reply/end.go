package reply

import (
	"fmt"
	"net/http"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
)

// End completes a response after success. code is dwHttpStatusCode: the status of a response that has no other.
func (s *Response) End(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endRaw()
	if !s.head && !s.ended && s.err == isapi.OK {
		if code < 200 || code > 599 {
			code = http.StatusOK
		}
		if code == http.StatusOK {
			s.with.Watch.Tell(executor.Unfinished, proc, s.with.Trail.Number(), "it returned success, had sent nothing, and had set no status: the client gets an empty page")
		}
		s.sendHead(&isapi.Head{Status: code}, nil)
	}
}

// Fail ends the response after a fault: with an error page if nothing was sent, else by breaking it off.
func (s *Response) Fail(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head { // without a length there is no telling whether it was all
		s.broken = s.broken || !s.complete() || !s.nobody && s.declared < 0 && s.chunks == nil && !s.ended
		return
	}
	s.page(status, 0)
}

// FailUnlessSent is the end after HSE_STATUS_ERROR: many extensions send a complete error page and then return it.
func (s *Response) FailUnlessSent(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endRaw()
	if !s.head {
		s.page(status, 0)
	}
}

// complete: everything the head promised was sent.
func (s *Response) complete() bool {
	if s.nobody {
		return true
	}
	return (s.declared < 0 || s.written == s.declared) && (s.chunks == nil || s.chunks.ended)
}

// lacks says what the response lacks of what its head promised.
func (s *Response) lacks() string {
	if s.declared < 0 {
		return "the response was broken off: its last chunk is missing"
	}
	return fmt.Sprintf("the response was broken off: %d bytes of it were sent, and its Content-Length is %d", s.written, s.declared)
}

// Result closes the response.
func (s *Response) Result(res executor.Result) executor.Result {
	s.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head && !s.ended && !s.complete() && s.err == isapi.OK {
		s.logger().Warn("response broken off: the extension sent less than it promised", "url", s.r.URL.RequestURI(),
			"sent", s.written, "Content-Length", s.declared)
		if !s.broken { // by a fault, which was told of
			s.with.Watch.Tell(executor.Unfinished, proc, s.with.Trail.Number(), s.lacks())
		}
		s.broken = true
	}
	if s.dropped > 0 {
		s.logger().Warn("bytes dropped: the extension sent more than its Content-Length", "url", s.r.URL.RequestURI(),
			"Content-Length", s.declared, "dropped", s.dropped)
		s.with.Watch.Tell(executor.WrongSize, proc, s.with.Trail.Number(),
			fmt.Sprintf("it sent %d bytes more than its Content-Length, which is %d: they were dropped", s.dropped, s.declared))
	}
	if s.broken && s.err == isapi.OK {
		s.dirty = true
		s.flushLocked()
	}
	s.hangUp()
	s.finished = true
	res.Status, res.Substatus, res.Bytes, res.Win32 = s.status, s.sub, s.written, uint32(s.err)
	res.Broken = s.broken
	return res
}

// CloseAfter ends the connection after this response.
func (s *Response) CloseAfter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeAfter()
}

func (s *Response) closeAfter() {
	if s.head {
		s.disconnect = true
		return
	}
	s.w.Header()["Connection"] = []string{"close"}
}

// hangUp ends the connection behind a response whose head had promised to keep it.
func (s *Response) hangUp() {
	if s.disconnect && !s.broken && s.r.ProtoMajor < 2 {
		conn.CloseAfterReply(s.w)
	}
}

// settle takes the response out of the flusher's care, before its end.
func (s *Response) settle() {
	s.mu.Lock()
	cared := s.cared
	s.settled = true
	s.mu.Unlock()
	if cared {
		s.with.Flusher.remove(s)
	}
}
