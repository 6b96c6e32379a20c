//go:build unix

package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bind makes the socket. The file is that of it.
func (b *binding) bind() (l net.Listener, file fs.FileInfo, err error) {
	group := -1
	if b.shared {
		if group, err = findGroup(b.group); err != nil {
			return nil, nil, err
		}
	}
	folder := filepath.Dir(b.path)
	if err := os.MkdirAll(folder, b.folderMode()); err != nil {
		return nil, nil, fmt.Errorf("its folder cannot be made: %w; name another place with %s", err, b.key)
	}
	if err := b.checkFolder(folder, group); err != nil {
		return nil, nil, err
	}
	unlock, err := lockFolder(folder) // two servers that start at a time must not both replace the same dead socket
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	if err := b.vacate(); err != nil {
		return nil, nil, err
	}
	made, err := net.ListenUnix("unix", &net.UnixAddr{Name: b.path, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	made.SetUnlinkOnClose(false) // Close looks first whose it is
	if group >= 0 {
		err = os.Chown(b.path, -1, group)
	}
	if err == nil {
		err = os.Chmod(b.path, b.mode())
	}
	if err == nil {
		file, err = os.Lstat(b.path)
	}
	if err != nil {
		made.Close()
		os.Remove(b.path)
		return nil, nil, err
	}
	return made, file, nil
}

// mode is that of the socket.
func (b *binding) mode() os.FileMode {
	if b.shared {
		return 0o660
	}
	return 0o600
}

// folderMode is that of its folder, if there is none.
func (b *binding) folderMode() os.FileMode {
	if b.shared {
		return 0o755
	}
	return 0o700
}

// vacate removes the socket of a server that is gone.
func (b *binding) vacate() error {
	path := b.path
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case file.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there and is no socket: remove it or name another place with %s", path, b.key)
	}
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	c, err := dial(ctx, path)
	switch {
	case err == nil:
		who := peerOfConn(c)
		c.Close()
		return fmt.Errorf("another isapid serves at %s%s: stop it or set %s", path, who, b.key)
	case !nobody(err):
		return fmt.Errorf("it cannot be told whether another isapid serves here: %w; stop it or set %s", err, b.key)
	}
	return os.Remove(path)
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// checkFolder refuses a folder in which somebody else could put a socket of his own. A link to it must be ours or root's.
func (b *binding) checkFolder(folder string, group int) error {
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
	case !b.letsIn(dir, group):
		return fmt.Errorf("those who may use the socket cannot enter the folder %s: allow them to (chmod a+x) or name another place with %s", folder, b.key)
	}
	return nil
}

// letsIn says whether those whose socket it is can get at it in dir. Root may have taken its group elsewhere: then everybody must.
func (b *binding) letsIn(dir fs.FileInfo, group int) bool {
	if !b.shared {
		return true
	}
	perm := dir.Mode().Perm()
	sameGroup := group < 0 || int(dir.Sys().(*syscall.Stat_t).Gid) == group
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

// elsewhere is what to do about a socket that may not be connected to.
const elsewhere = "it belongs to another user: ask as that one, or as root"

// trust says why what listens at the other end of conn is not to be trusted, or nil. Root trusts the server of any user.
func (t *Target) trust(conn net.Conn) error {
	who := peerOfConn(conn)
	if who.allowed() || os.Geteuid() == 0 || t.Named && lentBy(t.Socket, who.uid) {
		return nil
	}
	return fmt.Errorf("what listens there belongs to user %d and is not trusted", who.uid)
}

// lentBy says whether user uid has put a socket where it is for others, in a folder that nobody else can change.
func lentBy(socket string, uid int) bool {
	file, err := os.Stat(socket)
	if err != nil || int(owner(file)) != uid || file.Mode().Perm()&0o066 == 0 {
		return false
	}
	dir, err := os.Stat(filepath.Dir(socket))
	return err == nil && (int(owner(dir)) == uid || owner(dir) == 0) && dir.Mode().Perm()&0o022 == 0
}
