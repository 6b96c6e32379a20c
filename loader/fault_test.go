//go:build linux && cgo

package main_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

// TestFault: a fault of a version in a request is the host's to contain, which the loader survives.
func TestFault(t *testing.T) {
	both(t, build(t, 1), func(t *testing.T, h *host) {
		h.leaves = 1 // requests that crashed have not ended for the loader until the host uses their control blocks again
		for n := range 3 {
			if a := h.send("POST", "crash=1", ""); a.status != http.StatusInternalServerError && a.status != http.StatusBadGateway {
				t.Errorf("fault %d: %v", n, a)
			}
			h.says("", "1")
		}
		h.put(build(t, 2), "shop.update")
		h.becomes("2", "1")
		h.says("crash=1", "2")
	})
}

// TestFaultInLoad: a version that crashes while it is loaded is put aside, also when the process dies of it.
func TestFaultInLoad(t *testing.T) {
	crash := build(t, 2, "-DCRASH")
	die := testext.Source(t, `#include "httpext.h"
		#include <signal.h>
		#include <unistd.h>
		BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { (void)v; return kill(getpid(), SIGKILL) != 0; }
		DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) { (void)e; return HSE_STATUS_ERROR; }`)
	t.Run("in-process", func(t *testing.T) {
		testFaultInLoad(t, false, crash, "its GetExtensionVersion has not returned within 1s")
	})
	t.Run("isolated", func(t *testing.T) { testFaultInLoad(t, true, crash, "") })
	t.Run("dies", func(t *testing.T) {
		testFaultInLoad(t, true, die, "the process has died 3 times while it loaded this version")
	})
}

func testFaultInLoad(t *testing.T, isolated bool, bad, why string) {
	one := build(t, 1)
	h := install(t, one, "wait = 1s")
	h.leaves = 1
	h.start(isolated)
	h.put(bad, "shop.update")
	h.until("put aside", func() bool {
		if a := h.ask(""); a.text != "1" && !isolated {
			t.Fatalf("got %v", a)
		}
		return strings.Contains(h.read("shop.failed.txt"), why) && !h.exists("shop.update")
	})
	if !h.same("shop.run", one) || !h.same("shop.failed", bad) {
		t.Errorf("files %s", h.files())
	}
	h.put(build(t, 3), "shop.update")
	h.until("3", func() bool { return h.ask("").text == "3" })
}

// TestUnique: a version that would work with the data of another that stays in memory is refused.
func TestUnique(t *testing.T) {
	unique := func(n string) string { return testext.Fixture(t, "version_unique", "-DVERSION="+n, "-fgnu-unique") }
	h := install(t, unique("1"))
	h.leaves = 1
	h.start(false)
	h.says("", "1")
	h.put(unique("2"), "shop.update")
	h.until("refused", func() bool {
		h.says("", "1")
		return strings.Contains(h.read("shop.failed.txt"), "is unique in a process (STB_GNU_UNIQUE)") && !h.exists("shop.update")
	})
}
