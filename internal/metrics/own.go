package metrics

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// The bounds of what images publish themselves.
const (
	ownNames  = 100  // of a pool
	ownSeries = 1000 // likewise
	ownLabels = 4    // of a counter
)

// ownPrefix is the begin of the names that images choose.
const ownPrefix = "isapid_ext_"

// ownName is what a name or label may be called, as the extension is told.
var ownName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`) })

// own are the counters that images publish.
type own struct {
	mu      sync.Mutex // guards all below
	pools   map[string]*ownPool
	refused counter // pool, reason
}

// ownPool is what the images of a pool publish.
type ownPool struct {
	names  map[string]bool
	series map[string]*ownSeriesOf
}

// ownSeriesOf is one counter.
type ownSeriesOf struct {
	name           string
	labels, values []string
	value          float64
}

func (o *own) init() { o.pools = map[string]*ownPool{} }

func (o *own) count(pool, image, name string, labels []string, delta float64) {
	if why := o.tryCount(pool, image, name, labels, delta); why != "" {
		o.refused.add(1, pool, why)
	}
}

// tryCount says why it did not count; "": it has.
func (o *own) tryCount(pool, image, name string, labels []string, delta float64) string {
	name = strings.TrimSuffix(name, "_total")
	switch {
	case !ownName().MatchString(name):
		return "name"
	case !(delta >= 0) || math.IsInf(delta, 1):
		return "value"
	case len(labels)%2 != 0 || len(labels) > 2*ownLabels:
		return "labels"
	}
	pairs := make([][2]string, 0, ownLabels)
	for l := range slices.Chunk(labels, 2) {
		if !ownName().MatchString(l[0]) || l[0] == "pool" || l[0] == "image" {
			return "labels"
		}
		pairs = append(pairs, [2]string{l[0], clean(l[1])})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	s := &ownSeriesOf{name: ownPrefix + name + "_total", labels: []string{"pool", "image"}, values: []string{clean(pool), clean(image)}}
	for i, p := range pairs {
		if i > 0 && pairs[i-1][0] == p[0] {
			return "labels"
		}
		s.labels, s.values = append(s.labels, p[0]), append(s.values, p[1])
	}
	key := strings.Join(slices.Concat([]string{s.name}, s.labels, s.values), "\x00")

	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pools[pool]
	if p == nil {
		p = &ownPool{names: map[string]bool{}, series: map[string]*ownSeriesOf{}}
		o.pools[pool] = p
	}
	known := p.series[key]
	switch {
	case known != nil:
		s = known
	case !p.names[name] && len(p.names) >= ownNames:
		return "too many names"
	case len(p.series) >= ownSeries:
		return "too many series"
	default:
		p.names[name], p.series[key] = true, s
	}
	s.value += delta
	return ""
}

// each shows every counter.
func (o *own) each(show func(name string, labels []string, value float64, values []string)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.pools {
		for _, s := range p.series {
			show(s.name, s.labels, s.value, s.values)
		}
	}
}
