package mix

import (
	"slices"
	"sync"
)

// timeline is which versions may answer when. It is cut into spans, in each of which that does not change; a span begins before
// what is said about it can be seen by a client, so that two looks at the timeline enclose a request.
type timeline struct {
	mu    sync.RWMutex
	spans [][]int // the versions of each
}

func (l *timeline) only(version int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spans = append(l.spans, []int{version})
}

func (l *timeline) also(version int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.spans[len(l.spans)-1]
	l.spans = append(l.spans, append(slices.Clone(last), version))
}

// now is the number of the present span.
func (l *timeline) now() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.spans) - 1
}

// since says whether a request that began in the given span and has ended just now may have been answered by version, and
// whether only one version could have answered it.
func (l *timeline) since(span, version int) (may, decided bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	decided = true
	for _, s := range l.spans[span:] {
		may = may || slices.Contains(s, version)
		decided = decided && len(s) == 1 && s[0] == l.spans[span][0]
	}
	return may, decided
}
