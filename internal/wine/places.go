package wine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// PlaceOf is the prefix of another user, for a server of root's. It is in a folder that is made by [MakeHome]: beside that of this user, if something
// names that, else in /var/lib/isapid, which others can reach.
func (s Setup) PlaceOf(uid int) string {
	place := "/var/lib/isapid/wine"
	if s.Prefix != "" || os.Getenv("ISAPID_WINEPREFIX") != "" || os.Getenv("STATE_DIRECTORY") != "" {
		place = s.Place()
	}
	return filepath.Join(place+"-"+strconv.Itoa(uid), "prefix")
}

// TemporaryOf is the folder for temporary files (TMPDIR) of the Linux processes that use such a prefix.
func TemporaryOf(prefix string) string { return filepath.Join(filepath.Dir(prefix), "tmp") }

// MakeHome makes the folder in which the prefix of another user is, and gives it to him. One that is there must be his. Nothing in it is touched.
func MakeHome(prefix string, uid, gid int) error {
	home := filepath.Dir(prefix)
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(home, 0o700)
	if err == nil {
		return os.Chown(home, uid, gid)
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	st, err := os.Lstat(home)
	if err == nil && (!st.IsDir() || !ownedBy(st, uid)) {
		err = fmt.Errorf("%s is there, and is not a folder of user %d: remove it, or %s", home, uid, another)
	}
	return err
}

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
