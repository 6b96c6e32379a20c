//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// fileID is device and number of an open file, as the journal writes them; "" if they cannot be found.
func fileID(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}
