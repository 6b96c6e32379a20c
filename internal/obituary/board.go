package obituary

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// most of what one obituary has.
const (
	mostThreads  = 32
	mostCalls    = 16 // of a thread
	mostFrames   = 128
	mostInFlight = 100
	mostImages   = 64
	mostLines    = 64
	mostText     = 2 << 10 // bytes of one text
)

// Threads are the last calls on a board, the thread with the newest first. Threads that only have been told to DllMain are left out: each has
// been. Now is the clock of the board; 0: that of this moment.
func Threads(b *trace.Board, now int64) (list []Thread) {
	if b == nil {
		return nil
	}
	newest := func(t *trace.Thread) (at int64) {
		for _, c := range slices.Concat(t.Open, t.Last) {
			at = max(at, c.At)
		}
		return at
	}
	threads := slices.Clone(b.Threads)
	slices.SortStableFunc(threads, func(x, y trace.Thread) int { return cmp.Compare(newest(&y), newest(&x)) })
	if now == 0 {
		now = trace.Clock()
	}
	if len(threads) > 0 {
		now = max(now, newest(&threads[0])) // it is another machine's, or nobody knows it
	}
	for i := range threads {
		t := &threads[i]
		if !slices.ContainsFunc(slices.Concat(t.Open, t.Last), func(c trace.LastCall) bool { return c.Func != trace.DllMain }) && len(t.Open) == 0 {
			continue
		}
		if len(list) == mostThreads {
			break
		}
		list = append(list, Thread{ID: t.ID, Open: calls(t.Open, now), Last: calls(t.Last, now)})
	}
	return list
}

// calls are the newest of some.
func calls(from []trace.LastCall, now int64) (list []Call) {
	for _, c := range from[max(0, len(from)-mostCalls):] {
		ago := time.Duration(0)
		if c.At > 0 && c.At < now {
			ago = time.Duration(now - c.At)
		}
		made := Call{Name: trace.Name(c.Func, c.Code), Error: c.Err, Running: !c.Done && !c.Faulted, Faulted: c.Faulted, Ago: Seconds(ago)}
		if c.Request != 0 {
			made.Request = RequestID(c.Request)
		}
		list = append(list, made)
	}
	return list
}

// RequestID is the text of a request's number, as it is everywhere.
func RequestID(n uint64) string { return trace.FormatID(n) }

// hex is a number as debuggers write it; "" for 0.
func hex(n uint64) string {
	if n == 0 {
		return ""
	}
	return "0x" + strconv.FormatUint(n, 16)
}

// blamed is the frame that tells most: the innermost that is not the C library's.
func blamed(stack []Frame) *Frame {
	for i := range stack {
		if image := stack[i].Image; image != "" && !strings.HasPrefix(filepath.Base(image), "libc.") {
			return &stack[i]
		}
	}
	if len(stack) > 0 {
		return &stack[0]
	}
	return nil
}
