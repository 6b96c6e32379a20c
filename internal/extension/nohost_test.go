package extension_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
)

// TestNoHost: a target without a host gets plain pages; nothing can be mapped, and child requests find nothing.
func TestNoHost(t *testing.T) {
	for _, c := range []struct {
		fixture, query string
		status         int
		body           string
	}{
		{"crash", "segv", 500, "Internal Server Error"},
		{"support", "1001/s%252f/d100", 200, "2 %2f 100"},
		{"support", "2/s%2fchild", 404, "404 page not found"},
		{"support", "1028/e410%20Gone,0,0", 410, "Gone"},
	} {
		t.Run(c.fixture+" "+c.query, func(t *testing.T) {
			e, err := extension.Open(testext.Fixture(t, c.fixture), executor.Options{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e.Execute(w, r, &executor.Target{ScriptName: "/app"})
			}))
			defer func() {
				srv.Close()
				if err := e.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			res, err := srv.Client().Get(srv.URL + "/app?" + c.query)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if got := strings.TrimSpace(string(body)); err != nil || res.StatusCode != c.status || got != c.body {
				t.Errorf("%s %q, %v; want %d %q", res.Status, got, err, c.status, c.body)
			}
		})
	}
}
