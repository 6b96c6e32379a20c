package admin

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Image is an image that can be replaced.
type Image struct {
	Path         string   // absolute
	Applications []string // those that name it in a handler, as SITE/APP: "shop/" for the root of a site, "shop/orders"
	FilterOf     []string // those that have it as a filter, likewise
}

// FindImage finds the image an operator means by its path, the name of its file (proposal.so), that without the extension (proposal),
// an application with a handler that names it (shop/orders), or one that has it as a filter, in this order. The error is an [*Error] and
// says what there is.
func FindImage(list []Image, name string) (Image, error) {
	if name == "" {
		return Image{}, &Error{http.StatusBadRequest, "no image is named", "name it as SITE/APP, by its file or by its path; " + described(list)}
	}
	for _, is := range []func(*Image) bool{
		func(i *Image) bool { return filepath.IsAbs(name) && sameName(i.Path, filepath.Clean(name)) },
		func(i *Image) bool { return sameName(filepath.Base(i.Path), name) },
		func(i *Image) bool { return sameName(stem(i.Path), name) },
		func(i *Image) bool { return slices.Contains(i.Applications, name) },
		func(i *Image) bool { return slices.Contains(i.FilterOf, name) },
	} {
		var found []Image
		for n := range list {
			if is(&list[n]) {
				found = append(found, list[n])
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return Image{}, &Error{http.StatusConflict, fmt.Sprintf("%q may be %d images", name, len(found)), "name one by its path; " + described(found)}
		}
	}
	return Image{}, &Error{http.StatusNotFound, fmt.Sprintf("there is no image %q", name), described(list)}
}

// sameName compares names of files.
func sameName(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// stem is the name of a file without its folder and its extension.
func stem(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// maxDescribed is how many images a hint lists.
const maxDescribed = 20

// described lists images for a hint.
func described(list []Image) string {
	if len(list) == 0 {
		return "no image can be replaced: no handler names one, and no request has loaded one yet"
	}
	list = slices.SortedFunc(slices.Values(list), func(a, b Image) int { return cmp.Compare(a.Path, b.Path) })
	var names []string
	for _, i := range list[:min(len(list), maxDescribed)] {
		name, where := i.Path, i.Applications
		if len(i.FilterOf) > 0 {
			where = append(slices.Clone(where), "filter of "+strings.Join(i.FilterOf, ", "))
		}
		if len(where) > 0 {
			name += " (" + strings.Join(where, ", ") + ")"
		}
		names = append(names, name)
	}
	if more := len(list) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return "there are: " + strings.Join(names, ", ")
}

var (
	backupNumber = regexp.MustCompile(`^[1-9][0-9]{0,2}$`)
	hashPrefix   = regexp.MustCompile(`^[0-9a-fA-F]{4,64}$`)
)

// ParseVersion reads which version an operator wants back: "" is the one before, number 1; 1 to 999 the number of a backup, the newest
// is 1; anything else 4 to 64 digits a SHA-256 begins with, here in lower case. Either number or hash is set.
func ParseVersion(to string) (number int, hash string, err error) {
	switch {
	case to == "":
		return 1, "", nil
	case backupNumber.MatchString(to):
		number, err = strconv.Atoi(to)
		return number, "", err
	case hashPrefix.MatchString(to):
		return 0, strings.ToLower(to), nil
	}
	return 0, "", errors.New("a version is the number of a backup, the newest is 1, or at least 4 digits its SHA-256 begins with")
}
