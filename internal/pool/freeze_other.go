//go:build !linux

package pool

import "errors"

func freeze(process) error { return errors.New("this system cannot stop a process") }
