package main

import (
	"errors"

	"github.com/isapid/isapid/internal/admin"
)

// The exit codes. They are documented in the help of every command and in docs/operations.md.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitConfig      = 3
	exitImage       = 4
	exitCompile     = 5
	exitListen      = 6
	exitNoServer    = 7
	exitRejected    = 8
	exitTakenBack   = 9
	exitInterrupted = 130
)

const exitCodeHelp = `Exit codes:
    0  success
    1  failure not named below
    2  wrong command line
    3  error in the configuration
    4  an image cannot be loaded
    5  the source does not compile
    6  cannot listen: address in use, not allowed or not there
    7  no server answers on the control socket
    8  the new version of an image was rejected: the old one serves on
    9  the new version of an image was taken back: the old one serves again
  130  ended at once by a second signal, or drained too long; a swap was not waited for`

// One type per exit code; a command wraps what it got in the one that fits.
type (
	usageError   struct{ error }
	configError  struct{ error }
	imageError   struct{ error }
	compileError struct{ error }
	listenError  struct{ error }

	rejectedError  struct{ error }
	takenBackError struct{ error }
	leftError      struct{ error } // the user did not want to wait for the end of a swap
)

func (e usageError) Unwrap() error   { return e.error }
func (e configError) Unwrap() error  { return e.error }
func (e imageError) Unwrap() error   { return e.error }
func (e compileError) Unwrap() error { return e.error }
func (e listenError) Unwrap() error  { return e.error }

// errInterrupted means that requests were cut off because the user did not want to wait, or had waited long enough.
var errInterrupted = errors.New("ended before all requests were answered")

// exitCode is the exit code for the error of a command.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted), isA[leftError](err):
		return exitInterrupted
	case isA[usageError](err):
		return exitUsage
	case isA[configError](err):
		return exitConfig
	case isA[imageError](err):
		return exitImage
	case isA[compileError](err):
		return exitCompile
	case isA[listenError](err):
		return exitListen
	case isA[*admin.NoServerError](err):
		return exitNoServer
	case isA[rejectedError](err):
		return exitRejected
	case isA[takenBackError](err):
		return exitTakenBack
	}
	return exitFailure
}

func isA[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}
