package filter

import (
	"fmt"
	"net/http"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/identity"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/reply"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/variables"
)

// What filters call. Each works only while the filter is inside a notification of the request, on whatever thread; one who calls
// at another time, or with a context of long ago, gets ERROR_INVALID_PARAMETER.

// maxText is the longest text taken from a filter, in bytes.
const maxText = 1 << 20

// enter is the beginning of a callback: the request it is about, and the notification the filter is in, 0 for one of raw data alone.
// The caller must call leave unless it is nil.
func (s *session) enter() (q *run, event uint32) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	event = s.within()
	if event == 0 && s.raws == 0 || s.run == nil {
		return nil, 0
	}
	s.inside++
	return s.run, event
}

// within is the notification that the filter is in, but for those of raw data; 0: it is in none. s.c.mu is held.
func (s *session) within() uint32 {
	if s.now == 0 && s.run != nil {
		if event := s.run.event.Load(); event != 0 && s.run.calls.CalledBack(s.pfc) {
			return event
		}
	}
	return s.now
}

func (s *session) leave() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.inside--
	s.idle.Broadcast()
}

// GetServerVariable is the callback of that name.
func (s *session) GetServerVariable(name, buf, size uintptr) isapi.Error {
	q, event := s.enter()
	if q == nil {
		return s.outside(trace.FilterGetServerVariable, 0)
	}
	defer s.leave()
	q.mu.Lock()
	defer q.mu.Unlock()
	if event == isapi.NotifyPreprocHeaders {
		q.reroute() // what it says is what the filter has made of the request
	}
	return q.variables().Copy(name, buf, size)
}

// variables are those of the request as it is now. q.mu is held.
func (q *run) variables() *variables.Request {
	q.vars = variables.Request{R: q.r, T: q.target(), Client: q.client.Client, Length: q.r.ContentLength}
	return &q.vars
}

// AddResponseHeaders is the callback of that name: the lines are added to the response, whoever makes it. A blank line at the end
// means nothing. Once the response has a head, there is AddHeader.
func (s *session) AddResponseHeaders(text, _ uintptr) isapi.Error {
	if text == 0 {
		return isapi.InvalidParameter
	}
	q, _ := s.enter()
	if q == nil {
		return s.outside(trace.FilterAddResponseHeaders, 0)
	}
	defer s.leave()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head.responding || q.head.sent.Load() {
		return isapi.InvalidParameter
	}
	return q.keepFields(&q.added, text, s, trace.FilterAddResponseHeaders, 0)
}

// keepFields reads header lines that s gives in a callback. q.mu is held.
func (q *run) keepFields(list *[]isapi.Field, text uintptr, s *session, f trace.Func, code isapi.SFReq) isapi.Error {
	fs, err := fields(native.String(text, maxText))
	if err != nil {
		s.misused(executor.HeaderInjection, f, code, err.Error())
		return isapi.InvalidParameter
	}
	for _, f := range fs {
		if err := q.grow(len(f.Name) + len(f.Value)); err != isapi.OK {
			return err
		}
		*list = append(*list, f)
	}
	return isapi.OK
}

// grow counts what filters add; a request can take maxGrowth. q.mu is held.
func (q *run) grow(n int) isapi.Error {
	if n += 32; q.growth+n > maxGrowth {
		return isapi.NotEnoughMemory
	}
	q.growth += n
	return isapi.OK
}

// WriteClient is the callback of that name: bytes of a response of the filter's own. If they begin it, they may begin with its head.
func (s *session) WriteClient(buf, size uintptr, _ uint32) isapi.Error {
	if c := s.rawCall(); c != nil {
		return c.writeClient(buf, size)
	}
	if size == 0 {
		return s.wrongSize(trace.FilterWriteClient, "the pointer to the size is NULL")
	}
	n := native.Read[uint32](size)
	if int32(n) < 0 || n > 0 && buf == 0 {
		return s.wrongSize(trace.FilterWriteClient, fmt.Sprintf("%d bytes at %#x are to be sent", int32(n), buf))
	}
	q, _ := s.enter()
	if q == nil {
		return s.outside(trace.FilterWriteClient, 0)
	}
	defer s.leave()
	p := native.Bytes(buf, int(n))
	err := q.sendOwn(func(r *reply.Response) isapi.Error { return r.Write(p) })
	if err != isapi.OK {
		native.Write[uint32](size, 0)
	}
	return err
}

// AllocMem is the callback of that name: zero bytes that live as long as the connection.
func (s *session) AllocMem(size uint32) uintptr {
	s.c.mu.Lock()
	inside := s.within() != 0 || s.raws > 0
	s.c.mu.Unlock()
	if !inside {
		s.outside(trace.FilterAllocMem, 0)
		return 0
	}
	if size > memoryLimit {
		s.wrongSize(trace.FilterAllocMem, fmt.Sprintf("%d bytes are more than a connection can have", size))
		return 0
	}
	s.taken.Add(int64(size) + 16)
	return s.mem.Alloc(int(size))
}

// GetHeader is the callback of that name in the structures of PREPROC_HEADERS, AUTH_COMPLETE and SEND_RESPONSE.
func (s *session) GetHeader(name, buf, size uintptr) isapi.Error {
	if name == 0 || size == 0 {
		return isapi.InvalidParameter
	}
	q, event := s.enter()
	if q == nil {
		return s.outside(trace.FilterGetHeader, 0)
	}
	defer s.leave()
	n := native.String(name, maxHeaderName)
	q.mu.Lock()
	defer q.mu.Unlock()
	var v string
	var err isapi.Error
	switch event {
	case isapi.NotifyPreprocHeaders, isapi.NotifyAuthComplete:
		v, err = requestHeader(q.r, n)
	case isapi.NotifySendResponse:
		v, err = q.head.responseHeader(n)
	default:
		err = isapi.InvalidParameter
	}
	if err != isapi.OK {
		return err
	}
	return variables.CopyOut(v, buf, size)
}

// SetHeader is the callback of that name: it replaces all values of a field, or takes them away if the new one is "".
func (s *session) SetHeader(name, value uintptr) isapi.Error {
	return s.changeHeader(name, value, false)
}

// AddHeader is the callback of that name: it adds a value to those there are.
func (s *session) AddHeader(name, value uintptr) isapi.Error {
	return s.changeHeader(name, value, true)
}

func (s *session) changeHeader(name, value uintptr, add bool) isapi.Error {
	if name == 0 || value == 0 {
		return isapi.InvalidParameter
	}
	f := trace.FilterSetHeader
	if add {
		f = trace.FilterAddHeader
	}
	q, event := s.enter()
	if q == nil {
		return s.outside(f, 0)
	}
	defer s.leave()
	n, v := native.String(name, maxHeaderName), native.String(value, maxHeaderValue)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.grow(len(n) + len(v)); err != isapi.OK {
		return err
	}
	if !goodValue(v) {
		s.misused(executor.HeaderInjection, f, 0, "the value of "+isapi.Printable(isapi.Clip(n))+" has control characters")
	}
	switch event {
	case isapi.NotifyPreprocHeaders, isapi.NotifyAuthComplete:
		q.copyRequest()
		moved, err := change(q.r, n, v, add)
		q.moved = q.moved || moved && err == isapi.OK
		return err
	case isapi.NotifySendResponse:
		return q.head.change(n, v, add)
	}
	return isapi.InvalidParameter
}

// copyRequest makes the request one that can be changed: the server goes on to use its own.
func (q *run) copyRequest() {
	if q.r == q.orig {
		q.r = q.orig.WithContext(q.orig.Context())
		if q.r.Header = q.orig.Header.Clone(); q.r.Header == nil {
			q.r.Header = http.Header{}
		}
	}
}

// GetUserToken is the callback of AUTH_COMPLETE. On Windows it gives a token of the filter's own, for it to close; elsewhere there are none.
func (s *session) GetUserToken(token uintptr) isapi.Error {
	if token == 0 {
		return isapi.InvalidParameter
	}
	native.Write[uintptr](token, 0)
	h, err := identity.Copy()
	if err != nil {
		return isapi.NoToken
	}
	native.Write(token, h)
	return isapi.OK
}
