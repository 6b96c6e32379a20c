package filter

import "time"

// SetLongEnd changes how long END_OF_NET_SESSION may take, and answers what undoes that.
func SetLongEnd(d time.Duration) (undo func()) {
	before := longEnd
	longEnd = d
	return func() { longEnd = before }
}
