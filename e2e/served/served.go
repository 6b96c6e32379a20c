// Package served runs what tests of whole servers run: isapid or another program as a process ([Start]), or a front inside of the
// test ([Run]). It sees to it that nothing of that outlives the test. What is served, and how it is asked, is for the tests to say.
package served

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// patience ends what waits for something that never comes; no result depends on it.
const patience = 2 * time.Minute

// Write writes a file, and makes the folders above it.
func Write(t testing.TB, file, text string) {
	t.Helper()
	Check(t, os.MkdirAll(filepath.Dir(file), 0o755))
	Check(t, os.WriteFile(file, []byte(text), 0o600))
}

// Copy puts a copy of a file at another place in one step, as one does with an image that is served from there.
func Copy(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	Check(t, err)
	Check(t, os.MkdirAll(filepath.Dir(to), 0o755))
	Check(t, os.WriteFile(to+".part", data, 0o755))
	Check(t, os.Rename(to+".part", to))
}

// Free is an address of 127.0.0.1 at which nobody listens.
func Free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Check(t, err)
	defer l.Close()
	return l.Addr().String()
}

// Check ends the test if there is an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
