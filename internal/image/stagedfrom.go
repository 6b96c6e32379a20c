package image

import (
	"os"
	"path/filepath"
	"strings"
)

// StagedFrom says where the image lies that path is a staged copy of, made by any process: an image that looks for files of
// its own, and not only for those that were there when it was staged, has to look there. ok is false if it is no staged
// copy. folder is "" if that cannot be told: nothing lay beside the image, or the system has no symbolic links for everybody.
func StagedFrom(path string) (folder string, ok bool) {
	beside := filepath.Dir(path)
	if !strings.HasPrefix(filepath.Base(beside), stagedPrefix) || !strings.HasPrefix(filepath.Base(filepath.Dir(beside)), homesPrefix) {
		return "", false
	}
	entries, err := os.ReadDir(beside)
	if err != nil {
		return "", true
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(beside, e.Name()))
		if err == nil && filepath.IsAbs(target) && filepath.Base(target) == e.Name() {
			return filepath.Dir(target), true
		}
	}
	return "", true
}
