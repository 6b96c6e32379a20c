package toolchain

import (
	"fmt"
	"runtime"
	"strings"
)

// CompileError is a source the compiler refused.
type CompileError struct {
	Source  string   // absolute
	Command []string // the compiler and its arguments
	Output  string   // what it said, as it is
}

func (e *CompileError) Error() string {
	return fmt.Sprintf("%s cannot compile %q:\n%s", e.Command[0], e.Source, strings.TrimRight(e.Output, "\n"))
}

// MissingError is a compiler this machine does not have.
type MissingError struct {
	Language string
	Target   string // the system it should compile for, such as "windows/386"; "" for this one
	Package  string // of Debian, that has one
}

func (e *MissingError) Error() string {
	what := e.Language + " compiler"
	if e.Target != "" {
		what += " for " + e.Target
	}
	if runtime.GOOS == "windows" {
		return fmt.Sprintf("no %s found; install one and put its folder into PATH: gcc and g++ of MinGW-w64, fpc of Free Pascal; what another compiler has built is run as a DLL", what)
	}
	return fmt.Sprintf("no %s found; install one (Debian: apt install %s)", what, e.Package)
}
