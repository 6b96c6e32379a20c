package filter

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// RawEvents are the notifications that show the bytes of a connection.
const RawEvents = isapi.NotifyReadRawData | isapi.NotifySendRawData

const (
	heldLimit  = 128 << 10 // bytes that a filter may collect by SF_STATUS_REQ_READ_NEXT
	blockLimit = 16 << 20  // bytes that a filter may make of a block
	spareRoom  = 1024      // bytes behind a block, which a filter may use to make it longer in place
	rawDepth   = 4         // how often a filter's WriteClient in SEND_RAW_DATA may be inside another
)

// RefuseRaw is an error that says what to do when flags ask for raw data, for where there are none.
func RefuseRaw(flags uint32) error {
	if flags&RawEvents == 0 {
		return nil
	}
	return fmt.Errorf("it asks for %s, which only filters in the server's own process can get: give it a pool with \"mode: in-process\"", isapi.Notification(flags&RawEvents))
}

// Raw is a connection as filters of raw data see it: it is what package conn calls a Receiver and a Sender. Such filters are asked in the
// order of all others for what is received, in the opposite one for what is sent: the first of all is next to the wire.
type Raw struct {
	c    *Connection
	find func() (chain []Member, release func())

	inside atomic.Pointer[[]Member] // the filters of the request that runs
	depth  atomic.Int32             // of Send in Send
	held   []heldBy                 // of Receive alone
}

// heldBy is what a filter did not want to pass on before it has seen more. The next version of the filter goes on with it.
type heldBy struct {
	name string
	data []byte
}

// NewRaw shows the bytes of a connection to the filters that find finds: it is called where no request runs, and they stay loaded until
// release.
func NewRaw(c *Connection, find func() (chain []Member, release func())) *Raw {
	return &Raw{c: c, find: find}
}

// Begin has the filters of a request see the bytes until end, instead of those that are found then.
func (r *Raw) Begin(chain []Member) (end func()) {
	before := r.inside.Swap(&chain)
	return func() { r.inside.Store(before) }
}

func (r *Raw) chain() (chain []Member, release func()) {
	if p := r.inside.Load(); p != nil {
		return *p, func() {}
	}
	return r.find()
}

// Receive takes what was received through the filters that want to see it (SF_NOTIFY_READ_RAW_DATA). next is what a filter asked for
// with SF_REQ_SET_NEXT_READ_SIZE, 0 if none did. The error is [io.EOF]: the connection ends, and the client was told what there is to tell.
func (r *Raw) Receive(data []byte, send func([]byte) error) (out []byte, next int, err error) {
	if !r.c.enter() {
		return nil, 0, io.EOF
	}
	defer r.c.leave()
	chain, release := r.chain()
	defer release()
	filters := wanting(chain, isapi.NotifyReadRawData, r.c.secure)
	data = slices.Concat(r.orphaned(filters), data)
	call := &rawCall{send: send}
	for _, f := range filters {
		if data = slices.Concat(r.take(f), data); len(data) == 0 {
			return nil, 0, nil
		}
		status, changed, errno, err := r.c.session(f).raw(isapi.NotifyReadRawData, data, call)
		if err != nil {
			return r.refuse(send, "500 Internal Server Error")
		}
		switch data = changed; status {
		case isapi.FilterReadNext:
			if len(data) > heldLimit {
				f.conf.Log.Error("a filter did what it must not", "filter", f.conf.Name, "error", fmt.Sprintf("SF_STATUS_REQ_READ_NEXT with more than %d bytes", heldLimit))
				return r.refuse(send, "413 Request Entity Too Large")
			}
			r.held = append(r.held, heldBy{f.conf.Name, data})
			return nil, call.next, nil
		case isapi.FilterHandledNotification:
			return data, 0, nil
		case isapi.FilterFinished:
			return nil, 0, io.EOF
		case isapi.FilterFinishedKeepConn:
			return nil, 0, nil
		case isapi.FilterError:
			answer := "500 Internal Server Error"
			if errno == isapi.AccessDenied {
				answer = "403 Forbidden"
			}
			return r.refuse(send, answer)
		}
	}
	return data, 0, nil
}

// refuse ends the connection, with an answer if no request runs that may be having one.
func (r *Raw) refuse(send func([]byte) error, status string) ([]byte, int, error) {
	r.held = nil
	if r.inside.Load() == nil {
		_ = send([]byte("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")) // the connection ends anyway
	}
	return nil, 0, io.EOF
}

// take is what f holds.
func (r *Raw) take(f *Filter) (data []byte) {
	for i, h := range r.held {
		if h.name == f.conf.Name {
			r.held = slices.Delete(r.held, i, i+1)
			return h.data
		}
	}
	return nil
}

// orphaned is what filters hold that are not asked any more.
func (r *Raw) orphaned(asked []*Filter) (data []byte) {
	r.held = slices.DeleteFunc(r.held, func(h heldBy) bool {
		gone := !slices.ContainsFunc(asked, func(f *Filter) bool { return f.conf.Name == h.name })
		if gone {
			data = append(data, h.data...)
		}
		return gone
	})
	return data
}

// Why nothing more is sent.
var (
	errSendEnded = errors.New("a filter ended the connection in SF_NOTIFY_SEND_RAW_DATA")
	errTooDeep   = errors.New("WriteClient in SF_NOTIFY_SEND_RAW_DATA, inside too many others")
)

// Send takes a block through the filters that want to see it (SF_NOTIFY_SEND_RAW_DATA). A filter that calls WriteClient there has another
// block sent before this one, through all filters.
func (r *Raw) Send(block []byte, write func([]byte) error) error {
	defer r.depth.Add(-1)
	if r.depth.Add(1) > rawDepth {
		return errTooDeep
	}
	if !r.c.enter() {
		return errSendEnded
	}
	defer r.c.leave()
	chain, release := r.chain()
	defer release()
	call := &rawCall{send: func(p []byte) error { return r.Send(p, write) }}
	for _, f := range slices.Backward(wanting(chain, isapi.NotifySendRawData, r.c.secure)) {
		s := r.c.session(f)
		if s.disabled(isapi.NotifySendRawData) {
			continue
		}
		status, changed, _, err := s.raw(isapi.NotifySendRawData, block, call)
		if err != nil {
			return err
		}
		switch block = changed; status {
		case isapi.FilterFinished, isapi.FilterFinishedKeepConn, isapi.FilterError:
			return errSendEnded
		}
		if len(block) == 0 {
			return nil
		}
		if status == isapi.FilterHandledNotification {
			break
		}
	}
	return write(block)
}

// wanting are the filters of a chain that want an event, in the order in which they are asked.
func wanting(chain []Member, event uint32, secure bool) (list []*Filter) {
	ordered := slices.DeleteFunc(slices.Clone(chain), func(m Member) bool { return !m.Filter.Wants(event, secure) })
	slices.SortStableFunc(ordered, func(a, b Member) int {
		if a.Global != b.Global {
			if a.Global {
				return -1
			}
			return 1
		}
		return a.Filter.class - b.Filter.class
	})
	for _, m := range ordered {
		list = append(list, m.Filter)
	}
	return list
}

// rawCall is what the callbacks of a filter do during a notification of raw data.
type rawCall struct {
	send func([]byte) error
	next int
}

// raw tells the filter of one block, and answers what it made of that.
func (s *session) raw(event uint32, block []byte, call *rawCall) (status uint32, changed []byte, errno isapi.Error, err error) {
	var mem native.Memory
	defer mem.Free()
	room := len(block) + spareRoom
	data, p := mem.Alloc(room+guardSize), mem.Alloc(int(unsafe.Sizeof(isapi.FilterRawData{})))
	if data == 0 || p == 0 {
		return 0, nil, 0, errors.New("no memory for a block of raw data")
	}
	own := native.Bytes(data, room+guardSize)
	copy(own, block)
	copy(own[room:], guard)
	native.Write(p, isapi.FilterRawData{Data: data, Length: uint32(len(block)), Capacity: uint32(room)})

	s.c.mu.Lock()
	before := s.rawNow
	s.rawNow = call
	s.c.mu.Unlock()
	defer func() {
		s.c.mu.Lock()
		s.rawNow = before
		s.c.mu.Unlock()
	}()
	if status, errno, err = s.proc(event, p); err != nil {
		return 0, nil, 0, err
	}
	if string(own[room:]) != string(guard) {
		return 0, nil, 0, s.f.fault(isapi.Notification(event).String(), errOverrun)
	}
	if changed, err = takeBlock(native.Read[isapi.FilterRawData](p), data, own[:room]); err != nil {
		return 0, nil, 0, s.f.fault(isapi.Notification(event).String(), err)
	}
	return status, changed, errno, nil
}

// takeBlock copies what a filter left: in the buffer it was given, or elsewhere.
func takeBlock(left isapi.FilterRawData, given uintptr, own []byte) (block []byte, err error) {
	n := left.Length
	if left.Data == given && uint64(n) <= uint64(len(own)) {
		return append([]byte(nil), own[:n]...), nil
	}
	if left.Data == given {
		return nil, fmt.Errorf("it says that %d bytes are in a buffer of %d", n, len(own))
	}
	if n > blockLimit {
		return nil, fmt.Errorf("it says that a block has %d bytes, more than %d", n, blockLimit)
	}
	if native.Protect(func() isapi.Error {
		block = append([]byte(nil), native.Bytes(left.Data, int(n))...)
		return isapi.OK
	}) != isapi.OK {
		return nil, fmt.Errorf("%d bytes at %#x, where it says that a block is, cannot be read", n, left.Data)
	}
	return block, nil
}

// rawCall is the notification of raw data that the filter is in; nil: it is in none.
func (s *session) rawCall() *rawCall {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.raws == 0 {
		return nil
	}
	return s.rawNow
}

// writeClient is WriteClient there: it sends bytes past the HTTP server.
func (c *rawCall) writeClient(buf, size uintptr) isapi.Error {
	if size == 0 {
		return isapi.InvalidParameter
	}
	n := native.Read[uint32](size)
	if n > blockLimit {
		return isapi.InvalidParameter
	}
	if err := c.send(append([]byte(nil), native.Bytes(buf, int(n))...)); err != nil {
		native.Write(size, uint32(0))
		return isapi.WriteFault
	}
	return isapi.OK
}

// setNextReadSize is SF_REQ_SET_NEXT_READ_SIZE: it counts for a SF_STATUS_REQ_READ_NEXT that follows.
func (s *session) setNextReadSize(n uintptr) isapi.Error {
	c := s.rawCall()
	if c == nil || n == 0 {
		return isapi.InvalidParameter
	}
	c.next = int(min(n, heldLimit))
	return isapi.OK
}
