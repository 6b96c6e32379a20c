package worker

import (
	"github.com/isapid/isapid/internal/proc/sandbox"
	"github.com/isapid/isapid/internal/wire"
)

// restrict takes from this process what the greeting says it is not to have. What of it the system does not enforce is noted.
func restrict(h *wire.FrontHello) (notes []string, err error) {
	s := sandbox.Sandbox{NoNewPrivs: h.NoNewPrivileges}
	if b := h.Sandbox; b != nil {
		s.Files, s.ReadFiles, s.WriteFiles, s.SystemFiles = b.Files, b.Read, b.Write, true
		s.Network, s.ConnectPorts, s.BindPorts = b.Network, b.Connect, b.Bind
	}
	return sandbox.Restrict(s)
}
