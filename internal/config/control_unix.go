//go:build unix

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// maxSocket is the longest name of a Unix socket that every system takes, in bytes.
const maxSocket = 103

// DefaultControlSocket returns where the control socket of a server is that says nothing else, and where the commands look for it:
// /run/isapid/control.sock for root, else isapid/control.sock below $XDG_RUNTIME_DIR, else below a folder of the
// user's own in the temporary folder. That one could have been made by somebody else: check its owner.
func DefaultControlSocket() string {
	return controlSocket(os.Geteuid(), os.Getenv("XDG_RUNTIME_DIR"), os.TempDir())
}

func controlSocket(uid int, runtimeDir, temp string) string {
	folder := "isapid"
	switch {
	case uid == 0:
		temp = systemRun()
	case filepath.IsAbs(runtimeDir):
		temp = runtimeDir
	default:
		folder += "-" + strconv.Itoa(uid)
	}
	return filepath.Join(temp, folder, "control.sock")
}

func systemRun() string {
	if runtime.GOOS == "linux" {
		return "/run"
	}
	return "/var/run"
}

// place takes a path that fits into a socket's address.
func (v value) place(field *string) {
	*field = v.d.path(*field)
	if n := len(*field); n > maxSocket {
		v.fail(fmt.Sprintf("%q is %d bytes with its folder", v.key, n), fmt.Sprintf("a socket's path has at most %d: name a shorter one", maxSocket))
	}
}

// keptFiles is the folder for what a server keeps of which nobody has said where: that of its control socket. "" if it has none.
func keptFiles(c *Control) string {
	if c.Socket == "" {
		return ""
	}
	return filepath.Dir(c.Socket)
}
