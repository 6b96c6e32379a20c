//go:build !linux

package front

import "github.com/isapid/isapid/internal/admin"

// ownProcess is not known on this system.
func ownProcess() admin.Process { return admin.Process{} }

// boardTime is not known on this system.
func boardTime() int64 { return 0 }
