package remote

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
)

// news bounds what a worker can tell of its images unasked.
type news struct {
	window time.Time // findings are counted from here
	finds  int
}

// counters are those of an image in a worker.
type counters struct {
	names  map[string]struct{}
	series map[string]struct{}
}

// Most of what one worker can tell. What is more is dropped. For counters, which its side does not let an image have more of, it is as
// much as there.
const (
	maxFinds  = 100 // findings in findsIn
	findsIn   = 10 * time.Second
	maxNames  = 100  // names of counters of an image
	maxSeries = 1000 // with their labels
	maxLabels = 4    // pairs
	maxName   = 64   // bytes
	maxValue  = 128
)

var findingKinds = []executor.FindingKind{
	executor.UsedAfterEnd, executor.UnknownConnID, executor.DoubleCompletion, executor.WrongSize, executor.HeaderInjection, executor.TwoAsync,
	executor.Unfinished, executor.LeakedThread, executor.ECBOverwritten, executor.ContextOverwritten, executor.OutsideNotify,
}

// found: an image did what it must not. Which image and when, and whether there was such a request, is not the worker's to say.
func (w *Worker) found(number uint64, f *executor.Finding, times int) {
	now := time.Now()
	w.mu.Lock()
	i := w.images[number]
	n := &w.news
	if now.Sub(n.window) >= findsIn {
		n.window, n.finds = now, 0
	}
	n.finds++
	pass := i != nil && n.finds <= maxFinds && slices.Contains(findingKinds, f.Kind)
	if !w.runs.knows(f.Request) {
		f.Request = 0
	}
	w.mu.Unlock()
	if !pass || w.s.Found == nil {
		return
	}
	f.Image, f.At = i.path, now
	w.s.Found(w, f, times)
}

// counted: counters of an image went up.
func (w *Worker) counted(number uint64, list []wire.Counter) {
	if w.s.Count == nil {
		return
	}
	w.mu.Lock()
	i := w.images[number]
	if i != nil {
		list = slices.DeleteFunc(list, func(c wire.Counter) bool { return !goodCounter(&c) || !i.counters.has(&c) })
	}
	w.mu.Unlock()
	if i == nil { // it was just unloaded
		return
	}
	for _, c := range list {
		w.s.Count(w, i.info(), c.Name, c.Labels, c.Delta)
	}
}

// has makes room for a counter; false if there is none.
func (n *counters) has(c *wire.Counter) bool {
	if n.names == nil {
		n.names, n.series = map[string]struct{}{}, map[string]struct{}{}
	}
	if _, ok := n.names[c.Name]; !ok && len(n.names) == maxNames {
		return false
	}
	key := fmt.Sprintf("%q", append([]string{c.Name}, c.Labels...))
	if _, ok := n.series[key]; !ok && len(n.series) == maxSeries {
		return false
	}
	n.names[c.Name], n.series[key] = struct{}{}, struct{}{}
	return true
}

// goodCounter says whether a counter is one that can be shown.
func goodCounter(c *wire.Counter) bool {
	if !isName(c.Name) || len(c.Labels) > 2*maxLabels || len(c.Labels)%2 != 0 || !(c.Delta >= 0) || math.IsInf(c.Delta, 0) {
		return false
	}
	for n := 0; n < len(c.Labels); n += 2 {
		value := c.Labels[n+1]
		if !isName(c.Labels[n]) || len(value) > maxValue || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
			return false
		}
	}
	return true
}

// isName says whether s can be the name of a counter or of a label: small letters, digits and underscores, a letter first.
func isName(s string) bool {
	if s == "" || len(s) > maxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' })
}
