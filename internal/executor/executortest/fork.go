package executortest

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
)

// The status of a child that an extension forked and let go on.
const childEnd = "exit 127"

// testFork: a child that an extension forks is not a second server: it ends with the call, and none of its callbacks does
// anything.
func testFork(t *testing.T, s *suite) {
	s.unix(t, "a process has no second self there")
	for _, threads := range []int{25, 1} {
		srv := s.serve(t, "fork", executor.Options{Threads: threads})
		for i, how := range []string{"proc", "raw", "completion", "proc"} {
			srv.get(how)
			if got, want := srv.result(i).LogData, "callbacks 87 87 87 87, "+childEnd; got != want {
				t.Errorf("threads %d, %s: the child says %q, want %q", threads, how, got, want)
			}
		}
	}
	for _, place := range []string{"constructor", "attach", "version"} {
		srv := s.serveImage(t, renamed(t, s.fixture(t, "fork"), place), executor.Options{}, hosting.Binding{})
		srv.get("told")
		if got := srv.result(0).LogData; got != childEnd {
			t.Errorf("%s: the child says %q, want %q", place, got, childEnd)
		}
	}
	for _, place := range []string{"terminate", "detach", "destructor"} {
		srv := s.serveImage(t, renamed(t, s.fixture(t, "fork"), place), executor.Options{}, hosting.Binding{})
		file := filepath.Join(t.TempDir(), "end")
		srv.get("end=" + url.QueryEscape(file))
		if err := srv.close(); err != nil {
			t.Errorf("%s: %v", place, err)
		}
		if got := waitFile(t, file); got != childEnd {
			t.Errorf("%s: the child says %q, want %q", place, got, childEnd)
		}
	}
}
