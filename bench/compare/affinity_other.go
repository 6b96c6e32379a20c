//go:build !linux

package main

import "errors"

func useOneProcessor() error { return errors.ErrUnsupported }
