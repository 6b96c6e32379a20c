//go:build windows || (unix && cgo)

package filter_test

import (
	"os"
	"testing"

	"github.com/isapid/isapid/internal/trace"
)

// listened has all tests of the package run while somebody listens to everything.
const listened = "ISAPID_TEST_LISTENED"

// tap is nil, or one that somebody listens to.
func tap(t testing.TB) *trace.Tap {
	if os.Getenv(listened) == "" {
		return nil
	}
	tap := &trace.Tap{}
	if err := tap.Set([]trace.Subscription{{ID: 1, Filter: trace.Filter{Body: 100, Secrets: true}}}, nobody{t}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tap.Set(nil, nil) })
	return tap
}

// nobody can read what it gets, and keeps nothing.
type nobody struct{ t testing.TB }

func (n nobody) Batch(_ uint32, p []byte, _, _ int) {
	if err := trace.Decode(p, func(*trace.Event) error { return nil }); err != nil {
		n.t.Error(err)
	}
}
