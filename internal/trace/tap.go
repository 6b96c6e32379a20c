package trace

import "sync/atomic"

// Tap is where the calls of the images of a process are listened to. The zero value is one that nobody listens to.
type Tap struct{ set atomic.Pointer[set] }

// set is who listens.
type set struct {
	list []Subscription
	to   Sink
}

// On says whether anybody listens. It costs one load.
func (t *Tap) On() bool { return t != nil && t.set.Load() != nil }

// Set says who listens from now on, all of them; none: nobody does. An error is about a filter that cannot be read, and changes nothing.
func (t *Tap) Set(list []Subscription, to Sink) error {
	if len(list) == 0 {
		t.set.Store(nil)
		return nil
	}
	t.set.Store(&set{list, to})
	return nil
}

// Recorder takes down the calls of one request for those who listen. All methods may be called on nil, and from any thread.
type Recorder struct{}
