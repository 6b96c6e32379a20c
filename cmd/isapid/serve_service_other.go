//go:build !windows

package main

import "github.com/isapid/isapid/internal/winsvc"

// serveAsService: there are no services of Windows here.
func serveAsService(serveOptions) error { return usageError{winsvc.ErrNotHere} }
