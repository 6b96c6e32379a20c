//go:build unix && cgo

package native

import "testing"

func tempDir(t *testing.T) string {
	t.Helper()
	return t.TempDir()
}
