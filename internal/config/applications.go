package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func (v value) directories(field *[]VirtualDirectory) {
	items := v.list("virtual directories")
	list := make([]VirtualDirectory, len(items))
	for i, item := range items {
		d := &list[i]
		item.set(d)
		item.object("virtual directory", fields{
			"path":      func(v value) { v.urlPath(&d.Path) },
			"directory": func(v value) { v.path(&d.Directory) },
		})
		if d.Path == "/" {
			item.d.errorOn(&d.Path, `a virtual directory cannot be "/"`, `set the site's "root"`)
		}
		if _, given := v.d.at[&d.Directory]; !given {
			item.fail("a virtual directory has no directory", `add a line like "directory: ./images"`)
		}
		item.needsPath("a virtual directory", &d.Path)
	}
	*field = list
}

// applications returns the list with a "/" put in front when it has none.
func (v value) applications() []Application {
	items := v.list("applications")
	list := make([]Application, len(items)+1)
	root := Application{Path: "/", Pool: DefaultPoolName}
	list[0] = root
	hasRoot := false
	for i, item := range items {
		a := &list[i+1]
		item.set(a)
		item.application(a)
		hasRoot = hasRoot || a.Path == "/"
	}
	if hasRoot {
		return list[1:]
	}
	return list
}

func (v value) application(a *Application) {
	a.Pool = DefaultPoolName
	v.object("application", fields{
		"path":      func(v value) { v.urlPath(&a.Path) },
		"directory": func(v value) { v.path(&a.Directory) },
		"pool":      func(v value) { v.text(&a.Pool) },
		"handlers":  func(v value) { v.handlers(&a.Handlers) },
		"filters":   func(v value) { v.paths("files", &a.Filters) },

		"authentication": func(v value) { v.authentication(&a.Authentication) },
	})
	v.needsPath("an application", &a.Path)
}

func (v value) needsPath(what string, path *string) {
	if _, given := v.d.at[path]; !given {
		v.fail(what+" has no path", `add a line like "path: /shop"`)
	}
}

// urlPath takes an absolute URL path without a slash at its end (except "/" itself).
func (v value) urlPath(field *string) {
	var s string
	v.set(field) // also when it is wrong, so that it is not reported as missing too
	if !v.text(&s) {
		return
	}
	if why := badURLPath(s); why != "" {
		v.fail(fmt.Sprintf("%q is %q, which %s", v.key, s, why), `write it like "/shop"`)
		return
	}
	*field = s
}

func badURLPath(s string) string {
	switch {
	case !strings.HasPrefix(s, "/"):
		return "does not begin with a slash"
	case s == "/":
		return ""
	case strings.HasSuffix(s, "/"):
		return "ends with a slash"
	case strings.ContainsAny(s, "\\%?#*:") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "holds a character that has no place in a path"
	}
	for _, segment := range strings.Split(s[1:], "/") {
		if segment == "" || strings.HasPrefix(segment, ".") || strings.TrimRight(segment, ". ") != segment {
			return fmt.Sprintf("has a segment %q that no URL can reach", segment)
		}
	}
	return ""
}

func (v value) handlers(field *[]Handler) {
	items := v.list("handlers")
	list := make([]Handler, len(items))
	for i, item := range items {
		item.handler(&list[i])
	}
	*field = list
}

func (v value) handler(h *Handler) {
	before := len(v.d.errs)
	v.object("handler", fields{
		"path":       func(v value) { v.pattern(&h.Path) },
		"isapi":      func(v value) { v.flag(&h.ISAPI) },
		"extension":  func(v value) { v.path(&h.Extension) },
		"static":     func(v value) { v.flag(&h.Static) },
		"methods":    func(v value) { v.methods(&h.Methods) },
		"must_exist": func(v value) { v.flag(&h.MustExist) },
		"path_info":  func(v value) { v.flag(&h.PathInfo) },
	})
	if len(v.d.errs) == before {
		v.checkHandler(h)
	}
}

// checkHandler looks at how the keys of a handler go together.
func (v value) checkHandler(h *Handler) {
	kinds := 0
	for _, set := range []bool{h.ISAPI, h.Extension != "", h.Static} {
		if set {
			kinds++
		}
	}
	byExtension := strings.HasPrefix(h.Path, "*.")
	switch {
	case h.Path == "":
		v.fail("a handler has no path", `add a line like "path: '*.dll'"`)
	case kinds != 1:
		v.fail(fmt.Sprintf("handler %q needs exactly one of isapi, extension and static", h.Path), `for example "isapi: true"`)
	case h.ISAPI && !byExtension:
		v.d.errorOn(&h.ISAPI, fmt.Sprintf("isapi: true cannot go with path %q", h.Path), `use a path like "*.dll", or name the image with "extension:"`)
	case h.MustExist && h.Extension == "":
		v.d.errorOn(&h.MustExist, `"must_exist" is only for handlers with "extension"`, "remove the key: the others look for their file anyway")
	case h.PathInfo && (h.Extension == "" || !byExtension):
		v.d.errorOn(&h.PathInfo, `"path_info" is only for script maps`, `a script map has a path like "*.asp" and an "extension"`)
	case h.Extension != "" && !hasRunFile(h.Extension):
		v.d.fileOn(&h.Extension, "extension", h.Extension)
	}
}

// hasRunFile says whether NAME.run lies beside where the image is, or should be: it is what runs when the image itself is missing.
func hasRunFile(image string) bool {
	for _, name := range []string{strings.TrimSuffix(image, filepath.Ext(image)), image} {
		if info, err := os.Stat(name + ".run"); err == nil && info.Mode().IsRegular() {
			_, err = os.Lstat(image)
			return os.IsNotExist(err)
		}
	}
	return false
}

var (
	patternByExtension = regexp.MustCompile(`^\*\.[A-Za-z0-9_+~-]+$`)
	methodText         = regexp.MustCompile(`^[A-Z][A-Z_-]{0,31}$`)
)

func (v value) pattern(field *string) {
	if !v.text(field) {
		return
	}
	s := *field
	prefix, ok := strings.CutSuffix(s, "/*")
	if s == "*" || patternByExtension.MatchString(s) || ok && prefix != "" && prefix != "/" && badURLPath(prefix) == "" {
		return
	}
	hint := `write it like "*.dll", "/orders/*" or "*"`
	if s == "/*" {
		hint = `write "*" for everything`
	}
	v.fail(fmt.Sprintf("handler path %q is not a pattern", s), hint)
}

func (v value) methods(field *[]string) {
	v.texts("methods", field)
	for i, m := range *field {
		if m != "" && !methodText.MatchString(m) {
			v.d.errorOn(&(*field)[i], fmt.Sprintf("%q is not a method", m), "write it in capitals, like GET")
		}
	}
}
