package swap

import (
	"context"
	"errors"
	"sync"
)

// turns sees to it that one image at a time is replaced in what shares processes. An image takes all it needs at once, lest
// two wait for each other for ever.
type turns struct {
	mu   sync.Mutex // guards all below
	busy map[string]*Image
	news chan struct{} // closed when somebody leaves
}

func newTurns() *turns { return &turns{busy: map[string]*Image{}, news: make(chan struct{})} }

// ErrBusy is why an image that has turns gets no more: it is tried again.
var ErrBusy = errors.New("another image of a pool is being replaced")

// take waits until an image may be replaced in all of these. Who is in the way is asked to end its trial.
func (t *turns) take(ctx context.Context, i *Image, names []string) error {
	for {
		ok, news := t.try(i, names)
		if ok {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// try takes all or none.
func (t *turns) try(i *Image, names []string) (ok bool, news <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ok = true
	for _, name := range names {
		if other := t.busy[name]; other != nil && other != i {
			ok = false
			other.wanted.Store(true)
			other.nudge()
		}
	}
	for _, name := range names {
		if ok {
			t.busy[name] = i
		}
	}
	return ok, t.news
}

// leave gives back what an image has taken.
func (t *turns) leave(i *Image) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i.wanted.Store(false) // with the lock: whoever wants a turn from now on finds none of this image
	for name, who := range t.busy {
		if who == i {
			delete(t.busy, name)
		}
	}
	close(t.news)
	t.news = make(chan struct{})
}
