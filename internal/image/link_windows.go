package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

// link makes name stand for target, an absolute path or the name of something beside it. That is a symbolic link where this user may
// make one, which on Windows only administrators may. Else a folder gets a junction, and a file a hard link; on another volume, where
// there is none, a copy, if it is a library or small. What can be none of that is left out,
// and so are programs of ours.
func link(target, name string) error {
	if os.Symlink(target, name) == nil {
		if _, err := os.Lstat(name); err == nil { // Wine 8 says that it has made one
			return nil
		}
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(name), target)
	}
	st, err := os.Stat(target)
	switch {
	case err != nil: // gone, or a link to nothing
		return nil
	case st.IsDir():
		_ = junction(target, name)
		return nil
	case !st.Mode().IsRegular(), running(target, st):
		return nil
	}
	if st.Mode()&0o200 != 0 && os.Link(target, name) == nil { // the removal of a link of a read-only file would make that writable
		return nil
	}
	if !looksLikeLibrary(name) && st.Size() > maxCopied {
		return nil
	}
	return copyBeside(target, name)
}

// running tells whether a file is a program of ours: the link of a program that runs could not be removed. The image may lie beside them,
// where an archive of them was unpacked.
func running(path string, st os.FileInfo) bool {
	name := strings.ToLower(filepath.Base(path))
	if strings.HasPrefix(name, "isapid") && strings.HasSuffix(name, ".exe") {
		return true
	}
	exe, err := os.Executable()
	if err != nil {
		return false
	}
	own, err := os.Stat(exe)
	return err == nil && os.SameFile(own, st)
}

// maxCopied is the size, in bytes, up to which a file that is no library is copied if it cannot be linked.
const maxCopied = 1 << 20

// copyBeside copies a file. That is done for what lies beside an image: what cannot be read is not there for it.
func copyBeside(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return nil
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return bare(err)
	}
	_, err = io.Copy(dst, src)
	return bare(errors.Join(err, dst.Close()))
}

// junction makes a link to a folder that needs no privilege.
func junction(target, name string) (err error) {
	if len(filepath.VolumeName(target)) != len("C:") {
		return errors.New("it is not on a disk of this computer")
	}
	if err := os.Mkdir(name, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(name)
		}
	}()
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return err
	}
	h, err := windows.CreateFile(path, windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_OPEN_REPARSE_POINT|windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	data, err := mountPoint(target)
	if err != nil {
		return err
	}
	var n uint32
	return windows.DeviceIoControl(h, windows.FSCTL_SET_REPARSE_POINT, &data[0], uint32(len(data)), nil, 0, &n, nil)
}

// mountPoint is a REPARSE_DATA_BUFFER that leads to target: a header, then its name as the system has it and as people see it.
func mountPoint(target string) ([]byte, error) {
	system, err := windows.UTF16FromString(`\??\` + target)
	if err != nil {
		return nil, err
	}
	shown, err := windows.UTF16FromString(target)
	if err != nil {
		return nil, err
	}
	const header, names = 8, 8 // bytes: tag, length, nothing; four numbers
	size := header + names + 2*(len(system)+len(shown))
	if size > windows.MAXIMUM_REPARSE_DATA_BUFFER_SIZE {
		return nil, fmt.Errorf("path %q is too long: %w", target, syscall.ENAMETOOLONG)
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, size), windows.IO_REPARSE_TAG_MOUNT_POINT)
	words := []uint16{
		uint16(size - header), 0,
		0, uint16(2 * (len(system) - 1)), // where the one is, and its length without the end
		uint16(2 * len(system)), uint16(2 * (len(shown) - 1)), // the other
	}
	for _, w := range slices.Concat(words, system, shown) {
		b = binary.LittleEndian.AppendUint16(b, w)
	}
	return b, nil
}
