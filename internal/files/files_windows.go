package files

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/underwine"
)

func mkdirTemp(dir, pattern string) (string, error) {
	before, after := pattern, ""
	if i := strings.LastIndexByte(pattern, '*'); i >= 0 {
		before, after = pattern[:i], pattern[i+1:]
	}
	var err error
	for range 10_000 {
		path := filepath.Join(dir, before+strconv.FormatUint(uint64(rand.Uint32()), 10)+after)
		if err = mkdir(path, false); !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
	return "", err
}

func mkdirAll(path string) error {
	if st, err := os.Stat(path); err == nil {
		if !st.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: path, Err: windows.ERROR_DIRECTORY}
		}
		return nil
	}
	if parent := filepath.Dir(path); parent != path {
		if err := mkdirAll(parent); err != nil {
			return err
		}
	}
	err := mkdir(path, true)
	if st, e := os.Stat(path); err != nil && e == nil && st.IsDir() { // somebody else was faster
		return nil
	}
	return err
}

// mkdir makes a folder with rights of its own, which what is made in it inherits. It never hands on those of the folder above:
// in that of a service's temporary files every user may make files, a library of his own among them.
func mkdir(path string, administrators bool) error {
	rights, err := rightsOfUser(administrators)
	if err != nil {
		return fmt.Errorf("make the rights of folder %q: %w", path, err)
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	attributes := windows.SecurityAttributes{SecurityDescriptor: rights}
	attributes.Length = uint32(unsafe.Sizeof(attributes))
	if err := windows.CreateDirectory(name, &attributes); err != nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// rightsOfUser gives all rights to the user of this process and to the system, and none to others.
func rightsOfUser(administrators bool) (*windows.SECURITY_DESCRIPTOR, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	text := "D:P(A;OICI;FA;;;" + user.User.Sid.String() + ")(A;OICI;FA;;;SY)" // P: nothing is inherited
	if administrators {
		text += "(A;OICI;FA;;;BA)"
	}
	return windows.SecurityDescriptorFromString(text)
}

// removeAll does not use [os.RemoveAll], which Wine 8 refuses. What can be removed as it is (files, empty folders, and links, whatever
// they point to) is; only real folders are looked into.
func removeAll(path string) error {
	if underwine.Version() != "" {
		return removeUnderWine(path, "")
	}
	err := os.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	st, e := os.Lstat(path)
	if errors.Is(e, fs.ErrNotExist) {
		return nil
	}
	if e != nil || !st.IsDir() { // a junction is none
		return err
	}
	return removeFolder(path, removeAll)
}

// removeFolder removes a folder after what is in it.
func removeFolder(path string, removeIn func(path string) error) error {
	entries, err := os.ReadDir(path)
	errs := []error{err}
	for _, entry := range entries {
		errs = append(errs, removeIn(filepath.Join(path, entry.Name())))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
