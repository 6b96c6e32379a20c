package trace

import (
	"sync/atomic"
	"unsafe"
)

// Clock is now by the clock of boards, in nanoseconds, which is the same in all processes: the interrupt time, to some milliseconds. It is in
// the page that the system shares with all processes.
func Clock() int64 {
	const (
		low   = 0x7ffe0008
		high1 = low + 4
		high2 = low + 8
	)
	word := func(at uintptr) int64 {
		return int64(atomic.LoadUint32(*(**uint32)(unsafe.Pointer(&at)))) // the address is no Go object's
	}
	for {
		if h, l := word(high1), word(low); h == word(high2) {
			return (h<<32 | l) * 100
		}
	}
}
