//go:build linux

package wine

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
)

// lodger is a user that no process of these tests runs as otherwise.
const lodger = 64532

// opens is an extension that opens the file that its query names, to read it, or after "new=" to write it, and says the code of the error.
const opens = `
#include "httpext.h"
#include <stdio.h>
#include <string.h>
#include <windows.h>

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "opens @BUILD@");
    return TRUE;
}

` + say + `
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    const char *q = e->lpszQueryString;
    int make = !strncmp(q, "new=", 4);
    char text[64];
    HANDLE h;
    if (!strcmp(q, "dies")) __asm__ volatile("mov $0x4141, %%rsp\n\tpush %%rax" ::: "memory");
    h = CreateFileA(make ? q + 4 : q, make ? GENERIC_WRITE : GENERIC_READ, FILE_SHARE_READ, NULL, make ? CREATE_NEW : OPEN_EXISTING, 0, NULL);
    snprintf(text, sizeof text, "@BUILD@ %lu", h == INVALID_HANDLE_VALUE ? (unsigned long)GetLastError() : 0ul);
    if (h != INVALID_HANDLE_VALUE) CloseHandle(h);
    return say(e, text);
}
`

func opening(t *testing.T, version string) string {
	return testext.SourceDLL(t, "amd64", strings.ReplaceAll(opens, "@BUILD@", version))
}

// owner is who a process runs as.
func owner(t *testing.T, pid int) int {
	t.Helper()
	st, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	check(t, err)
	return int(st.Sys().(*syscall.Stat_t).Uid)
}

// TestUser: the workers of a pool with another user run as that one, in a Wine of his own, which is kept running as that of the server is.
func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	prefix := ""
	reachable, err := os.MkdirTemp("", "isapid-user-") // those of t.TempDir are below one that only root may enter
	check(t, err)
	t.Cleanup(func() { // after the server has ended
		for end := time.Now().Add(time.Minute); len(testext.Programs(t, prefix, "")) > 0 || len(keepers(t, prefix)) > 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("still running: %v", append(testext.Programs(t, prefix, ""), keepers(t, prefix)...))
			}
		}
		check(t, os.RemoveAll(reachable))
	})
	s := start(t, func(c *config.Config, root string) {
		check(t, os.Chmod(reachable, 0o755))
		template, workers := c.Wine.Prefix, filepath.Join(reachable, "workers")
		exe, err := os.ReadFile(testext.Worker(t, "amd64"))
		check(t, err)
		check(t, os.Mkdir(workers, 0o755))
		check(t, os.WriteFile(filepath.Join(workers, "isapid-worker-amd64.exe"), exe, 0o755))
		c.Wine = config.Wine{Prefix: filepath.Join(reachable, "wine"), Workers: workers}
		home := fmt.Sprintf("%s-%d", c.Wine.Prefix, lodger)
		prefix = filepath.Join(home, "prefix")
		check(t, os.Mkdir(home, 0o700))
		out, err := exec.Command("cp", "-a", template, prefix).CombinedOutput() // that of build.ClonePrefix would be links to where he may not look
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		_ = os.Remove(filepath.Join(prefix, "wineserver"))
		check(t, filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
			check(t, err)
			return os.Lchown(path, lodger, lodger)
		}))
		p := c.Pools[config.DefaultPoolName]
		p.User, p.Group, p.Directory = fmt.Sprint(lodger), fmt.Sprint(lodger), "/"
		p.Environment = map[string]string{"TMPDIR": "/nowhere"}
		c.Pools["own"] = config.DefaultPool()
		data, err := os.ReadFile(opening(t, "one"))
		check(t, err)
		check(t, os.WriteFile(filepath.Join(root, "site.dll"), data, 0o600))
		check(t, os.WriteFile(filepath.Join(root, "secret"), nil, 0o600))
	})
	const denied, none = "5", "0"
	s.want("/site.dll?Z:"+s.root+"/secret", 200, "one "+denied)
	s.want("/site.dll?Z:/etc/passwd", 200, "one "+none)
	s.want("/site.dll?new=Z:"+s.root+"/made", 200, "one "+denied)
	s.want(`/site.dll?new=C:\made`, 200, "one "+none)
	st, err := os.Stat(filepath.Join(prefix, "drive_c", "made"))
	check(t, err)
	if got := st.Sys().(*syscall.Stat_t).Uid; got != lodger {
		t.Errorf("a file that it made is of user %d", got)
	}
	pool := s.until("default:win64", "a worker and a spare", settled)
	if pool.Prefix != prefix || !strings.HasPrefix(pool.Wine, "wine-") {
		t.Errorf("%+v", pool)
	}
	for _, pid := range append(testext.Programs(t, prefix, ""), serving(pool), spare(pool)) {
		if got := owner(t, pid); got != lodger {
			t.Errorf("process %d in the prefix is of user %d", pid, got)
		}
	}
	if _, err := os.Stat(filepath.Join(reachable, "wine")); !os.IsNotExist(err) {
		t.Errorf("the server's own prefix was made, too: %v", err)
	}

	s.want("/site.dll?dies", 502, "*")
	s.want("/site.dll?Z:/etc/passwd", 200, "one "+none)
	if r := s.replaced("site.dll", func() { s.put("site.dll.update", opening(t, "two")) }); r.To.Description != "opens two" {
		t.Errorf("%+v", r)
	}
	s.want("/site.dll?Z:/etc/shadow", 200, "two "+denied)

	// The server of that user's Wine is killed, then what keeps it running.
	before := serving(s.until("default:win64", "a worker and a spare", settled))
	killAll(t, testext.Programs(t, prefix, "wineserver"))
	s.until("default:win64", "other workers", func(p *admin.Pool) bool { return serving(p) != before && settled(p) })
	s.want("/site.dll?Z:/etc/passwd", 200, "two "+none)
	killed := keepers(t, prefix)
	killAll(t, killed)
	s.until("default:win64", "a keeper", func(*admin.Pool) bool {
		list := keepers(t, prefix)
		return len(list) > 0 && list[0] != killed[0]
	})
	s.want("/site.dll?Z:/etc/passwd", 200, "two "+none)
}

// keepers are the processes that keep a prefix of another user running.
func keepers(t *testing.T, prefix string) (pids []int) {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/cmdline")
	check(t, err)
	for _, file := range list {
		line, _ := os.ReadFile(file)
		args := strings.Split(string(line), "\x00")
		if pid := 0; slices.Contains(args, "wine-keeper") && slices.Contains(args, prefix) {
			fmt.Sscan(filepath.Base(filepath.Dir(file)), &pid)
			pids = append(pids, pid)
		}
	}
	return pids
}

func killAll(t *testing.T, pids []int) {
	t.Helper()
	if len(pids) == 0 {
		t.Fatal("there is nothing to be killed")
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
}
