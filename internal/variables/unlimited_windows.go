package variables

import "strings"

// unlimited is a path in the form that may be longer than 260 characters, which IIS gives in SCRIPT_TRANSLATED.
func unlimited(path string) string {
	switch share, unc := strings.CutPrefix(path, `\\`); {
	case strings.Contains(path, "/") || strings.HasPrefix(path, `\\?\`) || strings.HasPrefix(path, `\\.\`):
	case unc:
		return `\\?\UNC\` + share
	case len(path) > 2 && path[1:3] == `:\`:
		return `\\?\` + path
	}
	return path
}
