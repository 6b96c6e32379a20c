package wire

import (
	"encoding/binary"
	"fmt"
)

// Version is that of the protocol. Front and worker are built together, so there is no need to speak an older one.
const Version = 3

// A frame is a header of 16 bytes, little-endian, and a payload:
//
//	0  uint32  bytes of payload
//	4  uint8   kind
//	5  uint8   flags
//	6  uint16  0
//	8  uint64  exchange, 0 for the link itself
const headerSize = 16

// Limits of one link. A peer that exceeds one has broken the protocol.
const (
	maxRequest  = 4 << 20   // bytes of a REQUEST
	maxMessage  = 1 << 20   // bytes of any other frame, but for those that have a limit of their own
	maxData     = 128 << 10 // of a frame with bytes of a body
	maxHeld     = 3 << 20   // bytes of an exchange that were received and not handled yet: a window, a head, an end
	Window      = 1 << 20   // bytes of a body on their way in one exchange and direction
	regionSize  = 2 << 20   // the same for a body that has a region, and the bytes of that
	maxExchange = 1 << 16   // open at a time, in one direction
	maxCalls    = 256       // questions open at a time in one exchange
	maxChildren = 16        // children open at a time of one exchange
	maxFiles    = 64        // descriptors received and not yet claimed by a frame
	maxRegions  = 16        // of a link
	maxBacklog  = 256 << 20 // bytes waiting for a peer that does not read
	maxTrace    = 128 << 10 // of a TRACE
	maxTraced   = 256 << 10 // bytes of TRACE that wait until something else is sent, or the other end reads; more are not taken
)

type kind uint8

// Kinds of frames. "asker" is the end that opened the exchange.
const (
	kHello   kind = 1 + iota // link: the first frame of each end; JSON
	kRequest                 // asker: opens the exchange; see Request
	kBody                    // asker: bytes of the request body; flags end, failed
	kCancel                  // asker: nobody waits for the answer any more
	kWindow                  // asker: so many bytes of the answer were taken (uint32)
	kGone                    // asker: the answer cannot be delivered; uint32 is why
	kReply                   // asker: answer to kCall
	kHead                    // answerer: status and header; see head
	kData                    // answerer: bytes of the response body; flag flush
	kFile                    // answerer: part of a file, whose descriptor comes with the frame
	kCredit                  // answerer: so many bytes of the request body may be sent (uint32)
	kCall                    // answerer: a question to the asker
	kEnd                     // answerer: the exchange is over; see Result
	kControl                 // link: a question (JSON or what the kind of it says), answered by kAnswer with the same id
	kAnswer                  // link
	kNote                    // link: something that wants no answer
	kRegion                  // link: memory for bodies, whose descriptor comes with the frame; the worker answers with the same
	kLend                    // asker: the exchange may use a region
	kTrace                   // link, from a worker: events of calls for somebody who listens
	kBoard                   // link, from a front: memory in which the worker notes its calls, whose descriptor comes with the frame
	kinds
)

func (k kind) String() string {
	names := [...]string{"", "HELLO", "REQUEST", "BODY", "CANCEL", "WINDOW", "GONE", "REPLY", "HEAD", "DATA", "FILE", "CREDIT", "CALL", "END", "CONTROL", "ANSWER", "NOTE", "REGION", "LEND", "TRACE", "BOARD"}
	if int(k) < len(names) && k > 0 {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Flags of frames.
const (
	flagFlush  = 1 << iota // kData, kHead: send what there is to the client now
	flagEnd                // kBody: the last bytes
	flagFailed             // kBody: the payload says why there are no more; kReply, kAnswer: no
	flagFile               // kReply: a descriptor comes with it
	flagRegion             // kBody, kData: the bytes are in the region, the payload is how many
)

// rules are, for each kind, the longest payload and the flags it may have.
var rules = [kinds]struct {
	size  uint32
	flags uint8
}{
	kHello:   {maxMessage, 0},
	kRequest: {maxRequest, 0},
	kBody:    {maxData, flagEnd | flagFailed | flagRegion},
	kCancel:  {0, 0},
	kWindow:  {4, 0},
	kGone:    {4, 0},
	kReply:   {maxMessage, flagFailed | flagFile},
	kHead:    {maxMessage, flagFlush},
	kData:    {maxData, flagFlush | flagRegion},
	kFile:    {2 * binary.MaxVarintLen64, 0},
	kCredit:  {4, 0},
	kCall:    {maxMessage, 0},
	kEnd:     {maxMessage, 0},
	kControl: {maxMessage, 0},
	kAnswer:  {maxMessage, flagFailed},
	kNote:    {maxMessage, 0},
	kRegion:  {binary.MaxVarintLen64, flagFailed},
	kLend:    {binary.MaxVarintLen64 + 1, 0},
	kTrace:   {maxTrace, 0},
	kBoard:   {binary.MaxVarintLen64, 0},
}

type frame struct {
	kind    kind
	flags   uint8
	id      uint64
	payload []byte // valid until the next frame is read
}

func appendHeader(b []byte, k kind, flags uint8, id uint64, size int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = append(b, byte(k), flags, 0, 0)
	return binary.LittleEndian.AppendUint64(b, id)
}

// begin appends a header whose size end fills in.
func begin(b []byte, k kind, flags uint8, id uint64) []byte { return appendHeader(b, k, flags, id, 0) }

// end completes the frame that begins at start.
func end(b []byte, start int) []byte {
	setSize(b[start:], len(b)-start-headerSize)
	return b
}

// setSize says in the header at the beginning of b how long the payload is.
func setSize(b []byte, n int) []byte {
	binary.LittleEndian.PutUint32(b, uint32(n))
	return b
}

func appendFrame(b []byte, k kind, flags uint8, id uint64, payload []byte) []byte {
	return append(appendHeader(b, k, flags, id, len(payload)), payload...)
}

func appendNumber(b []byte, k kind, id uint64, n uint32) []byte {
	return binary.LittleEndian.AppendUint32(appendHeader(b, k, 0, id, 4), n)
}

// number is the payload of a frame that is one number.
func (f *frame) number() (uint32, error) {
	if len(f.payload) != 4 {
		return 0, protocolError("%v of %d bytes, want 4", f.kind, len(f.payload))
	}
	return binary.LittleEndian.Uint32(f.payload), nil
}

// shared is how many bytes a BODY or DATA has put into the region.
func (f *frame) shared() (int, error) {
	n, err := f.number()
	if err == nil && (n == 0 || n > regionSize) {
		err = protocolError("%v of %d bytes in a region", f.kind, n)
	}
	return int(n), err
}

// noData is an offset where no DATA begins that may grow.
const noData = -1

// moreData adds to the DATA that begins at an offset of b and is the last frame there; ok is false if there is none, or it has no room
// or is of the other sort. If reading the payload faults, nothing has changed.
func moreData(b []byte, at int, flags uint8, payload []byte) (more []byte, ok bool) {
	if at == noData || (b[at+5]^flags)&flagRegion != 0 {
		return nil, false
	}
	if flags&flagRegion != 0 {
		n := b[at+headerSize:]
		binary.LittleEndian.PutUint32(n, binary.LittleEndian.Uint32(n)+binary.LittleEndian.Uint32(payload))
	} else if len(b)-at-headerSize+len(payload) <= maxData {
		b = end(append(b, payload...), at)
	} else {
		return nil, false
	}
	b[at+5] |= flags
	return b, true
}

// parseFrame finds the frame at the beginning of b. size is its whole length; it is more than len(b) while there is
// only a part of it, then f is not valid.
func parseFrame(b []byte) (f frame, size int, err error) {
	if len(b) < headerSize {
		return f, headerSize, nil
	}
	n := binary.LittleEndian.Uint32(b)
	f = frame{kind: kind(b[4]), flags: b[5], id: binary.LittleEndian.Uint64(b[8:])}
	switch {
	case f.kind == 0 || f.kind >= kinds:
		return f, 0, protocolError("unknown %v", f.kind)
	case n > rules[f.kind].size:
		return f, 0, protocolError("%v of %d bytes is too long", f.kind, n)
	case b[6]|b[7]|f.flags&^rules[f.kind].flags != 0:
		return f, 0, protocolError("%v with bits set that mean nothing", f.kind)
	}
	size = headerSize + int(n)
	if len(b) >= size {
		f.payload = b[headerSize:size:size]
	}
	return f, size, nil
}

// ProtocolError is a rule that the other end broke. It ends the link.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "protocol error: " + e.What }

func protocolError(format string, args ...any) error {
	return &ProtocolError{fmt.Sprintf(format, args...)}
}
