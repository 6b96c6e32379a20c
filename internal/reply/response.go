// Package reply makes what an extension or a filter sends one HTTP response: a head by a call of its own, or one that is written with
// the body, or none at all; the image's own chunk framing, or a length, or neither; files; the server's own pages; child requests.
//
//	response.go   the response and its states; writes
//	head.go       heads, and what becomes of their fields
//	end.go        how it ends: complete, with an error page, or broken off
//	dechunk.go    the chunk framing of images
//	flusher.go    when what was written is sent
//	pieces.go     memory and files in one go
//	page.go, child.go  ResponseWriters for the server's own pages and for child requests
package reply

import (
	"bytes"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/misuse"
)

// Around is what a response needs of those around it. Only Gone, Watch and Trail may be nil.
type Around struct {
	Log     *slog.Logger // of the image that sends
	Flusher *Flusher
	Host    executor.Host // for pages
	Client  executor.Client
	Gone    Gone
	Watch   *misuse.Watch
	Trail   *executor.Trail // of the request, for the log and Watch
}

// logger is for lines about the request.
func (s *Response) logger() *slog.Logger { return s.with.Trail.Logger(s.with.Log) }

// Gone knows better than the connection why nothing can be sent any more.
type Gone interface {
	// Gone is the error for the image: [isapi.WSAEConnReset] if it is the client who left. The response is locked while it is asked.
	Gone() isapi.Error
}

// Response is one response. [Response.Init] comes first and [Response.Result] last; after that nothing is sent any more, and a
// Response may be set to its zero value and used again. It is in one of these states:
//
//	no head    nothing was sent; bytes written without a header call are collected in raw until they show what they are
//	head       status and headers are with net/http; writes are body
//	ended      a complete response went out (redirect, error page, child request): what follows is dropped
//
// Every method but Init may be called from any thread. The bytes it is given are the image's: it may take them away, and the fault
// is its own, see package native.
type Response struct {
	with Around
	w    http.ResponseWriter
	r    *http.Request

	mu       sync.Mutex // guards all below, and w
	head     bool
	ended    bool
	finished bool // the request is over; w may not be touched
	status   int
	sub      int
	raw      []byte
	declared int64 // Content-Length, -1 if none
	written  int64 // body bytes
	dropped  int64 // body bytes beyond Content-Length
	nobody   bool  // HEAD, 204, 304: body bytes are dropped
	chunks   *dechunker
	err      isapi.Error // why nothing can be sent any more
	broken   bool        // the response cannot be completed: break the connection

	disconnect bool // close the connection after the response
	flushAll   bool // HSE_REQ_SET_FLUSH_FLAG
	flushOnce  bool
	dirty      bool // written, not flushed
	cared      bool // the flusher has it
	settled    bool // the flusher is not to have it any more

	place          int  // for the flusher, under its lock
	seen, sweeping bool // likewise

	values []string // see value
}

// Init begins the response to r on w.
func (s *Response) Init(w http.ResponseWriter, r *http.Request, a Around) {
	s.w, s.r, s.with, s.declared, s.flushAll = w, r, a, -1, a.Flusher.always
}

// Write is WriteClient: all of p or an error.
func (s *Response) Write(p []byte) isapi.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(p)
}

// WriteOut is Write and then Flush, for asynchronous writes: their completion says that the data is on its way.
func (s *Response) WriteOut(p []byte) isapi.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writeLocked(p); err != isapi.OK {
		return err
	}
	return s.flushLocked()
}

func (s *Response) writeLocked(p []byte) isapi.Error {
	switch {
	case s.finished:
		return isapi.InvalidParameter
	case s.err != isapi.OK:
		return s.err
	case s.ended || len(p) == 0:
		return isapi.OK
	case !s.head:
		return s.writeRaw(p)
	}
	return s.writeBody(p)
}

// writeRaw collects bytes that came without a header call until they show whether they are a head. It copies no more than a
// head can have, however much is written at once.
func (s *Response) writeRaw(p []byte) isapi.Error {
	for !s.head {
		held := len(s.raw)
		s.raw = append(s.raw, p[:min(len(p), isapi.MaxRawHead-held)]...)
		kind, h, n := isapi.ParseRaw(s.raw)
		switch kind {
		case isapi.RawMore:
			return isapi.OK
		case isapi.RawBody:
			return s.rawIsBody(s.raw[:held], p)
		case isapi.RawHead:
		}
		s.raw = nil
		if err := s.sendHead(&h, nil); err != isapi.OK {
			return err
		}
		if p = p[n-held:]; len(p) == 0 { // after a 1xx the real head is still to come
			return isapi.OK
		}
	}
	return s.writeBody(p)
}

// rawIsBody begins a page without a head of its own with what was held back and p.
func (s *Response) rawIsBody(held, p []byte) isapi.Error {
	s.raw = nil
	h := isapi.Head{Status: 200, Fields: []isapi.Field{{Name: "Content-Type", Value: "text/html"}}}
	err := s.sendHead(&h, nil)
	if err == isapi.OK {
		err = s.writeBody(held)
	}
	if err == isapi.OK {
		err = s.writeBody(p)
	}
	return err
}

// endRaw is the end of a response whose bytes so far might have been the beginning of a head: they were not.
func (s *Response) endRaw() {
	if !s.head && len(s.raw) > 0 {
		s.rawIsBody(s.raw, nil)
	}
}

// writeBody sends body bytes, freed of the extension's own chunk framing.
func (s *Response) writeBody(p []byte) isapi.Error {
	if s.chunks == nil {
		return s.send(p)
	}
	for len(p) > 0 {
		data, rest, err := s.chunks.next(p)
		if err != nil {
			s.logger().Error("response broken off: bad chunk framing of the extension's own", "error", err, "url", s.r.URL.RequestURI())
			s.broken, s.err = true, isapi.InvalidParameter
			return s.err
		}
		if e := s.send(data); e != isapi.OK {
			return e
		}
		p = rest
	}
	return isapi.OK
}

// send sends body bytes. Those beyond Content-Length never reach the client, so the connection need not be closed because of them.
func (s *Response) send(p []byte) isapi.Error {
	if s.declared >= 0 && !s.nobody {
		if room := s.declared - s.written; int64(len(p)) > room {
			s.dropped += int64(len(p)) - room
			p = p[:room]
		}
	}
	if len(p) == 0 || s.nobody {
		return isapi.OK
	}
	broken := s.broken
	s.broken = true // unless this returns: the extension may take its memory away, and nobody knows how much went out
	n, err := s.hand(p)
	s.broken = broken
	s.written += int64(n)
	if err != nil {
		return s.gone()
	}
	return s.wrote()
}

// hand gives body bytes to net/http. HTTP/2 sends from a goroutine of its own, where a fault could not be contained if the
// extension takes its memory away meanwhile: it gets a copy.
func (s *Response) hand(p []byte) (n int, err error) {
	if s.r.ProtoMajor < 2 {
		return s.w.Write(p)
	}
	for n < len(p) && err == nil {
		var m int
		m, err = s.w.Write(bytes.Clone(p[n:min(n+64<<10, len(p))]))
		n += m
	}
	return n, err
}

// wrote sees to it that what was written reaches the client soon.
func (s *Response) wrote() isapi.Error {
	s.touch()
	if s.flushAll || s.flushOnce {
		s.flushOnce = false
		return s.flushLocked()
	}
	return isapi.OK
}

// touch sees to it that what was written is sent if nothing else does.
func (s *Response) touch() {
	s.dirty = true
	if !s.cared && !s.flushAll && !s.settled {
		s.cared = true
		s.with.Flusher.add(s)
	}
}

// gone notes that the client is not there any more.
func (s *Response) gone() isapi.Error {
	s.err, s.broken = isapi.WSAEConnReset, true
	if s.with.Gone != nil {
		s.err = s.with.Gone.Gone()
	}
	return s.err
}

// Flush sends what was written.
func (s *Response) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLocked()
}

func (s *Response) flushLocked() isapi.Error {
	if s.finished || !s.dirty || s.err != isapi.OK {
		return s.err
	}
	s.dirty = false
	if err := http.NewResponseController(s.w).Flush(); err != nil {
		return s.gone()
	}
	return isapi.OK
}

// FlushWithin sends what was written, for at most so long, unless a write is under way.
func (s *Response) FlushWithin(longest time.Duration) {
	if s.mu.TryLock() {
		defer s.mu.Unlock()
		_ = http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(longest))
		s.flushLocked()
	}
}

// Reached sends what was written; false when nothing more can be.
func (s *Response) Reached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushLocked() == isapi.OK && !s.broken
}

// FlushNext is HSE_IO_NODELAY: the next write goes out at once.
func (s *Response) FlushNext() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushOnce = true
}

// SetFlush is HSE_REQ_SET_FLUSH_FLAG.
func (s *Response) SetFlush(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushAll = on || s.with.Flusher.always
	if on {
		s.flushLocked()
	}
}

// Page sends the server's own page for a status, which says reason ("": the usual) in its status line, if nothing was sent yet. It
// answers the bytes of the page.
func (s *Response) Page(status, sub int, reason string) (int64, isapi.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished || s.head || s.ended {
		return 0, isapi.InvalidParameter
	}
	if reason != "" && reason != http.StatusText(status) {
		s.with.Client.SetReason(status, reason)
	}
	s.page(status, sub)
	return s.written, s.err
}

// page sends the server's own page for a status.
func (s *Response) page(status, sub int) {
	if s.ended || s.err != isapi.OK {
		return
	}
	s.raw = nil
	s.sub = sub
	s.ended = true
	s.with.Host.Error(&pageWriter{s}, s.r, status, sub)
	if !s.head {
		s.sendHead(&isapi.Head{Status: status}, nil)
	}
}

// proc is the function whose end shows what was wrong with a response.
const proc = "HttpExtensionProc"
