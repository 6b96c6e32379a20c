package front

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
)

// changes says in words what a reload has changed: sites, pools and the rest.
func (r *reload) changes() []admin.Change {
	a, b := r.old.cfg, r.next.cfg
	list := append(r.siteChanges(), r.poolChanges()...)
	add := func(what, effect string, keys []string) {
		if len(keys) > 0 {
			list = append(list, admin.Change{What: what, Effect: effect + ": " + strings.Join(keys, ", ")})
		}
	}
	if !slices.Equal(a.Filters, b.Filters) {
		list = append(list, admin.Change{What: "filters", Effect: "changed"})
	}
	add("limits", "for new connections", differing(limits(a.Limits), limits(b.Limits)))
	add("log", "changed", differing(a.Log, b.Log))
	add("crashes", "changed", differing(a.Crashes, b.Crashes))
	add("tracing", "changed", differing(a.Tracing, b.Tracing))
	add("metrics", "takes effect at the next start", differing(a.Metrics, b.Metrics))
	add("control", "takes effect at the next start", differing(a.Control, b.Control))
	add("wine", "takes effect at the next start", differing(a.Wine, b.Wine))
	return list
}

func (r *reload) siteChanges() (list []admin.Change) {
	old := map[string]*config.Site{}
	for i := range r.old.cfg.Sites {
		s := &r.old.cfg.Sites[i]
		old[s.Name] = s
	}
	for i := range r.next.cfg.Sites {
		s := &r.next.cfg.Sites[i]
		what := fmt.Sprintf("site %q", s.Name)
		before := old[s.Name]
		delete(old, s.Name)
		if before == nil {
			list = append(list, admin.Change{What: what, Effect: "added"})
			continue
		}
		if keys := differing(*before, *s); len(keys) > 0 {
			list = append(list, admin.Change{What: what, Effect: "changed: " + strings.Join(keys, ", ")})
		}
		if slices.Contains(r.renewed, s.Name) {
			list = append(list, admin.Change{What: what, Effect: "new certificate"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		list = append(list, admin.Change{What: fmt.Sprintf("site %q", name), Effect: "removed"})
	}
	return list
}

func (r *reload) poolChanges() (list []admin.Change) {
	a, b := r.old.cfg.Pools, r.next.cfg.Pools
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if effect := r.poolEffect(name, a[name], b[name]); effect != "" {
			list = append(list, admin.Change{What: fmt.Sprintf("pool %q", name), Effect: effect})
		}
	}
	return list
}

// poolEffect is "" for a pool that is as it was.
func (r *reload) poolEffect(name string, a, b *config.Pool) string {
	switch {
	case a == nil:
		return "added"
	case b == nil:
		return "removed"
	}
	keys := differing(*a, *b)
	if !slices.Equal(filtersOfPool(r.old.cfg, a), filtersOfPool(r.next.cfg, b)) {
		keys = append(keys, "filters")
	}
	if len(keys) == 0 && (r.replaced[name] || r.configured[name]) {
		keys = []string{"folders of images"} // which a sandbox allows to be read
	}
	if len(keys) == 0 {
		return ""
	}
	effect := "changed"
	recycled, configured := r.configured[name]
	switch {
	case a.Mode != b.Mode && b.Mode == config.ModeIsolated:
		effect = "runs in workers from now on"
	case a.Mode != b.Mode:
		effect = "runs inside the server from now on"
	case r.replaced[name]:
		effect = "other workers"
	case recycled:
		effect = "recycled"
	case configured:
		effect = "for workers that are started from now on"
	case insideOf(a) != insideOf(b):
		effect = "loaded anew"
	}
	return effect + ": " + strings.Join(keys, ", ")
}

// differing lists the fields in which two structs of one type differ, by their keys in the file.
func differing[T any](a, b T) (keys []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			keys = append(keys, keyOf(x.Type().Field(i).Name))
		}
	}
	return keys
}

// keyOf is how a field is called in the file.
func keyOf(field string) string {
	switch field {
	case "OnDemand":
		return "start"
	case "CPULimit":
		return "cpu_limit"
	case "OTLP":
		return "otlp"
	}
	var key strings.Builder
	runes := []rune(field)
	for i, c := range runes {
		if i > 0 && unicode.IsUpper(c) && unicode.IsLower(runes[i-1]) {
			key.WriteByte('_')
		}
		key.WriteRune(unicode.ToLower(c))
	}
	return key.String()
}

// told is a list of changes in one line.
func told(changes []admin.Change) string {
	var list []string
	for _, c := range changes {
		list = append(list, c.What+": "+c.Effect)
	}
	return strings.Join(list, "; ")
}
