package files

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/underwine"
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

// TestLinksOfUnix: what a link that Wine does not show leads to is not removed. Such links are made outside of Wine only.
func TestLinksOfUnix(t *testing.T) {
	if underwine.Version() == "" {
		t.Skip("this is Windows")
	}
	dir := t.TempDir()
	keep, tree := filepath.Join(dir, "keep"), filepath.Join(dir, "tree")
	for _, path := range []string{keep, tree} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Join(keep, "file"), filepath.Join(tree, "own")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unix := unixName(t, tree)
	t.Cleanup(func() {
		if out, err := exec.Command("start", "/wait", "/unix", "/bin/rm", "-rf", unix).CombinedOutput(); err != nil {
			t.Errorf("remove the links: %v, %s", err, out)
		}
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) { // it does not wait for that
			if _, err := os.Lstat(tree); os.IsNotExist(err) {
				break
			}
		}
	})
	for name, target := range map[string]string{"folder": "../keep", "link": "../keep/file"} {
		c := exec.Command("start", "/wait", "/unix", "/bin/ln", "-s", target, unix+"/"+name) // Wine runs programs of Unix
		if out, err := c.CombinedOutput(); err != nil {
			t.Skipf("no link can be made: %v, %s", err, out)
		}
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) { // it does not wait for them
		if entries, err := os.ReadDir(tree); err != nil || len(entries) == 3 {
			break
		}
	}
	if err := RemoveAll(tree); err == nil {
		t.Error("links were removed, or worse")
	}
	if _, err := os.Stat(filepath.Join(keep, "file")); err != nil {
		t.Errorf("what a link leads to: %v", err)
	}
	if _, err := os.Stat(filepath.Join(tree, "own")); !os.IsNotExist(err) {
		t.Errorf("what was there besides: %v", err)
	}
}

// TestRemoveAllWait: what somebody has open goes as soon as he closes it, whether he keeps others from deleting it or has the file only marked
// to be deleted, so that its folder cannot go. Under Wine he can have it open by another of its links.
func TestRemoveAllWait(t *testing.T) {
	for name, open := range map[string]func(path string) (*os.File, error){
		"kept":   os.Open,
		"shared": func(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) },
		"linked": func(path string) (*os.File, error) {
			other := filepath.Join(filepath.Dir(filepath.Dir(path)), "other")
			if err := os.Link(path, other); err != nil {
				return nil, err
			}
			return OpenFile(other, os.O_RDONLY, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "folder")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "file")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := RemoveAll(folder); err == nil && (name == "kept" || underwine.Version() != "") { // newer Windows removes the others at once
				t.Error("it is removed while it is open")
			}
			done := make(chan error)
			go func() { done <- RemoveAllWait(folder) }()
			f.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(folder); !os.IsNotExist(err) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// unixName is what a path is called outside of Wine.
func unixName(t *testing.T, path string) string {
	t.Helper()
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	unix, _, err := windows.NewLazySystemDLL("kernel32.dll").NewProc("wine_get_unix_file_name").Call(uintptr(unsafe.Pointer(name)))
	if unix == 0 {
		t.Skip(err)
	}
	return windows.BytePtrToString(*(**byte)(unsafe.Pointer(&unix))) // of a few bytes, which nobody frees
}
