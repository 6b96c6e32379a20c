// Package testwait has tests wait for facts, never for a time.
package testwait

import (
	"testing"
	"time"
)

// patience ends what waits for a fact that never comes. No result depends on it.
const patience = 2 * time.Minute

// Until waits for a fact, and asks for it again and again: it is to cost little. One that does not come ends the test, which says what it was.
func Until(t testing.TB, what string, fact func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !fact(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
