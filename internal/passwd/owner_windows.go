package passwd

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// keepPrivate gives f rights for the user of this process, the system and administrators only, whatever its folder has.
func keepPrivate(f *os.File) error {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return fmt.Errorf("know the user of this process: %w", err)
	}
	rights, err := windows.SecurityDescriptorFromString("D:P(A;;FA;;;" + user.User.Sid.String() + ")(A;;FA;;;SY)(A;;FA;;;BA)")
	if err != nil {
		return fmt.Errorf("make the rights of a password file: %w", err)
	}
	return setRights(f, rights, windows.PROTECTED_DACL_SECURITY_INFORMATION)
}

// giveTo gives f the rights of the file at path.
func giveTo(f *os.File, path string, _ fs.FileInfo) error {
	rights, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("read the rights of password file %q: %w", path, err)
	}
	inherits := windows.SECURITY_INFORMATION(windows.UNPROTECTED_DACL_SECURITY_INFORMATION)
	if control, _, err := rights.Control(); err == nil && control&windows.SE_DACL_PROTECTED != 0 {
		inherits = windows.PROTECTED_DACL_SECURITY_INFORMATION
	}
	return setRights(f, rights, inherits)
}

func setRights(f *os.File, rights *windows.SECURITY_DESCRIPTOR, inherits windows.SECURITY_INFORMATION) error {
	list, _, err := rights.DACL()
	if err == nil {
		err = windows.SetNamedSecurityInfo(f.Name(), windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|inherits, nil, nil, list, nil)
	}
	if err != nil {
		return fmt.Errorf("set the rights of file %q: %w", f.Name(), err)
	}
	return nil
}
