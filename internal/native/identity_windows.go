package native

import (
	"sync/atomic"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/underwine"
)

// takesBack says whether a thread gets the identity of this process back when it comes out of a library that may have left it another one: by
// ImpersonateLoggedOnUser, say, and no RevertToSelf. Go runs whatever comes next on that thread. Under Wine all code runs as one user, whatever
// tokens say, and each call of this kind is one of its server.
var takesBack atomic.Bool

func init() {
	takesBack.Store(underwine.Version() == "")
}

// takeBack does that for this thread.
func takeBack() {
	if takesBack.Load() {
		_ = windows.RevertToSelf() // on a thread that has no other identity it does nothing
	}
}
