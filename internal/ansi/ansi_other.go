//go:build !windows

package ansi

// Encode answers text.
func Encode(text string) string { return text }

// Decode answers text.
func Decode(text string) string { return text }
