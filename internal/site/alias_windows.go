package site

import (
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/config"
)

// isAlias tells whether the last segment of a path is not the name that its folder shows for it. Windows finds a file also by a short
// name, which has another extension and another beginning: "WEB~1.CON" is web.config. The system makes no short name without a
// tilde. What is not there has no other name.
func isAlias(path, segment string) bool {
	if !strings.Contains(segment, "~") {
		return false
	}
	shown, err := shownName(path)
	return err == nil && !strings.EqualFold(shown, segment)
}

// shownName is the name that a folder shows for what a path leads to.
func shownName(path string) (string, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return "", err
	}
	var found windows.Win32finddata
	h, err := windows.FindFirstFile(name, &found)
	if err != nil {
		return "", err
	}
	windows.FindClose(h)
	return windows.UTF16ToString(found.FileName[:]), nil
}

// sameName tells whether two names are one to the file system, or whether to take them for one.
func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// spellings are how images are named: one image must not be loaded twice because it is asked for in small letters and in capital ones.
type spellings struct{ known *sync.Map } // paths in small letters: as they are spelled

// spellingsOf has those that the configuration names.
func spellingsOf(c *config.Site) spellings {
	s := spellings{new(sync.Map)}
	for _, a := range c.Applications {
		for _, h := range a.Handlers {
			if h.Extension != "" {
				s.known.LoadOrStore(strings.ToLower(h.Extension), h.Extension)
			}
		}
	}
	return s
}

// of is a path as its folders spell it, or as the configuration does. Only what is there is remembered, so it is no more than there are
// files.
func (s spellings) of(path string) string {
	key := strings.ToLower(path)
	if known, ok := s.known.Load(key); ok {
		return known.(string)
	}
	spelled := filepath.VolumeName(path)
	for segment := range strings.SplitSeq(path[len(spelled):], `\`) {
		if segment == "" {
			continue
		}
		shown, err := shownName(spelled + `\` + segment)
		if err != nil {
			return path
		}
		spelled += `\` + shown
	}
	known, _ := s.known.LoadOrStore(key, spelled)
	return known.(string)
}
