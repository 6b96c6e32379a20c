//go:build unix

package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// checkFolder refuses a folder in which somebody else could put a socket of his own. A link to it must be ours or root's.
func (b *binding) checkFolder(folder string) error {
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
		return b.foreign(folder, owner(link))
	case of != me:
		return b.foreign(folder, of)
	case dir.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to the folder %s: take that from them (chmod go-w) or name another place with %s", folder, b.key)
	case !b.letsIn(dir):
		return fmt.Errorf("those who may use the socket cannot enter the folder %s: allow them to (chmod a+x) or name another place with %s", folder, b.key)
	}
	return nil
}

// letsIn says whether those whose socket it is can get at it in dir. Root may have taken its group elsewhere: then everybody must.
func (b *binding) letsIn(dir fs.FileInfo) bool {
	if b.mode&0o077 == 0 {
		return true
	}
	perm := dir.Mode().Perm()
	sameGroup := b.group < 0 || int(dir.Sys().(*syscall.Stat_t).Gid) == b.group
	return perm&0o001 != 0 || sameGroup && perm&0o010 != 0
}

func (b *binding) foreign(folder string, uid uint32) error {
	return fmt.Errorf("the folder %s belongs to user %d, this process to user %d: name another place with %s", folder, uid, os.Geteuid(), b.key)
}

// ownsFiles: the rights of files say who may read them.
const ownsFiles = true

// findGroup is the number of a group; -1 for no name.
func findGroup(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1, fmt.Errorf("control.status_group: %w", err)
	}
	return strconv.Atoi(g.Gid)
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

// lentBy says whether user uid has put a socket where it is for others, in a folder that nobody else can change.
func lentBy(socket string, uid int) bool {
	file, err := os.Stat(socket)
	if err != nil || int(owner(file)) != uid || file.Mode().Perm()&0o066 == 0 {
		return false
	}
	dir, err := os.Stat(filepath.Dir(socket))
	return err == nil && (int(owner(dir)) == uid || owner(dir) == 0) && dir.Mode().Perm()&0o022 == 0
}
