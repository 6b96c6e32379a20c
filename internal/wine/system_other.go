//go:build !linux

package wine

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// errOnlyLinux is what there is elsewhere: on Windows nobody needs it, other systems have not been tried.
var errOnlyLinux = errors.New("Windows libraries run through Wine on Linux only")

func runAlone(*exec.Cmd) error { return errOnlyLinux }

func inSession(*exec.Cmd) {}

func lockShared(string) *os.File { return nil }

func lockLast(*os.File) bool { return true }

func lock(context.Context, string, func()) (func(), error) { return nil, errOnlyLinux }

func freeSpace(string) (int64, error) { return 0, errOnlyLinux }

func programs(string) []*os.Process { return nil }

func ownedByMe(os.FileInfo) bool { return true }

func writable(string) bool { return true }

func ownedBy(os.FileInfo, int) bool { return true }
