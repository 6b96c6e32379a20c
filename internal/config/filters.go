package config

import (
	"fmt"
	"slices"
)

// checkFilters looks at the filters of a site and its applications. Those of all sites have been looked at.
func (d *decoder) checkFilters(c *Config, s *Site) {
	d.filterFiles(s.Filters, c.Filters, "of all sites")
	of := slices.Concat(c.Filters, s.Filters)
	for i := range s.Applications {
		a := &s.Applications[i]
		d.filterFiles(a.Filters, of, "of the whole site")
		p := c.Pools[a.Pool]
		if p == nil || p.Mode == ModeIsolated || p.OnFault != FaultIsolate {
			continue
		}
		if first := firstOf(c, s, a); first != nil {
			d.errorOn(d.first(&a.Pool, first), fmt.Sprintf("application %q has filters, and its pool %q has \"on_fault: isolate\"", a.Path, a.Pool),
				`filters cannot move to workers with their requests: write "mode: isolated" in the pool, or another "on_fault"`)
		}
	}
}

// filterFiles looks at one list of filters. The outer ones run before them, for more than they do.
func (d *decoder) filterFiles(list, outer []string, whose string) {
	for i := range list {
		f := &list[i]
		switch {
		case *f == "": // has been reported
		case slices.Contains(list[:i], *f):
			d.errorOn(f, fmt.Sprintf("filter %q appears twice", *f), "remove one: a filter sees each event once")
		case slices.Contains(outer, *f):
			d.errorOn(f, fmt.Sprintf("filter %q is already one %s", *f, whose), "remove it here: it runs anyway")
		case !hasRunFile(*f):
			d.fileOn(f, "filter", *f)
		}
	}
}

// firstOf is the first filter of an application, its own before those it has from its site and all sites; nil if it has none.
func firstOf(c *Config, s *Site, a *Application) *string {
	for _, list := range [][]string{a.Filters, s.Filters, c.Filters} {
		if len(list) > 0 {
			return &list[0]
		}
	}
	return nil
}
