//go:build unix

package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// checkFolder refuses a folder in which somebody else could put a socket of his own. A link to it must be ours or root's.
func checkFolder(folder string) error {
	link, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	dir, err := os.Stat(folder)
	if err != nil {
		return err
	}
	me := uint32(os.Geteuid())
	isLink := link.Mode()&fs.ModeSymlink != 0
	switch of := owner(dir); {
	case isLink && owner(link) != me && owner(link) != 0:
		return foreign(folder, owner(link))
	case of != me:
		return foreign(folder, of)
	case dir.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to the folder %s: take that from them (chmod go-w) or name another place with control.socket", folder)
	}
	return nil
}

func foreign(folder string, uid uint32) error {
	return fmt.Errorf("the folder %s belongs to user %d, this process to user %d: name another place with control.socket", folder, uid, os.Geteuid())
}

func owner(f fs.FileInfo) uint32 { return f.Sys().(*syscall.Stat_t).Uid }

// lockFolder keeps other servers from making their socket in folder until unlock is called.
func lockFolder(folder string) (unlock func(), err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(readLimit); ; time.Sleep(5 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if again := errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR); !again || time.Now().After(end) {
			f.Close()
			return nil, fmt.Errorf("the folder %s cannot be locked: %w", folder, err)
		}
	}
}

// nobody says whether a dial failed because nobody listens.
func nobody(err error) bool { return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) }
