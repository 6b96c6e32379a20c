package filter

import (
	"bytes"
	"errors"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// Where things lie in the memory of a request's notifications. Notifications can be inside one another (a filter that sends a head
// of its own in PREPROC_HEADERS makes a SEND_RESPONSE), but none inside its like.
const (
	atHeaders  = 0   // HTTP_FILTER_PREPROC_HEADERS, HTTP_FILTER_AUTH_COMPLETE_INFO
	atResponse = 64  // HTTP_FILTER_SEND_RESPONSE
	atMap      = 128 // HTTP_FILTER_URL_MAP_EX
	atLogon    = 192 // HTTP_FILTER_AUTHENT
	atDenied   = 256 // HTTP_FILTER_ACCESS_DENIED
	atCalls    = 320 // native.FilterCalls

	atUser     = 512 // buffers that filters write to, each with a guard behind it
	atPassword = atUser + nameSize + guardSize
	atPath     = atPassword + nameSize + guardSize
	atLog      = atPath + pathSize + guardSize // HTTP_FILTER_LOG, with its texts behind it
	atTexts    = atLog + int(unsafe.Sizeof(isapi.FilterLog{}))
	textsSize  = 8 << 10
	atKept     = atTexts + textsSize // what a filter of several that are called in one go is to leave as it is

	scratchSize = atKept + atKept - atLog
)

var _ = [atUser - atCalls - unsafe.Sizeof(native.FilterCalls{})]struct{}{} // there is room

// Sizes of those buffers, in bytes with the NUL: what filters are told they have.
const (
	nameSize  = 512 // they may rely on 257
	pathSize  = 4096
	guardSize = 64
)

var guard = bytes.Repeat([]byte{0xa5}, guardSize)

// scratch is C memory for the notifications of one request after the other.
type scratch struct {
	mem   native.Memory
	base  uintptr
	b     []byte              // the same memory
	calls *native.FilterCalls // there
	top   int                 // of the texts
	more  native.Memory       // texts that did not fit, until the end of the request
	used  bool                // more has some
}

func newScratch() *scratch {
	s := &scratch{}
	if s.base = s.mem.Alloc(scratchSize); s.base == 0 {
		panic("out of memory")
	}
	s.b = native.Bytes(s.base, scratchSize)
	s.calls = native.FilterCallsAt(s.base + atCalls)
	return s
}

func (s *scratch) free() {
	s.mem.Free()
	s.more.Free()
}

// drop forgets all texts.
func (s *scratch) drop() {
	s.top = 0
	if s.used {
		s.more.Free()
		s.used = false
	}
}

// text is a copy of a text for a filter to read. A NUL in it ends it.
func (s *scratch) text(text string) uintptr {
	if len(text) >= textsSize-s.top {
		if p := s.more.CString(text); p != 0 {
			s.used = true
			return p
		}
		text = ""
		s.top = min(s.top, textsSize-1)
	}
	at := atTexts + s.top
	n := copy(s.b[at:], text)
	s.b[at+n] = 0
	s.top += n + 1
	return s.base + uintptr(at)
}

// fits tells whether a text can be in a buffer of a filter's: it has room there, and is all there is to see of it.
func fits(text string, size int) bool { return len(text) < size && !hasNUL(text) }

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

// offer puts a text into a buffer for a filter to change; the text must fit.
func (s *scratch) offer(at, size int, text string) uintptr {
	n := copy(s.b[at:at+size-1], text)
	s.b[at+n] = 0
	copy(s.b[at+size:], guard)
	return s.base + uintptr(at)
}

var (
	errOverrun      = errors.New("it wrote beyond the end of a buffer")
	errUnterminated = errors.New("it left a text without its end in a buffer")
)

// taken is what a filter left in a buffer, valid until the next is offered.
func (s *scratch) taken(at, size int) ([]byte, error) {
	if !bytes.Equal(s.b[at+size:at+size+guardSize], guard) {
		return nil, errOverrun
	}
	n := bytes.IndexByte(s.b[at:at+size], 0)
	if n < 0 {
		return nil, errUnterminated
	}
	return s.b[at : at+n], nil
}
