package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks is how many entries of the source's folder a staged image sees beside itself. Where there are more (the image
// lies in a system folder), libraries come first.
const maxLinks = 1000

// LinkBeside puts symbolic links to what lies beside source into folder, for [StageIn]. Names that differ from that of source in the case of
// letters only are left out: a program for Windows takes them for one. Whoever owns the folder cannot have links put elsewhere.
func LinkBeside(folder *os.Root, source string) error {
	from := filepath.Dir(source)
	names, err := siblings(from, filepath.Base(source))
	if err != nil {
		return fmt.Errorf("read the folder of image %q: %w", source, bare(err))
	}
	for _, name := range names {
		if strings.EqualFold(name, filepath.Base(source)) {
			continue
		}
		if err := folder.Symlink(filepath.Join(from, name), name); err != nil {
			return fmt.Errorf("link %q beside the copy of %q: %w", name, source, err)
		}
	}
	return nil
}

// linkSiblings puts links to the entries beside source into folder, which has the copy already. Entries that are source under
// another name become links to the copy, lest a second one be loaded.
func linkSiblings(folder, source string) error {
	from := filepath.Dir(source)
	names, err := siblings(from, filepath.Base(source))
	if err != nil {
		return fmt.Errorf("read the folder of the image: %w", bare(err))
	}
	image, err := os.Stat(source)
	there := err == nil
	for _, name := range names {
		target := filepath.Join(from, name)
		if st, err := os.Stat(target); there && err == nil && os.SameFile(st, image) {
			target = filepath.Base(source)
		}
		if err := link(target, filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("link %q beside the copy: %w", name, err)
		}
	}
	return nil
}

// siblings lists at most maxLinks names of a folder without the image itself. A folder that may be entered but not listed
// has none, and so has one that is gone.
func siblings(dir, image string) ([]string, error) {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxFolder) // its error is the end of the folder
	names = slices.DeleteFunc(names, func(name string) bool { return sameName(name, image) })
	slices.SortFunc(names, func(a, b string) int {
		if la, lb := looksLikeLibrary(a), looksLikeLibrary(b); la != lb {
			if la {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return names[:min(len(names), maxLinks)], nil
}

// sameName compares as the file system does that has the copy; taking two names for one where it does not only costs a link.
func sameName(a, b string) bool {
	return a == b || caseless && strings.EqualFold(a, b)
}

func looksLikeLibrary(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".so") || strings.Contains(name, ".so.") || strings.HasSuffix(name, ".dll")
}
