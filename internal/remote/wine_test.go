//go:build linux

package remote_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
)

// besideSource answers with what is in the file that the query string names, beside the library.
const besideSource = `
#include <stdio.h>
#include <string.h>
#include "httpext.h"

static HMODULE self;

BOOL WINAPI DllMain(HINSTANCE h, DWORD reason, LPVOID reserved) { self = h; return TRUE; }

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
	v->dwExtensionVersion = HSE_VERSION;
	strcpy(v->lpszExtensionDesc, "beside");
	return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	char path[MAX_PATH + 300], text[1000];
	DWORD n;
	FILE *f;
	if (!strcmp(e->lpszQueryString, "hang")) Sleep(INFINITE);
	GetModuleFileNameA(self, path, MAX_PATH);
	strcpy(strrchr(path, '\\') + 1, e->lpszQueryString);
	f = fopen(path, "rb");
	n = f ? (DWORD)fread(text, 1, sizeof text, f) : 0;
	if (f) fclose(f);
	e->WriteClient(e->ConnID, text, &n, HSE_IO_SYNC);
	return HSE_STATUS_SUCCESS;
}
`

// wineWorker starts a worker under Wine with the image at path.
func wineWorker(t *testing.T, program *remote.Program, path string) (*remote.Worker, *remote.Image) {
	t.Helper()
	w, err := remote.Start(t.Context(), remote.Settings{Name: "test/1", Log: slog.New(slog.DiscardHandler), Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Kill("the test is over")
		<-w.Gone()
	})
	i, err := w.Load(t.Context(), path, executor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w, i
}

func ask(i *remote.Image, target string) (string, error) {
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	tr := &executor.Trail{}
	tr.Reset(1, time.Now())
	_, err := i.Execute(rec, r, &executor.Target{Host: pages{}, Trail: tr, App: &executor.App{SiteName: "shop", Path: "/"}})
	return rec.Body.String(), err
}

// TestWineBeside: an image under Wine finds the files and folders that lie beside it, and they stay when it goes.
func TestWineBeside(t *testing.T) {
	program := wine(t, "amd64")
	from := t.TempDir()
	b, err := os.ReadFile(testext.SourceDLL(t, "amd64", besideSource))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Shop.dll": string(b), "shop.ini": "colour=red", "Templates/page.txt": "hello"} {
		path := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, i := wineWorker(t, program, filepath.Join(from, "Shop.dll"))
	for query, want := range map[string]string{"shop.ini": "colour=red", `templates\PAGE.TXT`: "hello", "Templates/page.txt": "hello", "none": ""} {
		if got, err := ask(i, "/shop.dll?"+query); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", query, got, err, want)
		}
	}
	if err := w.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"Shop.dll", "shop.ini", "Templates/page.txt"} {
		if _, err := os.Stat(filepath.Join(from, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestWineProcess: the process of a worker under Wine is the Windows process itself. It can be looked at, and killed at once, and the others
// of its prefix stay.
func TestWineProcess(t *testing.T) {
	program := wine(t, "amd64")
	path := testext.SourceDLL(t, "amd64", besideSource)
	first, hung := wineWorker(t, program, path)
	_, other := wineWorker(t, program, path)
	if m, err := first.Memory(); err != nil || m.Resident < 4<<20 || m.Private < 1<<20 {
		t.Errorf("memory %+v, %v", m, err)
	}
	if n, err := first.Threads(); err != nil || n < 3 {
		t.Errorf("%d threads, %v", n, err)
	}
	user, system, err := first.CPU()
	if err != nil || user+system <= 0 {
		t.Errorf("CPU time %v and %v, %v", user, system, err)
	}
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(first.Pid()), "cmdline"))
	if err != nil || !strings.Contains(string(name), "worker") {
		t.Errorf("process %s is %q, %v", strconv.Itoa(first.Pid()), name, err)
	}
	answered := make(chan error)
	go func() {
		_, err := ask(hung, "/x.dll?hang")
		answered <- err
	}()
	for first.InFlight() == 0 {
		time.Sleep(time.Millisecond)
	}
	first.Kill("it hangs")
	<-first.Gone()
	if o := first.Obituary(); o.Exit.Signal != syscall.SIGKILL || !o.Exit.Wine {
		t.Errorf("got %+v", o.Exit)
	}
	if err := <-answered; err == nil {
		t.Error("a request of a worker that was killed is answered")
	}
	if got, err := ask(other, "/x.dll?none"); err != nil {
		t.Errorf("another worker of the prefix: %q, %v", got, err)
	}
}
