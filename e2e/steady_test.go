package e2e

import (
	"testing"

	"github.com/isapid/isapid/e2e/mix"
	"github.com/isapid/isapid/internal/config"
)

// A server that is left alone answers every request of the mix.
func TestSteady(t *testing.T) {
	for _, mode := range []config.PoolMode{config.ModeInProcess, config.ModeIsolated} {
		t.Run(string(mode), func(t *testing.T) {
			s := start(t, func(p *config.Pool) { p.Mode = mode })
			cfg := s.crowd(t)
			cfg.Requests = 3000
			m, err := mix.Start(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			r := m.Wait()
			if t.Log(r.Details()); r.Bad() > 0 || r.Decided != cfg.Requests {
				t.Errorf("got %s", r)
			}
		})
	}
}
