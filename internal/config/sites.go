package config

import (
	"fmt"
	"regexp"
	"strings"
)

func (v value) site(s *Site) {
	var apps *value
	v.object("site", fields{
		"name":                func(v value) { v.text(&s.Name) },
		"id":                  func(v value) { v.number(&s.ID, 1, 1<<31-1) },
		"bindings":            func(v value) { v.bindings(&s.Bindings) },
		"certificate":         func(v value) { v.path(&s.Certificate) },
		"key":                 func(v value) { v.path(&s.Key) },
		"http2":               func(v value) { v.flag(&s.HTTP2) },
		"client_certificates": func(v value) { word(v, &s.ClientCertificates, ClientNone, ClientRequest, ClientRequire) },
		"client_ca":           func(v value) { v.path(&s.ClientCA) },
		"root":                func(v value) { v.path(&s.Root) },
		"default_documents":   func(v value) { v.documents(&s.DefaultDocuments) },
		"mime":                func(v value) { v.mime(s.MIME) },
		"error_pages":         func(v value) { v.errorPages(s.ErrorPages) },
		"virtual_directories": func(v value) { v.directories(&s.VirtualDirectories) },
		"applications":        func(v value) { apps = &v },
		"static":              func(v value) { v.flag(&s.Static) },
		"filters":             func(v value) { v.paths("files", &s.Filters) },
		"images":              func(v value) { v.siteImages(&s.Images) },
		"limits":              func(v value) { v.siteLimits(&s.Limits) },
		"log":                 func(v value) { v.siteLog(s) },
	})
	if apps != nil {
		s.Applications = apps.applications()
	}
	v.d.needs(v, s)
}

// needs reports the keys a site cannot do without.
func (d *decoder) needs(v value, s *Site) {
	if _, given := d.at[&s.Name]; !given {
		v.fail("a site has no name", `add a line like "name: shop"`)
	}
	if _, given := d.at[&s.Root]; !given {
		v.fail("a site has no root", `add a line like "root: ./wwwroot"`)
	}
}

// siteImages replaces the list of the top level.
func (v value) siteImages(i *Images) {
	*i = Images{}
	v.images(i)
}

func (v value) bindings(field *[]Binding) {
	items := v.list("addresses")
	list := make([]Binding, len(items))
	for i, item := range items {
		var text string
		if !item.text(&text) {
			continue
		}
		b, err := parseBinding(text)
		if err != nil {
			item.fail(fmt.Sprintf("binding %q %v", text, err), `write it like "http://:8080" or "https://shop.example:443"`)
			continue
		}
		list[i] = b
		item.set(&list[i])
	}
	*field = list
}

func (v value) documents(field *[]string) {
	items := v.list("file names")
	list := make([]string, len(items))
	for i, item := range items {
		if item.text(&list[i]) && strings.ContainsAny(list[i], `/\:`) {
			item.fail(fmt.Sprintf("default document %q is not a plain file name", list[i]), "leave the folder out: every folder has its own")
		}
	}
	*field = list
}

var (
	extensionText = regexp.MustCompile(`^\.[A-Za-z0-9_+~-]+$`)
	mimeText      = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *; *[A-Za-z0-9_-]+=[A-Za-z0-9_."-]+)*$`)
)

func (v value) mime(table map[string]string) {
	v.entries("mime", func(ext string, at position, item value) {
		if !extensionText.MatchString(ext) {
			v.d.errorAt(at, fmt.Sprintf("%q is not a file extension", ext), `write it like ".xyz"`)
			return
		}
		var t string
		if !item.text(&t) {
			return
		}
		if !mimeText.MatchString(t) {
			item.fail(fmt.Sprintf("%q is not a MIME type", t), `write it like "text/plain" or "text/html; charset=utf-8"`)
			return
		}
		table[strings.ToLower(ext)] = t
	})
}

var statusText = regexp.MustCompile(`^[45][0-9][0-9](\.[1-9][0-9]{0,2})?$`)

func (v value) errorPages(table map[string]ErrorPage) {
	v.entries("error_pages", func(status string, at position, item value) {
		if !statusText.MatchString(status) {
			v.d.errorAt(at, fmt.Sprintf("%q is not a status of 400 to 599", status), `write it like "404" or "404.3"`)
			return
		}
		if page, ok := item.errorPage(); ok {
			table[status] = page
		}
	})
}

// errorPage takes a file name, or a mapping of path and mode.
func (v value) errorPage() (ErrorPage, bool) {
	mode, known := string(ErrorFile), true
	path := v
	if _, plain := scalar(v.node); !plain {
		path = value{}
		v.object("error page", fields{
			"path": func(v value) { path = v },
			"mode": func(v value) {
				known = v.choice(&mode, string(ErrorFile), string(ErrorURL), string(ErrorRedirect))
			},
		})
		if path.d == nil {
			v.fail("the error page has no path", `add a line like "path: ./404.html"`)
			return ErrorPage{}, false
		}
	}
	page := ErrorPage{Mode: ErrorMode(mode)}
	if !path.text(&page.Path) || !known {
		return page, false
	}
	local := strings.HasPrefix(page.Path, "/") && !strings.HasPrefix(page.Path, "//")
	far := strings.HasPrefix(page.Path, "http://") || strings.HasPrefix(page.Path, "https://")
	switch {
	case page.Mode == ErrorFile:
		page.Path = v.d.path(page.Path)
		v.d.isFile(path, "error page", page.Path)
	case !local && (page.Mode == ErrorURL || !far):
		path.fail(fmt.Sprintf("error page %q is not a URL for mode %q", page.Path, mode), `write it like "/errors/404.html"`)
		return page, false
	}
	return page, true
}
