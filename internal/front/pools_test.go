package front

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testext"
)

func TestGroups(t *testing.T) {
	site := func(name string, apps ...string) config.Site {
		s := config.DefaultSite(name, "/")
		s.Applications = nil
		for _, a := range apps {
			s.Applications = append(s.Applications, config.Application{Path: a, Pool: "p"})
		}
		return s
	}
	one := []config.Site{site("shop", "/")}
	two := []config.Site{site("shop", "/", "/orders")}
	for _, c := range []struct {
		sites     []config.Site
		isolation config.Isolation
		mode      config.PoolMode
		app       string
		want      string
	}{
		{one, config.PerApplication, config.ModeIsolated, "/", "p"},
		{two, config.PerApplication, config.ModeIsolated, "/", "p@shop"},
		{two, config.PerApplication, config.ModeIsolated, "/orders", "p@shop/orders"},
		{two, config.PerPool, config.ModeIsolated, "/orders", "p"},
		{one, config.PerExtension, config.ModeIsolated, "/", "p@a.so"},
		{two, config.PerExtension, config.ModeIsolated, "/orders", "p@a.so@shop/orders"},
		{two, config.PerApplication, config.ModeInProcess, "/orders", "p"},
	} {
		p := config.DefaultPool()
		p.Isolation, p.Mode = c.isolation, c.mode
		cfg := &config.Config{Sites: c.sites, Pools: map[string]*config.Pool{"p": p}}
		got := groupOf(cfg, "/x/a.so", &executor.App{SiteName: "shop", Path: c.app, Pool: "p"})
		if got.name != c.want || got.pool != "p" {
			t.Errorf("%s %s: %+v, want %s", c.isolation, c.app, got, c.want)
		}
	}
}

const where = `
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v)
{
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "where");
    return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    char page[4096], cwd[1024];
    const char *env = getenv("GREETING");
    DWORD n;
    FILE *f;
    if (strcmp(ecb->lpszQueryString, "crash") == 0) *(volatile int *)(size_t)strlen(ecb->lpszPathTranslated + 100000) = 1;
    f = fopen(ecb->lpszQueryString, "r");
    n = (DWORD)snprintf(page, sizeof page, "pid=%d parent=%d cwd=%s greeting=%s open=%s", (int)getpid(), (int)getppid(), getcwd(cwd, sizeof cwd),
        env ? env : "none", f ? "yes" : strerror(errno));
    if (f) fclose(f);
    ecb->WriteClient(ecb->ConnID, page, &n, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}
`

// TestWorkerOfAPool: what the configuration says of a pool's processes is what its extension finds.
func TestWorkerOfAPool(t *testing.T) {
	cfg := oneSite(t, map[string]string{"/where/*": testext.Source(t, where)})
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := cfg.Pools[config.DefaultPoolName]
	t.Setenv("GREETING", "the server's own")
	p.Environment = map[string]string{"GREETING": "hello"}
	p.Directory = dir
	p.Sandbox = &config.Sandbox{Read: []string{dir}}
	f := newFront(t, cfg)
	serve(t, f)
	url := f.URLs()[0] + "where/?"
	status, body := get(t, url+secret)
	if status != 200 || !strings.Contains(body, fmt.Sprintf("parent=%d cwd=%s greeting=hello", os.Getpid(), dir)) {
		t.Errorf("%d %q, want the folder and the environment of the pool", status, body)
	}
	if !strings.HasSuffix(body, "open=Permission denied") {
		t.Errorf("%q: a file outside of the sandbox can be opened", body)
	}
	if _, body := get(t, url+os.Args[0]); strings.HasSuffix(body, "open=yes") {
		t.Errorf("%q: the program can be read in the sandbox", body)
	}
	status = 0
	if s := f.pools.status(); len(s) != 1 || len(s[0].Workers) != 1 || s[0].Workers[0].Pid == os.Getpid() {
		t.Errorf("pools %+v, want one with one worker", s)
	}
	if status, _ = get(t, f.URLs()[0]+"where/?crash"); status != 500 {
		t.Errorf("a crash: %d, want 500", status)
	}
	if status, _ = get(t, url); status != 200 {
		t.Errorf("after a crash: %d, want 200", status)
	}
	if got := f.Stats().Faults; got != 1 {
		t.Errorf("%d faults, want 1", got)
	}
}

// TestWorkerOfAnotherUser: a pool's user can load what it is given, and can nothing more.
func TestWorkerOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	dir, err := os.MkdirTemp("", "front-test-") // those of t.TempDir are below one that only root may enter
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "where.so")
	code, err := os.ReadFile(testext.Source(t, where))
	if err == nil {
		err = os.WriteFile(image, code, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cfg := oneSite(t, map[string]string{"/where/*": image})
	cfg.Pools[config.DefaultPoolName].User = "nobody"
	cfg.Pools[config.DefaultPoolName].Directory = "/"
	f := newFront(t, cfg)
	defer serve(t, f)() // before the folder goes
	status, body := get(t, f.URLs()[0]+"where/?/etc/shadow")
	if status != 200 || !strings.HasSuffix(body, "open=Permission denied") {
		t.Errorf("%d %q, want an answer of a process that may not read what root may", status, body)
	}
}

// TestSwitching: the first crash in this process moves an extension to workers.
func TestSwitching(t *testing.T) {
	cfg := oneSite(t, map[string]string{"/where/*": testext.Source(t, where)})
	p := cfg.Pools[config.DefaultPoolName]
	p.Mode, p.OnFault = config.ModeInProcess, config.FaultIsolate
	f := newFront(t, cfg)
	serve(t, f)
	url := f.URLs()[0] + "where/?"
	here := fmt.Sprintf("pid=%d ", os.Getpid())
	if status, body := get(t, url); status != 200 || !strings.HasPrefix(body, here) {
		t.Fatalf("%d %q, want an answer of this process", status, body)
	}
	if status, _ := get(t, url+"crash"); status != 500 {
		t.Fatalf("a crash: %d, want 500", status)
	}
	for end := time.Now().Add(30 * time.Second); ; {
		status, body := get(t, url)
		if status != 200 {
			t.Fatalf("after a crash: %d %q, want 200", status, body)
		}
		if !strings.HasPrefix(body, here) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the extension is not isolated after 30 s")
		}
	}
	if status, _ := get(t, url+"crash"); status != 500 {
		t.Errorf("a crash in the worker: %d, want 500", status)
	}
	if status, _ := get(t, url); status != 200 {
		t.Errorf("after a crash in the worker: %d, want 200", status)
	}
}
