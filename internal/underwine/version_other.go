//go:build !windows

package underwine

// Version is that of the Wine in which this process runs; "" on Windows itself and on other systems.
func Version() string { return "" }
