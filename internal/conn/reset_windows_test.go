package conn

import "golang.org/x/sys/windows"

// connReset is what a connection ends with that the other side has reset.
const connReset = windows.WSAECONNRESET
