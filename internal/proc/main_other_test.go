//go:build !linux

package proc

import (
	"os"
	"testing"
)

func leavesNothing(m *testing.M) int { return m.Run() }

func openDescriptors(*testing.T) int { return 0 }

// streams: no stream, its ends are closed files.
func streams(t *testing.T) (ours, theirs *os.File) { return nil, nil }

func startErrors(t *testing.T, dir, file string) []startError { return nil }
