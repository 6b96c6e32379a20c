package config

import (
	"fmt"
	"time"

	"github.com/goccy/go-yaml/ast"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// config fills c, which holds the defaults. Sites come last because they start from the limits and images of the top level.
func (d *decoder) config(root ast.Node, c *Config) {
	var sites value
	value{d, "", root}.object("the configuration", fields{
		"sites":   func(v value) { sites = v },
		"pools":   func(v value) { v.pools(c) },
		"filters": func(v value) { v.paths("files", &c.Filters) },
		"images":  func(v value) { v.images(&c.Images) },
		"limits":  func(v value) { v.limits(&c.Limits) },
		"log":     func(v value) { v.log(&c.Log) },
		"control": func(v value) { v.control(&c.Control) },
		"crashes": func(v value) { v.crashFiles(&c.Crashes) },
		"tracing": func(v value) { v.tracing(&c.Tracing) },
		"metrics": func(v value) { v.metrics(&c.Metrics) },
		"wine":    func(v value) { v.wine(&c.Wine) },
	})
	if sites.d == nil {
		return
	}
	items := sites.list("sites")
	c.Sites = make([]Site, len(items))
	for i, item := range items {
		s := &c.Sites[i]
		*s = DefaultSite("", "")
		s.ID, s.Limits, s.Images = i+1, c.Limits, c.Images
		item.set(s)
		item.site(s)
	}
}

func (v value) wine(w *Wine) {
	v.object("wine", fields{
		"prefix":  func(v value) { v.path(&w.Prefix) },
		"workers": func(v value) { v.folder(&w.Workers) },
	})
}

func (v value) images(i *Images) {
	v.object("images", fields{
		"allow": func(v value) { v.paths("files or folders", &i.Allow) },
	})
}

func (v value) limits(l *Limits) {
	f := requestLimits(l)
	f["header"] = func(v value) { v.sizeInt(&l.Header, 1<<10, 1<<20) }
	f["header_timeout"] = func(v value) { v.duration(&l.HeaderTimeout, day) }
	f["body_timeout"] = func(v value) { v.duration(&l.BodyTimeout, day) }
	f["idle_timeout"] = func(v value) { v.duration(&l.IdleTimeout, day) }
	f["write_timeout"] = func(v value) { v.duration(&l.WriteTimeout, day) }
	v.object("limits", f)
}

// siteLimits takes the limits that can differ between sites: the others hold for a connection, before its site is known.
func (v value) siteLimits(l *Limits) {
	f := requestLimits(l)
	for _, key := range []string{"header", "header_timeout", "body_timeout", "idle_timeout", "write_timeout"} {
		f[key] = func(v value) {
			v.fail(fmt.Sprintf("%q cannot differ between sites: it holds for a connection", v.key), `set it in the "limits" at the top level`)
		}
	}
	v.object("limits", f)
}

func requestLimits(l *Limits) fields {
	return fields{
		"body":       func(v value) { v.size(func(n int64) { l.Body = n }, 0, 1<<50) },
		"concurrent": func(v value) { v.number(&l.Concurrent, 0, 1_000_000) },
		"url":        func(v value) { v.number(&l.URL, 16, 1<<16) },
		"query":      func(v value) { v.number(&l.Query, 0, 1<<16) },
	}
}
