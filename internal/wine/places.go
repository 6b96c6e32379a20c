package wine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DefaultPrefix is the prefix of this user: what ISAPID_WINEPREFIX names, else a folder in the state directory that systemd gives the service, else
// in that of the user (XDG_STATE_HOME, ~/.local/state). A user without a home directory has one in /var/lib, if that is root, or among the
// temporary files.
func DefaultPrefix() string {
	if named := os.Getenv("ISAPID_WINEPREFIX"); named != "" {
		if abs, err := filepath.Abs(named); err == nil {
			return abs
		}
		return named
	}
	if state, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(state) { // the first, if there are several
		return filepath.Join(state, "wine")
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "isapid", "wine")
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "isapid", "wine")
	}
	if os.Geteuid() == 0 {
		return "/var/lib/isapid/wine"
	}
	return filepath.Join(os.TempDir(), "isapid-wine-"+strconv.Itoa(os.Geteuid()))
}
