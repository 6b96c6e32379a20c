package toolchain

import (
	"fmt"
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
	return fmt.Sprintf("no %s found; install one (Debian: apt install %s)", what, e.Package)
}
