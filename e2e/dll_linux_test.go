package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
)

// TestSwapsOfDLLs is TestSwaps for libraries of Windows, whose workers run under Wine.
func TestSwapsOfDLLs(t *testing.T) {
	length := soak{6, 150, 1}
	if os.Getenv("ISAPID_SOAK") != "" {
		length = soak{300, 30_000, 1}
	}
	for name, change := range map[string]func(*testing.T, *config.Pool){
		"overlap": func(_ *testing.T, p *config.Pool) { p.Update.Window = 0 },
		"hold":    alone,
		"watched": watched,
	} {
		t.Run(name, func(t *testing.T) {
			s := startDLL(t, func(p *config.Pool) { change(t, p) })
			s.soak(t, length)
		})
	}
}

// TestSwapsAndKillsOfDLLs is TestSwapsAndKills for libraries of Windows. Every fifth to be killed is the server of Wine, and with it all
// workers.
func TestSwapsAndKillsOfDLLs(t *testing.T) {
	swaps := 6
	if os.Getenv("ISAPID_SOAK") != "" {
		swaps = 100
	}
	s := startDLL(t, func(p *config.Pool) {
		p.Update.Window = 0
		p.Crashes.Max = 0 // or it would be taken out of service
		p.ShutdownLimit = time.Second
	})
	s.chaos(t, swaps)
}
