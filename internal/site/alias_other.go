//go:build !windows

package site

import "github.com/isapid/isapid/internal/config"

// isAlias is false: a file has the names that a folder has for it.
func isAlias(string, string) bool { return false }

// sameName tells whether two names are one to the file system, or whether to take them for one.
func sameName(a, b string) bool { return a == b }

// spellings are how images are named that are files of any name.
type spellings struct{}

func spellingsOf(*config.Site) (s spellings) { return s }

// of is the path itself.
func (spellings) of(path string) string { return path }
