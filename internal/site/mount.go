package site

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/config"
)

// mount is a directory of the site and the URL it appears under.
type mount struct {
	url     string // "/img"; "" for the root
	dir     string
	matched int // bytes of a path below it that are the directory
}

func newMount(url, dir string) mount {
	return mount{url, dir, len(strings.TrimRight(filepath.Clean(dir), `/\`))}
}

// mountsOf lists the directories of a site, longest URL first.
func mountsOf(s *config.Site) []mount {
	list := []mount{newMount("", s.Root)}
	for _, v := range s.VirtualDirectories {
		list = append(list, newMount(v.Path, v.Directory))
	}
	for _, a := range s.Applications {
		if a.Directory != "" && a.Path != "/" {
			list = append(list, newMount(a.Path, a.Directory))
		}
	}
	slices.SortStableFunc(list, func(a, b mount) int { return len(b.url) - len(a.url) })
	return list
}

// mount finds the directory that a checked path lies in.
func (s *Site) mount(path string) mount {
	for _, m := range s.mounts {
		if below(path, m.url) {
			return m
		}
	}
	return s.mounts[len(s.mounts)-1]
}

// physical is where a checked path lies in the file system, whether or not something is there. A slash at its end
// stays.
func (s *Site) physical(path string) string {
	m := s.mount(strings.TrimSuffix(path, "/"))
	return strings.TrimSuffix(m.dir, string(filepath.Separator)) + filepath.FromSlash(path[len(m.url):])
}

// inside calls f with the directory a checked path lies in and the path's name relative to it. Nothing reached through
// that directory lies outside of it: a symbolic link out of it, or an absolute one, is an error.
func (s *Site) inside(path string, f func(dir *os.Root, name string) error) error {
	m := s.mount(path)
	root, err := os.OpenRoot(m.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	name := filepath.FromSlash(strings.TrimPrefix(path[len(m.url):], "/"))
	if name == "" {
		name = "."
	}
	return f(root, name)
}

// stat looks at what a checked path without a slash at its end names. Opening the directory for every look would cost more
// than the rest of a request's way through the site, so it is opened only when a link has to be judged.
func (s *Site) stat(path string) (info fs.FileInfo, err error) {
	if info, err = s.statPlain(path); !errors.Is(err, errLink) {
		return info, err
	}
	if s.aliased(path) {
		return nil, fs.ErrNotExist
	}
	err = s.inside(path, func(dir *os.Root, name string) error {
		info, err = dir.Stat(name)
		return err
	})
	return info, err
}

var errLink = errors.New("path holds a link")

// statPlain is stat for a path without links: errLink if there is one.
func (s *Site) statPlain(path string) (info fs.FileInfo, err error) {
	m := s.mount(path)
	name := m.dir
	if path == m.url {
		return os.Stat(name)
	}
	for segment := range segments(path[len(m.url):]) {
		name += string(filepath.Separator) + segment
		if info, err = os.Lstat(name); err != nil {
			return nil, err
		}
		if info.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 {
			return nil, errLink
		}
		if isAlias(name, segment) {
			return nil, fs.ErrNotExist
		}
	}
	return info, nil
}

// aliased tells whether a segment of a checked path leads to something that has another name. The rules for names, which handler answers
// and what nobody may ask for, are about names as they are.
func (s *Site) aliased(path string) bool {
	m := s.mount(path)
	name := m.dir
	for segment := range segments(path[len(m.url):]) {
		name += string(filepath.Separator) + segment
		if isAlias(name, segment) {
			return true
		}
	}
	return false
}

// openFile opens the regular file a checked path names. The caller closes it.
func (s *Site) openFile(path string) (f *os.File, info fs.FileInfo, err error) {
	if s.aliased(path) {
		return nil, nil, fs.ErrNotExist
	}
	err = s.inside(path, func(dir *os.Root, name string) error {
		info, err = dir.Stat(name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fs.ErrNotExist // opening a named pipe would wait for a writer
		}
		f, err = dir.Open(name)
		return err
	})
	return f, info, err
}

func (s *Site) isFile(path string) bool {
	info, err := s.stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (s *Site) isFolder(path string) bool {
	info, err := s.stat(path)
	return err == nil && info.IsDir()
}

// fileRefusal is what a client is told when a file cannot be had. Most reasons are "not found": which one it was is
// nobody's business.
func fileRefusal(err error) refusal {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return refusal{403, 2}
	case outOfFiles(err):
		return refusal{503, 0}
	}
	return notFound
}
