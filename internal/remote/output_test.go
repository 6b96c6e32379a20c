package remote

import (
	"strings"
	"testing"
	"time"
)

// TestTail: the end of what a worker writes is kept, and the line that says why its runtime ended it, however much follows; the log
// gets a burst of it.
func TestTail(t *testing.T) {
	var tail tail
	now := time.Now()
	tail.add("runtime: epollwait on fd 7 failed with 9", now)
	tail.add("fatal error: runtime: netpoll failed", now)
	logged := 2
	for range 1000 {
		if log, _ := tail.add(strings.Repeat("s", 79), now); log {
			logged++
		}
	}
	if logged != perBurst {
		t.Errorf("%d lines are logged in a burst, want %d", logged, perBurst)
	}
	if log, dropped := tail.add("panic: late", now.Add(burst)); !log || dropped != 1002-perBurst {
		t.Errorf("after it: %v, %d dropped", log, dropped)
	}
	if got := tail.gaveUp(exitGo); got != "fatal error: runtime: netpoll failed" {
		t.Errorf("gave up with %q", got)
	}
	if got := tail.gaveUp(3); got != "" {
		t.Errorf("another exit code has the reason %q", got)
	}
	tail.add(lastWords+"exception 0xc0000005", now)
	if got := tail.gaveUp(5); got != "exception 0xc0000005" {
		t.Errorf("an exception is told as %q", got)
	}
	tail.add("panic: late", now)
	if text := tail.String(); len(text) > tailSize || !strings.HasSuffix(text, "\npanic: late") {
		t.Errorf("%d bytes: …%q", len(text), text[max(0, len(text)-100):])
	}
}
