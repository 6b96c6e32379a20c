//go:build !linux && !windows

package front

import "github.com/isapid/isapid/internal/admin"

// ownProcess is not known on this system.
func ownProcess() admin.Process { return admin.Process{} }
