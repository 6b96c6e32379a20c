//go:build unix

package admin

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// whoKey is what the log calls who asks.
const whoKey = "uid="

// self is this test binary, also for users who may not read the file.
const self = "/proc/self/exe"

// freePlace is a place for a socket.
func freePlace(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "s", "control.sock")
}

// me is how the server calls who tests it.
func me() string {
	if !tellsUsers {
		return ""
	}
	return fmt.Sprintf(" by user %d", os.Geteuid())
}
