package wine

import (
	"syscall"
	"testing"
)

// TestReleaseWithoutServer: whoever kills the server while it is released leaves no programs that wait for it for ever.
func TestReleaseWithoutServer(t *testing.T) {
	w := need(t)
	prefix := prefixFor(t, w)
	for range 5 {
		held, err := w.Hold(bounded(t), prefix, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(serverOf(t, w, prefix), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		held.Release()
		until(t, "the end of all programs", func() bool { return len(processes(t, prefix)) == 0 })
	}
}
