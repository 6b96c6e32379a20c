package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// Control is how the commands of isapid reach a running server.
type Control struct {
	Socket string // absolute path of a Unix socket; "": none. Its folder may be missing; only its owner may have access
}

// maxSocket is the longest name of a Unix socket that every system takes, in bytes.
const maxSocket = 103

// DefaultControlSocket returns where the control socket of a server is that says nothing else, and where the commands look for it:
// /run/isapid/control.sock for root, else isapid/control.sock below $XDG_RUNTIME_DIR, else below a folder of the
// user's own in the temporary folder. That one could have been made by somebody else: check its owner.
func DefaultControlSocket() string {
	return controlSocket(os.Geteuid(), os.Getenv("XDG_RUNTIME_DIR"), os.TempDir())
}

// controlSocket takes -1 for the uid of systems that have none, where the temporary folder is the user's own.
func controlSocket(uid int, runtimeDir, temp string) string {
	folder := "isapid"
	switch {
	case uid == 0:
		temp = systemRun()
	case filepath.IsAbs(runtimeDir):
		temp = runtimeDir
	case uid > 0:
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

func (v value) control(c *Control) {
	v.object("control", fields{
		"socket": func(v value) { v.socket(&c.Socket) },
	})
}

// socket takes a path that fits into a socket's address, or "" for none.
func (v value) socket(field *string) {
	if s, ok := v.node.(*ast.StringNode); ok && s.Value == "" {
		*field = ""
		return
	}
	if !v.text(field) {
		return
	}
	*field = v.d.path(*field)
	if n := len(*field); n > maxSocket {
		v.fail(fmt.Sprintf("%q is %d bytes with its folder", v.key, n), fmt.Sprintf("a socket's path has at most %d: name a shorter one", maxSocket))
	}
}
