/* Tells of its life (see life.h), which begins and ends with DllMain. What belongs to a thread is made and freed as
 * Microsoft's sample does it: a thread that is told twice of its end frees twice. */
#include "life.h"

static __thread void *mine;

/* DllMain is the first and the last to be called. The handles mean nothing here. */
ISAPID_EXPORT BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved) {
    static const char *const names[] = {"process-detach", "process-attach", "thread-attach", "thread-detach"};
    char what[64];
    snprintf(what, sizeof what, "%s%s", reason < 4 ? names[reason] : "?", instance || reserved ? " with handles" : "");
    event(what);
    switch (reason) {
    case DLL_PROCESS_ATTACH:
        if (told("attach-false")) return FALSE;
        /* fall through */
    case DLL_THREAD_ATTACH: mine = malloc(64); break;
    case DLL_THREAD_DETACH:
    case DLL_PROCESS_DETACH: free(mine); break;
    }
    return told("attach-minus-one") ? -1 : TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    event("TerminateExtension");
    return TRUE;
}
