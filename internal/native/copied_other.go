//go:build !windows

package native

// Copied does nothing: only images of Windows are told where they lie by the system. See the one for Windows.
func Copied(folder, original string) {}
