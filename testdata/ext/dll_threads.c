/* A DLL whose DllMain counts threads, and what each has for itself. ?counts answers how many threads were attached and detached since the
 * load; ?own makes a thread, waits for its end, and answers by how much that changed the counts; anything else answers how often this thread
 * has been here, which is 1 at first. */
#include "fixture.h"

#ifdef _WIN32

static volatile LONG attached, detached;
static DWORD slot = TLS_OUT_OF_INDEXES; /* of memory that DllMain makes for each thread, and frees */
static __thread LONG visits;

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved) {
    (void)module, (void)reserved;
    switch (reason) {
    case DLL_PROCESS_ATTACH: return (slot = TlsAlloc()) != TLS_OUT_OF_INDEXES;
    case DLL_THREAD_ATTACH:
        InterlockedIncrement(&attached);
        TlsSetValue(slot, calloc(1, sizeof(LONG)));
        break;
    case DLL_THREAD_DETACH:
        InterlockedIncrement(&detached);
        free(TlsGetValue(slot));
        break;
    case DLL_PROCESS_DETACH: TlsFree(slot);
    }
    return TRUE;
}

FIXTURE("dll_threads")

static DWORD WINAPI count(LPVOID p) {
    LONG *mine = TlsGetValue(slot);
    *(LONG *)p = mine != NULL ? ++*mine : -1;
    return 0;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (asked(e, "own")) {
        LONG before = attached, after = detached, mine = 0;
        HANDLE t = CreateThread(NULL, 0, count, &mine, 0, NULL);
        if (t == NULL) return HSE_STATUS_ERROR;
        WaitForSingleObject(t, INFINITE);
        CloseHandle(t);
        sayf(e, "attached %d detached %d memory %ld", attached > before, detached > after, mine);
    } else if (asked(e, "counts")) {
        sayf(e, "%ld %ld", attached, detached);
    } else {
        sayf(e, "%ld", ++visits);
    }
    return HSE_STATUS_SUCCESS;
}

#endif
