//go:build !linux && !windows

package conn

import "errors"

// peek: here a closed connection shows only when somebody reads, which net/http does while a handler runs.
func peek(uintptr) (alive bool, err error) { return true, nil }

// resumable is whether a write that a deadline has ended says how much was sent.
const resumable = true

func sendQueue(uintptr) (int, error) { return 0, errors.ErrUnsupported }
