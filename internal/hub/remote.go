package hub

import "github.com/isapid/isapid/internal/remote"

// Watch makes every worker that is started with s a source of this hub, before it loads its first image. What s has for Started, Ended and
// Traced already is called, too.
func (h *Hub) Watch(s *remote.Settings, pool string) {}
