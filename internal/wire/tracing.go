package wire

import (
	"math"
	"os"

	"github.com/isapid/isapid/internal/trace"
)

// Trace sends events of calls to the front, for a subscription. Most leave in front of the END of their request, in the same write, so that
// being listened to costs neither a system call nor somebody's sleep. It never waits: false says that too much waits already, or that
// they are too long, and nothing was taken. p may be used again when it returns.
func (l *Link) Trace(subscription uint32, p []byte, events, dropped int) bool {
	var space [headerSize + 3*10]byte
	b := begin(space[:0], kTrace, 0, 0)
	b = appendUint(b, uint64(subscription))
	b = appendUint(b, uint64(min(max(events, 0), maxTrace)))
	b = appendUint(b, uint64(min(max(dropped, 0), math.MaxInt32)))
	size := len(b) - headerSize + len(p)
	if size > maxTrace {
		return false
	}
	return l.send.hold(setSize(b, size), p)
}

// traced is a TRACE.
func (l *Link) traced(f *frame) error {
	if !l.odd || f.id != 0 {
		return protocolError("unexpected TRACE %d", f.id)
	}
	d := decoder{b: f.payload}
	sub, events, dropped := d.int(math.MaxUint32), d.int(maxTrace), d.int(math.MaxInt32)
	if d.bad {
		return protocolError("TRACE cannot be decoded")
	}
	return l.peer.Trace(uint32(sub), d.b, int(events), int(dropped))
}

// GiveBoard hands the worker the memory of a board that [NewBoard] made. It is to be called once, before anything else is sent. The file
// stays the caller's.
func (l *Link) GiveBoard(board *os.File) error {
	dup, err := duplicate(board)
	if err != nil {
		return err
	}
	l.writeWithFile(end(appendUint(begin(nil, kBoard, 0, 0), trace.BoardSize), 0), dup)
	return nil
}

// boarded is a BOARD; first says that nothing came before it but the greeting.
func (l *Link) boarded(f *frame, first bool) error {
	board := l.recv.takeFile()
	if board == nil {
		return protocolError("BOARD without a descriptor")
	}
	defer board.Close()
	d := decoder{b: f.payload}
	size := d.uint()
	switch {
	case d.end("BOARD") != nil:
		return protocolError("BOARD cannot be decoded")
	case l.odd || f.id != 0 || !first:
		return protocolError("unexpected BOARD %d", f.id)
	case size != trace.BoardSize:
		return protocolError("BOARD of %d bytes", size)
	}
	return l.peer.Board(board)
}
