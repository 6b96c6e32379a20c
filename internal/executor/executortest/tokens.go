package executortest

import (
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
)

// worksOnWindows has the codes that do something there only.
var worksOnWindows = map[isapi.Code]outcomes{
	isapi.GetImpersonationToken:    {"87", "87"},
	isapi.GetAnonymousToken:        {"87", "87"},
	isapi.GetUnicodeAnonymousToken: {"87", "87"},
}

// testTokens: what extensions get to impersonate somebody by is the account of the process, and does what they do with tokens.
func testTokens(t *testing.T, s *suite) {
	if !s.windows() {
		t.Skip("only on Windows: elsewhere there are no tokens")
	}
	for _, threads := range []int{25, 1} {
		srv := s.serve(t, "tokens", executor.Options{Threads: threads})
		for range 3 {
			if res := srv.get(""); res.Body != "fine" {
				t.Errorf("threads %d: %s %s", threads, res.Status, res.Body)
			}
		}
	}
}
