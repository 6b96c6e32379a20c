//go:build !linux

package proc

// WithoutChance calls start.
func WithoutChance(start func() error) error { return start() }
