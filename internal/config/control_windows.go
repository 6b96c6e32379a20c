package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// pipeFolder is what the names of pipes begin with; maxPipe is the longest, in characters.
const (
	pipeFolder = `\\.\pipe\`
	maxPipe    = 256
)

// DefaultControlSocket returns the named pipe of a server that says nothing else, where the commands look for it: one name for the whole
// machine.
func DefaultControlSocket() string { return pipeFolder + "isapid" }

// place takes the name of a pipe.
func (v value) place(field *string) {
	name, ok := strings.CutPrefix(*field, pipeFolder)
	if !ok || name == "" || strings.Contains(name, `\`) || len(*field) > maxPipe {
		v.fail(fmt.Sprintf("%q is %q, which is not the name of a pipe", v.key, *field), `on Windows write it like '\\.\pipe\isapid', in single quotes`)
	}
}

// keptFiles is the folder for what a server keeps of which nobody has said where: isapid in the user's local data. "" if the user has none.
func keptFiles(*Control) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "isapid")
}
