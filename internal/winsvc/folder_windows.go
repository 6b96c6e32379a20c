package winsvc

import (
	"crypto/sha1" // how Windows numbers accounts of services
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Here tells whether this system has such services.
const Here = true

// Folder is where a service keeps its log and the files about crashes, and the folder it runs in: %ProgramData%\NAME.
func Folder(name string) string {
	data, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		data = `C:\ProgramData`
	}
	return filepath.Join(data, name)
}

// accountOf is the account of a service as Windows wants it, and its number; nil for the system itself, which may do everything.
func accountOf(s *Service) (account string, sid *windows.SID, err error) {
	switch {
	case strings.EqualFold(s.User, "LocalSystem"), strings.EqualFold(s.User, `NT AUTHORITY\SYSTEM`):
		return "LocalSystem", nil, nil
	case s.User == "" || strings.EqualFold(s.User, `NT SERVICE\`+s.Name):
		sid, err = windows.StringToSid(serviceSID(s.Name))
		return `NT SERVICE\` + s.Name, sid, err
	}
	sid, _, _, err = windows.LookupSID("", s.User)
	if err != nil {
		return "", nil, fmt.Errorf("there is no account %q: %w", s.User, err)
	}
	return s.User, sid, nil
}

// serviceSID is the number of the account that belongs to a service alone. It is made of the name, and so known before the service is there.
func serviceSID(name string) string {
	var text []byte
	for _, c := range utf16.Encode([]rune(strings.ToUpper(name))) {
		text = binary.LittleEndian.AppendUint16(text, c)
	}
	sum := sha1.Sum(text)
	sid := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	return sid
}

// folderAccess is for the system and administrators, and for the account of the service to read and write; others have no access.
func folderAccess(sid *windows.SID) string {
	access := "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
	if sid != nil {
		access += fmt.Sprintf("(A;OICI;0x1301bf;;;%s)", sid)
	}
	return access
}

// makeFolder makes the folder of a service, or takes the one there is, unless an ordinary user has made it: anybody may below
// %ProgramData%.
func makeFolder(folder string, sid *windows.SID) error {
	sd, err := windows.SecurityDescriptorFromString(folderAccess(sid))
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	err = windows.CreateDirectory(name, &windows.SecurityAttributes{Length: uint32(unsafe.Sizeof(windows.SecurityAttributes{})), SecurityDescriptor: sd})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return explain("", err)
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("make the folder %s: %w", folder, err)
	}
	if err := madeByAdministrator(folder); err != nil {
		return err
	}
	list, _, err := sd.DACL()
	if err == nil {
		err = windows.SetNamedSecurityInfo(folder, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	}
	if err != nil {
		return fmt.Errorf("keep others out of the folder %s: %w", folder, err)
	}
	return nil
}

// madeByAdministrator refuses a folder, or a link to one, that somebody without rights could have put there.
func madeByAdministrator(folder string) error {
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is there and is no folder: remove it", folder)
	}
	sd, err := windows.GetNamedSecurityInfo(folder, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	if owner.Equals(me.User.Sid) || owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) {
		return nil
	}
	return fmt.Errorf("the folder %s belongs to %s, who is no administrator: remove it, or give it away with \"takeown /a /f\"", folder, owner)
}
