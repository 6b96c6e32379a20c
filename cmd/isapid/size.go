package main

import (
	"fmt"
	"strconv"
	"strings"
)

// size is a flag for a number of bytes: 65536, 512KiB, 8MiB.
type size int

func (s *size) Set(text string) error {
	digits, shift := text, 0
	switch {
	case strings.HasSuffix(text, "KiB"):
		digits, shift = text[:len(text)-3], 10
	case strings.HasSuffix(text, "MiB"):
		digits, shift = text[:len(text)-3], 20
	}
	n, err := strconv.ParseUint(digits, 10, 30-shift)
	if err != nil || n<<shift < 64<<10 {
		return fmt.Errorf("write it like 65536, 512KiB or 8MiB: 64KiB to less than 1024MiB")
	}
	*s = size(n << shift)
	return nil
}

func (s *size) Type() string { return "size" }

func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return strconv.Itoa(int(*s))
}
