package image

import (
	"debug/elf"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Limits of a search, against files that name thousands of libraries in thousands of folders.
const (
	maxLookups = 20000 // files looked at for one image
	maxObjects = 200   // libraries whose own needs are looked at
)

// object is the image or one of the libraries it brings along.
type object struct {
	path   string // as the loader knows it
	beside bool   // found as Library.Beside says
	file   *elfFile
	rpaths []string // inherited DT_RPATH folders, expanded, nearest first
}

// searcher finds libraries as the dynamic loader (ld.so(8)) does for an image of this machine.
type searcher struct {
	image   *elfFile
	own     string   // folder of the image
	env     []string // LD_LIBRARY_PATH
	cache   ldCache
	dirs    []string // where the loader looks without being told
	lookups int
	loaded  map[string]bool // names and SONAMEs that are there
}

// resolveELF fills i.Needed: what the image itself needs, then what is missing or beside the image further down.
func (i *Info) resolveELF(f *elfFile) {
	path, err := filepath.Abs(i.Path)
	if err != nil || len(f.dynamic.needed) == 0 {
		return
	}
	s := &searcher{image: f, own: filepath.Dir(path), loaded: map[string]bool{f.dynamic.soname: true}}
	if i.System == runtime.GOOS {
		s.env = strings.FieldsFunc(os.Getenv("LD_LIBRARY_PATH"), func(r rune) bool { return r == ':' || r == ';' })
		s.dirs = standardDirs(i)
		if i.Libc != "musl" {
			s.cache = readLdCache("/etc/ld.so.cache")
		}
	}
	queue := []*object{{path: path, file: f}}
	for n := 0; n < len(queue) && n < maxObjects; n++ {
		from := queue[n]
		for _, name := range from.file.dynamic.needed {
			if n > 0 && s.loaded[name] {
				continue
			}
			lib := Library{Name: name}
			found := s.find(name, from)
			if found != nil {
				lib.Path, lib.Found, lib.Beside = found.path, true, found.beside
				if !s.loaded[name] {
					queue = append(queue, found)
				}
				s.loaded[name], s.loaded[found.file.dynamic.soname] = true, true
			}
			if n > 0 {
				lib.By = from.path
			}
			if n == 0 || !lib.Found || lib.Beside {
				i.Needed = append(i.Needed, lib)
			}
		}
	}
}

// find looks where the loader does, in its order, and then in the image's own folder, where hosts look.
func (s *searcher) find(name string, from *object) *object {
	d := &from.file.dynamic
	if strings.Contains(name, "/") {
		return s.try(expand(name, from, s.image), nil)
	}
	rpaths := from.rpaths
	if d.runpath == nil {
		rpaths = slices.Concat(expandAll(d.rpath, from, s.image), rpaths)
	}
	rpaths = rpaths[:min(len(rpaths), maxPathDirs)]
	var dirs []string
	if d.runpath == nil {
		dirs = append(dirs, rpaths...)
	}
	dirs = append(dirs, s.env...)
	dirs = append(dirs, expandAll(d.runpath, from, s.image)...)
	for _, dir := range dirs {
		if o := s.try(filepath.Join(dir, name), rpaths); o != nil {
			return o
		}
	}
	for _, path := range s.cache.paths(name) {
		if o := s.try(path, rpaths); o != nil {
			return o
		}
	}
	for _, dir := range s.dirs {
		if o := s.try(filepath.Join(dir, name), rpaths); o != nil {
			return o
		}
	}
	o := s.try(filepath.Join(s.own, name), rpaths)
	if o != nil {
		o.beside = true
	}
	return o
}

// try returns the library at path if the loader would take it for this image: it passes over those of other processors.
func (s *searcher) try(path string, rpaths []string) *object {
	if s.lookups++; s.lookups > maxLookups {
		return nil
	}
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	f, st, err := openImage(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	lib := &elfFile{view: &view{r: f, size: uint64(st.Size())}}
	magic, err := lib.at(0, 4)
	if err != nil || string(magic) != elf.ELFMAG || lib.readHeader() != nil || lib.readSegments() != nil {
		return nil
	}
	if lib.class != s.image.class || lib.order != s.image.order || lib.header.Machine != s.image.header.Machine {
		return nil
	}
	if lib.readDynamic() != nil {
		lib.dynamic = dynamic{} // what it needs cannot be told; the loader will
	}
	return &object{path: path, file: lib, rpaths: rpaths}
}

// expand replaces $ORIGIN, $LIB and $PLATFORM in a path of the file from.
func expand(path string, from *object, image *elfFile) string {
	if !strings.Contains(path, "$") {
		return path
	}
	lib, platform := libDir(image), triplet(image)
	platform, _, _ = strings.Cut(platform, "-")
	for _, r := range [][2]string{{"ORIGIN", filepath.Dir(from.path)}, {"LIB", lib}, {"PLATFORM", platform}} {
		path = strings.ReplaceAll(path, "${"+r[0]+"}", r[1])
		path = strings.ReplaceAll(path, "$"+r[0], r[1])
	}
	return path[:min(len(path), maxPathLen)]
}

func expandAll(paths []string, from *object, image *elfFile) []string {
	var out []string
	for _, p := range paths {
		out = append(out, expand(p, from, image))
	}
	return out
}
