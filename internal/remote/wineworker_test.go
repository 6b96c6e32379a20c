//go:build linux

package remote_test

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
)

// intruder is a library that does to the standard handles what it can, and tells paths.
const intruder = `
#include <windows.h>
#include <stdio.h>
#include <string.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
	v->dwExtensionVersion = MAKELONG(HSE_VERSION_MINOR, HSE_VERSION_MAJOR);
	strcpy(v->lpszExtensionDesc, "intruder");
	printf("printed at the start\n");
	fflush(stdout);
	return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	char text[1000] = "";
	DWORD n, got = 0;
	printf("printed by %s\n", e->lpszPathInfo);
	fflush(stdout);
	WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "written\n", 8, &got, NULL);
	n = (DWORD)sprintf(text, "%s %d %d", e->lpszPathTranslated, getchar(), ReadFile(GetStdHandle(STD_INPUT_HANDLE), text + 900, 10, &got, NULL) ? (int)got : -1);
	e->WriteClient(e->ConnID, text, &n, HSE_IO_SYNC);
	return HSE_STATUS_SUCCESS;
}
`

// TestWineWorker: a Windows worker says what it is, is told paths as it knows them, has a board that this process reads, and keeps what a
// library does to its standard handles from the wire.
func TestWineWorker(t *testing.T) {
	program := wine(t, "amd64")
	w, err := remote.Start(t.Context(), remote.Settings{Name: "test/1", Program: program, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Kill("the test is over")
		<-w.Gone()
	})
	if p := w.Platform(); p.System != "windows" || p.Arch != "amd64" || p.Wine == "" {
		t.Errorf("it runs on %+v", p)
	}
	if _, err := w.Load(t.Context(), "/no such/image.dll", executor.Options{}); err == nil || !strings.Contains(err.Error(), `"/no such/image.dll"`) || strings.Contains(err.Error(), `Z:`) {
		t.Errorf("an image that is not there: %v", err)
	}
	i, err := w.Load(t.Context(), testext.SourceDLL(t, "amd64", intruder), executor.Options{Limit: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	get := func() error {
		rec := httptest.NewRecorder()
		target := &executor.Target{ScriptName: "/x", PathInfo: "/a", PathTranslated: filepath.Join(t.TempDir(), "a"), Trail: &executor.Trail{}}
		target.Trail.Reset(7, time.Now())
		_, err := i.Execute(rec, httptest.NewRequest("GET", "/x/a", nil), target)
		if want := `Z:` + strings.ReplaceAll(target.PathTranslated, "/", `\`) + " -1 0"; err == nil && rec.Body.String() != want {
			t.Errorf("got %q, want %q", rec.Body, want)
		}
		return err
	}
	for range 3 {
		if err := get(); err != nil {
			t.Fatal(err)
		}
	}
	if b, ok := w.Board(); !ok || len(b.Threads) == 0 {
		t.Errorf("the board has %+v, %v", b, ok)
	}
	w.Kill("the test is over")
	<-w.Gone()
	obit := w.Obituary()
	for _, line := range []string{"printed at the start", "printed by /a", "written"} {
		if !strings.Contains(obit.Output, line) {
			t.Errorf("%q is not in what it wrote: %q", line, obit.Output)
		}
	}
	if obit.Board == nil || len(obit.Board.Threads) == 0 {
		t.Errorf("the obituary has the board %+v", obit.Board)
	}
}
