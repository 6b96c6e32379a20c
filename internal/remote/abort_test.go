//go:build linux

package remote_test

import (
	"errors"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
)

// A worker whose C library found the heap corrupt ends at once: contained, whoever allocates next would wait for ever. An abort of
// the extension's own is contained.
func TestAbortOfLibcEndsTheWorker(t *testing.T) {
	for _, tt := range []struct {
		fixture, query string
		ends           bool
	}{
		{"havoc", "heap", true},
		{"crash", "free", true},
		{"crash", "abort", false},
		{"crash", "assert", false},
		{"crash", "smash", false},
		{"crash", "thread-abort", false},
	} {
		t.Run(tt.fixture+" "+tt.query, func(t *testing.T) {
			ex, err := open(t)(testext.Fixture(t, tt.fixture), executor.Options{})
			if err != nil {
				t.Fatal(err)
			}
			a := ex.(*alone)
			w := httptest.NewRecorder()
			res, err := a.Image.Execute(w, httptest.NewRequest("GET", "/?"+tt.query, nil), &executor.Target{App: &executor.App{}})
			if !tt.ends {
				if err != nil || res.Fault == nil || w.Code != 500 {
					t.Errorf("status %d, fault %v, error %v; want a contained fault", w.Code, res.Fault, err)
				}
				if err := a.Close(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			if lost := (*remote.Lost)(nil); !errors.As(err, &lost) || lost.Obit.Exit.Signal != syscall.SIGABRT {
				t.Errorf("status %d, fault %v, error %v; want it lost by SIGABRT", w.Code, res.Fault, err)
			}
			_ = doomed{a}.Close(t.Context())
		})
	}
}
