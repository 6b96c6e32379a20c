package proc

import (
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	addrNoRandomize    = 0x0040000 // ADDR_NO_RANDOMIZE of linux/personality.h
	personalityUnknown = 0xffffffff
)

// WithoutChance calls start, which starts a program of Wine, so that the system chooses no addresses by chance for it and what it starts. A
// 64-bit Wine must have the page at 0x7ffe0000, which no Windows program can do without; but the system lays the heap of Wine's loader somewhere into
// the GiB after 0x7d000000, once in 2,000 starts over that page (Linux since 5.18). Where the system does not allow it, as in most
// containers, it is as before.
func WithoutChance(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old, err := personality(personalityUnknown)
	if err == nil && old&addrNoRandomize == 0 {
		if _, err = personality(old | addrNoRandomize); err == nil {
			defer personality(old)
		}
	}
	return start()
}

// personality sets that of this thread, which what it starts gets, too, and answers the one before.
func personality(p uintptr) (old uintptr, err error) {
	old, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, p, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return old, nil
}
