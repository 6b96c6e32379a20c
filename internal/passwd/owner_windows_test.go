package passwd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/underwine"
)

// TestRights: others have no rights to a new password file, and one that is changed keeps its own.
func TestRights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	rights := func() string {
		t.Helper()
		sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
		must(t, err)
		return sd.String()
	}
	wine := underwine.Version() != ""
	_, err := Set(path, "joe:"+blowfish)
	must(t, err)
	for _, others := range []string{";;;WD)", ";;;BU)", ";;;AU)"} {
		if text := rights(); strings.Contains(text, others) && !wine { // which does not set the rights of a file that is there
			t.Errorf("a new file has the rights %s", text)
		}
	}
	before := rights()
	_, err = Set(path, "ann:"+blowfish)
	must(t, err)
	if after := rights(); after != before {
		t.Errorf("a changed file has the rights %s, had %s", after, before)
	}
	must(t, os.Remove(path))
}
