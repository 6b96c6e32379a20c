//go:build unix && cgo

package native

// #cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -fno-omit-frame-pointer -U_FORTIFY_SOURCE
// #cgo linux LDFLAGS: -ldl -lpthread
// #cgo noescape isapid_proc
// #cgo noescape isapid_filter_proc
// #cgo noescape isapid_tid
// #cgo nocallback isapid_tid
// #include "native.h"
import "C"
