package files

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// link makes a junction, which needs no privilege. Wine has none.
func link(t *testing.T, target, name string) {
	t.Helper()
	if out, err := exec.Command("cmd", "/c", "mklink", "/J", name, target).CombinedOutput(); err != nil {
		t.Logf("no junction: %v, %s", err, out)
	}
}

// TestRights: only the user, the system and administrators have any rights, and none come from the folder above.
func TestRights(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	temporary, err := MkdirTempPrivate(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	all := filepath.Join(t.TempDir(), "a")
	if err := MkdirAllPrivate(all); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{temporary, all} {
		sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
		if err != nil {
			t.Fatal(err)
		}
		text := sd.String()
		if !strings.Contains(text, user.User.Sid.String()) && !strings.Contains(text, ";;;BA)") {
			t.Errorf("%s: rights %q have no user %s", path, text, user.User.Sid)
		}
		for _, everybody := range []string{";;;WD)", ";;;BU)", ";;;AU)", ";;;IU)"} {
			if strings.Contains(text, everybody) {
				t.Errorf("%s: rights %q are for others, too", path, text)
			}
		}
	}
}
