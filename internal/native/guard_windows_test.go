package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/testext"
)

// proc is the HttpExtensionProc of a fixture, loaded until the test ends.
func proc(t *testing.T, fixture string) uintptr {
	t.Helper()
	return procOf(t, testext.Fixture(t, fixture), fixture)
}

func procOf(t *testing.T, lib, name string) uintptr {
	t.Helper()
	l := open(t, staged(t, lib, name+".dll"))
	t.Cleanup(func() {
		if unloaded, err := l.Close(); !unloaded || err != nil {
			t.Errorf("close: unloaded %t, %v", unloaded, err)
		}
	})
	p := l.Lookup("HttpExtensionProc", "_HttpExtensionProc@4", "HttpExtensionProc@4")
	if p == 0 {
		t.Fatal("no HttpExtensionProc")
	}
	return p
}

// ask runs a request; the error is the fault.
func ask(proc uintptr, query string, h Handler) (uint32, error) {
	s := NewSlot(h)
	defer s.Release()
	s.Fill(&Texts{QueryString: query}, 0, nil)
	return HTTPExtensionProc(proc, s)
}

// TestFaults: each way to go wrong is the fault of its call, several times in a row, and says what and where.
func TestFaults(t *testing.T) {
	p := proc(t, "crash")
	for _, c := range []struct{ query, want, frame string }{
		{"segv", "EXCEPTION_ACCESS_VIOLATION (writing) accessing 0x10, in misuse+", "misuse+"},
		{"wild", "EXCEPTION_ACCESS_VIOLATION", "misuse+"},
		{"readonly", "EXCEPTION_ACCESS_VIOLATION (writing)", "misuse+"},
		{"fpe", "EXCEPTION_INT_DIVIDE_BY_ZERO, in misuse+", "misuse+"},
		{"ill", "EXCEPTION_ILLEGAL_INSTRUCTION, in misuse+", "misuse+"},
		{"trap", "EXCEPTION_BREAKPOINT, in ", "crash.dll"},
		{"raise", "EXCEPTION_ACCESS_VIOLATION (raised by the code itself), in misuse", "misuse"},
		{"own-exception", "exception 0xe0000001, in misuse", "misuse"},
		{"null-call", "EXCEPTION_ACCESS_VIOLATION (", "misuse+"},
		{"wild-call", "EXCEPTION_ACCESS_VIOLATION (", "misuse+"},
		{"overflow", "EXCEPTION_STACK_OVERFLOW (stack overflow), in ", "crash.dll"},
		{"smash", "EXCEPTION_ACCESS_VIOLATION", ""},
		{"abort", "called abort(), in misuse+", "misuse+"},
		{"assert", "called assert(), in misuse+", "misuse+"},
		{"exit", "called exit(3), in misuse+", "misuse+"},
		{"_exit", "called _exit(4), in misuse+", "misuse+"},
		{"quick_exit", "called ExitProcess(5), in misuse", "misuse"},
		{"terminate-process", "called TerminateProcess(6), in misuse", "misuse"},
	} {
		t.Run(c.query, func(t *testing.T) {
			for range 20 {
				_, err := ask(p, c.query, silent{})
				var f *Fault
				if !errors.As(err, &f) {
					t.Fatalf("%v, want a fault", err)
				}
				if !strings.HasPrefix(err.Error(), c.want) || !strings.Contains(f.StackText(), c.frame) {
					t.Fatalf("got %v\n%s\nwant %s… and %s on the stack", err, f.StackText(), c.want, c.frame)
				}
			}
		})
	}
	if status, err := ask(p, "nothing", silent{}); status != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", status, err)
	}
}

// TestManyFaults has them on several threads at once, with callbacks before.
func TestManyFaults(t *testing.T) {
	p := proc(t, "crash")
	const threads, each = 8, 1250
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			for n := range each {
				_, err := ask(p, [...]string{"sent-segv", "sent-fpe", "segv", "sent-exit"}[(i+n)%4], silent{})
				var f *Fault
				if !errors.As(err, &f) {
					t.Errorf("%v, want a fault", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestStackOverflows: a stack that was used up can be used up again, on threads of Go and of ours, also one of the size IIS gives.
func TestStackOverflows(t *testing.T) {
	p := proc(t, "crash")
	overflow := func() {
		for range 30 {
			if _, err := ask(p, "overflow", silent{}); err == nil || !strings.Contains(err.Error(), "stack overflow") {
				t.Errorf("%v, want a stack overflow", err)
				return
			}
		}
	}
	for _, stack := range []int{0, 64 << 10, 256 << 10, 1 << 20} {
		th, err := StartThread(stack, overflow)
		if err != nil {
			t.Fatal(err)
		}
		th.Join()
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			overflow()
		})
	}
	wg.Wait()
}

const deep = `#include <httpext.h>
#include <string.h>
#include <stdlib.h>
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = 6; return TRUE; }
__attribute__((noinline)) static int use(EXTENSION_CONTROL_BLOCK *e, int kilobytes) {
	volatile char here[1024];
	DWORD n = 1;
	memset((void *)here, kilobytes, sizeof here);
	if (kilobytes > 0) return use(e, kilobytes - 1) + here[7];
	return e->WriteClient(e->ConnID, (void *)here, &n, 0) ? 0 : (int)GetLastError();
}
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	return use(e, atoi(e->lpszQueryString)) ? HSE_STATUS_ERROR : HSE_STATUS_SUCCESS;
}
`

// TestDeepStack: code may use as much stack as the thread was made with, and call back from there.
func TestDeepStack(t *testing.T) {
	p := procOf(t, testext.Source(t, deep), "deep")
	ask := func(kilobytes int) {
		called := false
		_, err := ask(p, fmt.Sprint(kilobytes), &teller{write: func() isapi.Error { called = true; return isapi.OK }})
		if err != nil || !called {
			t.Errorf("with %d KiB of stack: %v, called back: %t", kilobytes, err, called)
		}
	}
	ask(256)
	th, err := StartThread(256<<10, func() { ask(200) })
	if err != nil {
		t.Fatal(err)
	}
	th.Join()
	// Where there is too little left for Go, the callback fails and nothing else happens.
	for kilobytes := 700; kilobytes < 2100; kilobytes += 8 {
		if _, err := func() (uint32, error) { return askNumber(p, kilobytes) }(); err != nil && !strings.Contains(err.Error(), "stack overflow") {
			t.Fatalf("with %d KiB of stack: %v", kilobytes, err)
		}
	}
}

func askNumber(p uintptr, n int) (uint32, error) { return ask(p, fmt.Sprint(n), silent{}) }

// TestCppExceptions: one that code handles is its own matter; one that nobody handles is a fault that names its type.
func TestCppExceptions(t *testing.T) {
	p := proc(t, "throw")
	for range 50 {
		wrote := ""
		h := &recordedWrites{text: &wrote}
		if status, err := ask(p, "caught", h); err != nil || status != 1 || wrote != "thrown" {
			t.Fatalf("caught: status %d, %v, wrote %q", status, err, wrote)
		}
		if _, err := ask(p, "throw", silent{}); err == nil || !strings.Contains(err.Error(), "runtime_error") && !strings.Contains(err.Error(), "abort") {
			t.Fatalf("throw: %v", err)
		}
		if _, err := ask(p, "terminate", silent{}); err == nil || !strings.Contains(err.Error(), "abort") {
			t.Fatalf("terminate: %v", err)
		}
	}
}

type recordedWrites struct {
	silent
	text *string
}

func (r *recordedWrites) WriteClient(buf, size uintptr, flags uint32) isapi.Error {
	*r.text += string(Bytes(buf, int(Read[uint32](size))))
	return isapi.OK
}

// TestNestedFaults: a fault in a call inside of a callback ends that call; the call around goes on, and has its own fault.
func TestNestedFaults(t *testing.T) {
	p := proc(t, "crash")
	for range 50 {
		var inner error
		_, outer := ask(p, "sent-segv", &teller{write: func() isapi.Error {
			_, inner = ask(p, "sent-fpe", silent{})
			return isapi.OK
		}})
		if inner == nil || !strings.Contains(inner.Error(), "DIVIDE") || outer == nil || !strings.Contains(outer.Error(), "ACCESS_VIOLATION") {
			t.Fatalf("inside %v, outside %v", inner, outer)
		}
	}
}

const errorsAfter = `#include <httpext.h>
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { SetLastError(1234); v->dwExtensionVersion = 6; return FALSE; }
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	DWORD n = 1, *got = (DWORD *)e->lpbData;
	char c = 0;
	SetLastError(77);
	got[0] = e->WriteClient(e->ConnID, &c, &n, 0), got[1] = GetLastError();
	SetLastError(78);
	got[2] = e->ReadClient(e->ConnID, &c, &n), got[3] = GetLastError();
	SetLastError(122);
	got[4] = e->GetServerVariable(e->ConnID, "X", &c, &n), got[5] = GetLastError();
	SetLastError(79);
	got[6] = e->ServerSupportFunction(e->ConnID, 1, &c, &n, 0), got[7] = GetLastError();
	return HSE_STATUS_SUCCESS;
}
`

type failing struct{ silent }

func (failing) WriteClient(buf, size uintptr, flags uint32) isapi.Error { return isapi.WSAEConnReset }
func (failing) ServerSupportFunction(code isapi.Code, buf, size, dataType uintptr) isapi.Error {
	return isapi.NotEnoughMemory
}

// TestLastErrors: a callback that fails leaves its error, one that does not leaves what was there.
func TestLastErrors(t *testing.T) {
	l := open(t, staged(t, testext.Source(t, errorsAfter), "errors.dll"))
	defer l.Close()
	if _, ok, errno, err := GetExtensionVersion(l.Lookup("GetExtensionVersion", "GetExtensionVersion@4"), 0); ok || errno != 1234 || err != nil {
		t.Errorf("GetExtensionVersion: %t, last error %d, %v; want FALSE and 1234", ok, errno, err)
	}
	s := NewSlot(failing{})
	defer s.Release()
	data := s.Data(32)
	s.Fill(&Texts{}, 0, data)
	if _, err := HTTPExtensionProc(l.Lookup("HttpExtensionProc", "HttpExtensionProc@4"), s); err != nil {
		t.Fatal(err)
	}
	want := [8]uint32{0, 10054, 1, 78, 1, 0, 0, 8}
	if got := Read[[8]uint32](s.ECB().Data); got != want {
		t.Errorf("callbacks returned and left %d, want %d", got, want)
	}
}

// TestForeignFaultIsParked: a fault on a thread that a library made ends nothing but that thread.
func TestForeignFaultIsParked(t *testing.T) {
	p := proc(t, "crash")
	for _, c := range []struct{ how, want string }{{"segv", "ACCESS_VIOLATION"}, {"overflow", "STACK_OVERFLOW"}, {"fpe", "DIVIDE"}} {
		if _, err := ask(p, "thread-"+c.how, silent{}); err != nil {
			t.Fatal(err)
		}
		var f *Fault
		wait(t, func() bool { f = ForeignFaults(); return f != nil })
		if !f.Foreign || !strings.Contains(f.Error(), c.want) || !strings.Contains(f.StackText(), "in crash.dll") {
			t.Errorf("%s: %v\n%s", c.how, f, f.StackText())
		}
	}
	if status, err := ask(p, "nothing", silent{}); status != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", status, err)
	}
}

const threaded = `#include <httpext.h>
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = 6; return TRUE; }
static DWORD WINAPI thread(void *p) {
	EXTENSION_CONTROL_BLOCK *e = p;
	DWORD n = 1;
	e->WriteClient(e->ConnID, "x", &n, 0);
	return 0;
}
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	HANDLE t = CreateThread(NULL, 0, thread, e, 0, NULL);
	WaitForSingleObject(t, INFINITE);
	CloseHandle(t);
	return HSE_STATUS_SUCCESS;
}
`

// TestLibraryThreads: threads of libraries are known as long as they live.
func TestLibraryThreads(t *testing.T) {
	l := open(t, staged(t, testext.Source(t, threaded), "threaded.dll"))
	defer l.Close()
	if _, ok, _, err := GetExtensionVersion(l.Lookup("GetExtensionVersion"), 3); !ok || err != nil {
		t.Fatal(ok, err)
	}
	ours := func(th LibraryThread) bool {
		return th.Image == 3 && strings.HasPrefix(th.Start.Symbol, "thread") && filepath.Base(th.Start.Image) == "threaded.dll" && th.ID > 0
	}
	var during []LibraryThread
	if _, err := ask(l.Lookup("HttpExtensionProc"), "", &teller{write: func() isapi.Error { during = LibraryThreads(); return isapi.OK }}); err != nil {
		t.Fatal(err)
	}
	if n := len(slices.DeleteFunc(during, func(th LibraryThread) bool { return !ours(th) })); n != 1 { // other tests have parked some
		t.Errorf("%d threads of the image inside, want 1", n)
	}
	wait(t, func() bool { return !slices.ContainsFunc(LibraryThreads(), ours) })
}

const refuses = `#include <httpext.h>
BOOL WINAPI DllMain(HINSTANCE h, DWORD reason, void *p) { (void)h, (void)p; %s; return FALSE; }
`

// TestDllMain: a library that does not want to be loaded, or faults when it is, is an error that says so.
func TestDllMain(t *testing.T) {
	for _, c := range []struct{ does, want string }{
		{"", "DllMain(DLL_PROCESS_ATTACH) returned FALSE"},
		{"if (reason == DLL_PROCESS_ATTACH) *(volatile int *)0x10 = 1", "DllMain(DLL_PROCESS_ATTACH)"},
	} {
		for range 3 {
			_, err := Open(staged(t, testext.Source(t, fmt.Sprintf(refuses, c.does)), "refuses.dll"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v, want %s", c.does, err, c.want)
			}
		}
	}
}

// TestNotLibraries: what is no library for this program is an error that says so.
func TestNotLibraries(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.dll")
	if err := os.WriteFile(text, []byte("this is no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := "386"
	if runtime.GOARCH == "386" {
		other = "amd64"
	}
	for path, want := range map[string]string{
		text:                              "no library for this program",
		filepath.Join(dir, "missing.dll"): "missing.dll",
		testext.DLL(t, other, "hello"):    "no library for this program",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestGenerations loads two images of one file name at once: each runs its own code, in any order of loading and unloading.
func TestGenerations(t *testing.T) {
	one := open(t, staged(t, testext.Source(t, fmt.Sprintf(numbered, 1)), "shop.dll"))
	two := open(t, staged(t, testext.Source(t, fmt.Sprintf(numbered, 2)), "shop.dll"))
	if a, b := version(t, one), version(t, two); a != 1 || b != 2 {
		t.Errorf("generations 1 and 2 run the code of %d and %d", a, b)
	}
	if _, err := Open(one.path); err == nil || !strings.Contains(err.Error(), "is loaded already") {
		t.Errorf("the same file again: %v", err)
	}
	for _, l := range []*Library{one, two} {
		if unloaded, err := l.Close(); !unloaded || err != nil {
			t.Errorf("close: unloaded %t, %v", unloaded, err)
		}
	}
}

// wait waits for what is to come.
func wait(t *testing.T, come func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !come(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}
