/* A version (VERSION is its number) whose requests can be kept inside, in all ways in which a request can be inside. It answers with its
 * number, and the query string chooses how:
 *   wait     in HttpExtensionProc, when the file "go" beside the image has something in it
 *   pending  on a thread, when "go" has, after PENDING was returned, with DONE_WITH_SESSION
 *   early    on a thread, with DONE_WITH_SESSION, before PENDING is returned
 *   sync     with DONE_WITH_SESSION, and SUCCESS is returned
 * It writes "loaded N", "inside N" (a request waits) and "unloaded N" to the file "life" beside the image, if that is there. After
 * TerminateExtension all is answered 500. */
#include "beside.h"

static volatile LONG running, ended;

static void tell_life(const char *what) {
    char text[64];
    snprintf(text, sizeof text, "%s %d", what, VERSION);
    event(text);
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    snprintf(v->lpszExtensionDesc, sizeof v->lpszExtensionDesc, "gate %d", VERSION);
    tell_life("loaded");
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    while (InterlockedCompareExchange(&running, 0, 0)) usleep(1000); /* threads on their last instructions */
    ended = 1;
    tell_life("unloaded");
    return TRUE;
}

static void wait_for_go(void) {
    FILE *go;
    tell_life("inside");
    while ((go = beside("go", "r")) == NULL || fgetc(go) == EOF) {
        if (go) fclose(go);
        usleep(1000);
    }
    fclose(go);
}

static DWORD answer(EXTENSION_CONTROL_BLOCK *e) {
    return !ended && sayf(e, "%d", VERSION) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}

static void done(EXTENSION_CONTROL_BLOCK *e, DWORD status) {
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, &status, NULL, NULL);
}

static DWORD WINAPI later(LPVOID p) {
    EXTENSION_CONTROL_BLOCK *e = p;
    if (asked(e, "pending")) wait_for_go();
    done(e, answer(e));
    InterlockedDecrement(&running);
    return 0;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (asked(e, "wait")) wait_for_go();
    if (asked(e, "pending") || asked(e, "early")) {
        BOOL early = asked(e, "early");
        HANDLE thread;
        InterlockedIncrement(&running);
        thread = CreateThread(NULL, 0, later, e, 0, NULL);
        if (early) WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
        return HSE_STATUS_PENDING;
    }
    if (asked(e, "sync")) {
        DWORD status = answer(e);
        done(e, status);
        return status;
    }
    return answer(e);
}
