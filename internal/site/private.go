package site

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/config"
)

// written are files that are never sent to a client because of where they lie, and of their names.
type written struct{ folder, prefix, suffix string }

// has says whether a file is one of them.
func (b written) has(path string) bool {
	rel, err := filepath.Rel(b.folder, path)
	if err != nil || !filepath.IsLocal(rel) {
		return false
	}
	return b.prefix == "" || !strings.ContainsRune(rel, filepath.Separator) && len(rel) >= len(b.prefix)+len(b.suffix) &&
		sameName(rel[:len(b.prefix)], b.prefix) && sameName(rel[len(rel)-len(b.suffix):], b.suffix)
}

// privateFolders are the folders that the configuration names for what the server writes, under all their names.
func privateFolders(c *config.Config) (list []written) {
	add := func(b written) {
		if b.folder == "" {
			return
		}
		list = append(list, b)
		if real, err := filepath.EvalSymlinks(b.folder); err == nil && real != b.folder {
			list = append(list, written{real, b.prefix, b.suffix})
		}
	}
	if a := c.Log.Access; a != nil {
		add(written{folder: a.Directory})
		if a.File != "" { // those that were left for another
			ext := filepath.Ext(a.File)
			add(written{filepath.Dir(a.File), strings.TrimSuffix(filepath.Base(a.File), ext) + "-", ext})
		}
	}
	add(written{folder: c.CrashDirectory()})
	return list
}

// private is a file that is never sent to a client, wherever it lies.
type private struct {
	path  string
	info  fs.FileInfo // as it was at the start, or nil: finds the file under other names
	moves bool        // another file may take its place at any time: info is not it then
}

// privateFiles are those the configuration names for other purposes than to serve them.
func privateFiles(c *config.Config, s *config.Site) []private {
	names := slices.Concat([]string{c.File, c.Log.File, c.Control.Certificate, c.Control.Key}, c.Filters)
	var list []private
	for i := range c.Control.Tokens { // another one may take its place
		list = append(list, private{path: c.Control.Tokens[i].File, moves: true})
	}
	if c.Log.Access != nil {
		names = append(names, c.Log.Access.File)
	}
	for i := range c.Sites {
		names = append(names, c.Sites[i].Certificate, c.Sites[i].Key, c.Sites[i].ClientCA)
		names = append(names, c.Sites[i].Filters...)
		for _, a := range c.Sites[i].Applications {
			names = append(names, a.Filters...)
			if b := a.Authentication.Basic; b != nil && b.Users != "" {
				list = append(list, private{path: b.Users, moves: true})
			}
		}
	}
	for _, a := range s.Applications {
		for _, h := range a.Handlers {
			names = append(names, h.Extension)
		}
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			info = nil // a log that is not begun yet
		}
		list = append(list, private{path: name, info: info})
	}
	return list
}

func (s *Site) isPrivate(path string, info fs.FileInfo) bool {
	for _, p := range s.private {
		known := p.info
		if p.moves {
			known, _ = os.Stat(p.path) // an error is a file that is not there
		}
		if sameName(p.path, path) || known != nil && os.SameFile(known, info) {
			return true
		}
	}
	return slices.ContainsFunc(s.written, func(b written) bool { return b.has(path) })
}

// Images are run or refused, never sent.
var imageExtensions = map[string]bool{
	".dll": true, ".so": true, ".dylib": true, ".exe": true, ".com": true, ".ocx": true, ".bpl": true,
}

// looksLikeImage also finds "libx.so.1".
func looksLikeImage(name string) bool {
	name = strings.ToLower(path.Base(name))
	return imageExtensions[path.Ext(name)] || strings.Contains(name, ".so.")
}

// What lies beside an image because of its updates: other versions of it, and what is written about them.
var updateExtensions = map[string]bool{
	".update": true, ".run": true, ".backup": true, ".failed": true, ".journal": true, ".lock": true,
}

// belongsToUpdate says whether a file is neither sent nor run because an update may have left it: "shop.update", "shop.so.backup.12",
// "shop.failed.txt". Nobody looks whether there is an image of that name; it may have been removed.
func belongsToUpdate(name string) bool {
	name = strings.ToLower(path.Base(name))
	for ext := path.Ext(name); ext != ""; ext = path.Ext(name) {
		if updateExtensions[ext] {
			return true
		}
		if strings.Trim(ext[1:], "0123456789") != "" && ext != ".txt" && ext != ".tmp" {
			return false
		}
		name = strings.TrimSuffix(name, ext)
	}
	return false
}

// mayLoad says whether the configuration allows an image that a URL names to be loaded. The file lies below a directory of
// the site; a list narrows this down.
func (s *Site) mayLoad(image string) bool {
	if len(s.conf.Images.Allow) == 0 {
		return true
	}
	image, err := filepath.EvalSymlinks(image)
	if err != nil {
		return false
	}
	for _, allowed := range s.conf.Images.Allow {
		if allowed, err = filepath.EvalSymlinks(allowed); err != nil {
			continue
		}
		if rel, err := filepath.Rel(allowed, image); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

// mayLoadInstead says the same of an image that a filter put in the place of the one that the URL names: that can be anywhere.
func (s *Site) mayLoadInstead(image string, h *handler) bool {
	if !strings.EqualFold(filepath.Ext(image), h.suffix) || belongsToUpdate(image) || isAlias(image, filepath.Base(image)) {
		return false
	}
	if len(s.conf.Images.Allow) > 0 {
		info, err := os.Stat(image)
		return err == nil && info.Mode().IsRegular() && s.mayLoad(image)
	}
	text, ok := s.urlOf(image)
	return ok && s.isFile(text)
}
