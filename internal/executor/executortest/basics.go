package executortest

import (
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

func testBasics(t *testing.T, s *suite) {
	for _, threads := range []int{25, 1} {
		srv := s.serve(t, "hello", executor.Options{Threads: threads})
		if d := srv.ex.Description(); d != "hello" {
			t.Errorf("description %q, want %q", d, "hello")
		}
		for range 3 {
			res := srv.get("")
			if want := "<html><body>hello from GET /app.dll</body></html>\n"; res.StatusCode != 200 || res.Body != want {
				t.Errorf("%s, body %q; want 200 and %q", res.Status, res.Body, want)
			}
		}
	}
}
