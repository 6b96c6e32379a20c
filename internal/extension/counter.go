package extension

import (
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// Limits of HSE_REQ_COUNTER: whatever an image counts, the metrics of the server must stay readable.
const (
	maxCounters     = 100  // names of an image
	maxSeries       = 1000 // of an image: names with different labels
	maxLabels       = 4    // of one counter
	maxCounterName  = 64   // bytes
	maxLabelName    = 32   // bytes
	maxLabelValue   = 128  // bytes
	counterNameText = "abcdefghijklmnopqrstuvwxyz0123456789_"
)

// counters are those that an image has used.
type counters struct {
	mu     sync.Mutex                     // guards all
	labels map[string]string              // the names of the labels of a counter, by its own
	series map[string]map[string]struct{} // its labels with their values, likewise
	n      int                            // of series
}

// label is one of a counter.
type label struct{ name, value string }

// count is HSE_REQ_COUNTER. The same name has the same labels each time. What is beyond the limits of an image is not counted:
// ERROR_NOT_ENOUGH_MEMORY.
func (q *request) count(c call) isapi.Error {
	info := native.Read[isapi.CounterInfo](c.buf)
	if info.Count > maxLabels || info.Count > 0 && info.Labels == 0 || !(info.Delta >= 0) || math.IsInf(info.Delta, 0) {
		return isapi.InvalidParameter
	}
	name := native.String(info.Name, maxCounterName)
	labels := make([]label, info.Count)
	for i := range labels {
		at := info.Labels + 2*uintptr(i)*unsafe.Sizeof(info.Name)
		labels[i].name = native.String(native.Read[uintptr](at), maxLabelName)
		labels[i].value = native.String(native.Read[uintptr](at+unsafe.Sizeof(info.Name)), maxLabelValue)
		if !isCounterName(labels[i].name) || isServers[labels[i].name] || !isLabelValue(labels[i].value) {
			return isapi.InvalidParameter
		}
	}
	slices.SortFunc(labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
	for i := range labels[min(1, len(labels)):] {
		if labels[i].name == labels[i+1].name {
			return isapi.InvalidParameter
		}
	}
	if !isCounterName(name) {
		return isapi.InvalidParameter
	}
	if q.e.opt.Count == nil {
		return isapi.NotSupported
	}
	if err := q.e.counters.use(name, labels); err != isapi.OK {
		return err
	}
	pairs := make([]string, 0, 2*maxLabels)
	for _, l := range labels {
		pairs = append(pairs, l.name, l.value)
	}
	q.e.opt.Count(name, pairs, info.Delta)
	return isapi.OK
}

// isServers are the labels that the server adds.
var isServers = map[string]bool{"pool": true, "image": true}

// isCounterName: a letter, and letters, digits and underscores.
func isCounterName(s string) bool {
	return s != "" && strings.Trim(s, counterNameText) == "" && s[0] >= 'a'
}

// isLabelValue: UTF-8 without control characters.
func isLabelValue(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 })
}

// use keeps the image within its limits.
func (c *counters) use(name string, labels []label) isapi.Error {
	var names, values strings.Builder
	for _, l := range labels {
		names.WriteString(l.name + "\n")
		values.WriteString(l.value + "\n")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.labels[name]; ok && known != names.String() {
		return isapi.InvalidParameter
	}
	if _, ok := c.series[name][values.String()]; ok {
		return isapi.OK
	}
	if c.n == maxSeries || c.series[name] == nil && len(c.series) == maxCounters {
		return isapi.NotEnoughMemory
	}
	if c.series == nil {
		c.labels, c.series = map[string]string{}, map[string]map[string]struct{}{}
	}
	if c.series[name] == nil {
		c.labels[name], c.series[name] = names.String(), map[string]struct{}{}
	}
	c.series[name][values.String()] = struct{}{}
	c.n++
	return isapi.OK
}
