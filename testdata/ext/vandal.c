/* Does to its process what only Windows has: the query string says what. With -DATTACH=ExitProcess(3), or another statement, DllMain does it
 * when it is loaded.
 *
 *     garbage     writes into every pipe that the process has open
 *     close       closes every handle
 *     suspend     suspends every other thread
 *     exit        ends the thread by the function that ExitThread is made of; terminate: by TerminateThread
 *     free        takes itself away
 *     frame       uses 100 MB of stack in one step
 *     park        never returns, and cannot be woken
 */
#include <windows.h> /* before what says which other threads there are */

#include "fixture.h"
#include <tlhelp32.h>

FIXTURE("vandal")

static HINSTANCE self;

BOOL WINAPI DllMain(HINSTANCE dll, DWORD why, LPVOID reserved) {
    (void)reserved;
    self = dll;
#ifdef ATTACH
    if (why == DLL_PROCESS_ATTACH) ATTACH;
#endif
    (void)why;
    return TRUE;
}

static void garbage(void) {
    char junk[4096];
    size_t h;
    DWORD n;
    memset(junk, 0xA5, sizeof junk);
    for (h = 4; h < 4096; h += 4)
        if (GetFileType((HANDLE)h) == FILE_TYPE_PIPE) WriteFile((HANDLE)h, junk, sizeof junk, &n, NULL);
}

static void suspend(void) {
    THREADENTRY32 t = {0};
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0), one;
    BOOL ok;
    t.dwSize = sizeof t;
    for (ok = Thread32First(all, &t); ok; ok = Thread32Next(all, &t)) {
        if (t.th32OwnerProcessID != GetCurrentProcessId() || t.th32ThreadID == GetCurrentThreadId()) continue;
        one = OpenThread(THREAD_SUSPEND_RESUME, FALSE, t.th32ThreadID);
        if (one) SuspendThread(one);
    }
}

static void end_thread(void) {
    void(WINAPI * end)(ULONG) = (void(WINAPI *)(ULONG))(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "RtlExitUserThread");
    end(0);
}

static size_t frame(size_t size) {
    volatile char *all = __builtin_alloca(size);
    all[0] = 1;
    return (size_t)all[0] + size;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    size_t h;
    if (asked(e, "garbage")) garbage();
    if (asked(e, "close"))
        for (h = 4; h < 1 << 16; h += 4) CloseHandle((HANDLE)h);
    if (asked(e, "suspend")) suspend();
    if (asked(e, "exit")) end_thread();
    if (asked(e, "terminate")) TerminateThread(GetCurrentThread(), 0);
    if (asked(e, "free")) {
        FreeLibrary(self);
        FreeLibrary(self);
    }
    if (asked(e, "frame") && frame(number(e, "frame", 100 << 20)) == 0) return HSE_STATUS_ERROR;
    if (asked(e, "park"))
        for (;;) SleepEx(INFINITE, FALSE);
    return say(e, "done") ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}
