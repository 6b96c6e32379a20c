/* Ways to end a request with HSE_REQ_DONE_WITH_SESSION, or not:
 *
 *   before        DONE, then PENDING
 *   after         PENDING; a thread answers and calls DONE
 *   early         a thread answers and calls DONE and has ended before PENDING is returned
 *   twice         as after, but DONE two times
 *   sync          DONE and then SUCCESS; "sync4": then ERROR
 *   status        as after, with a DWORD status for DONE; "wild": with a pointer to nowhere
 *   never         PENDING and nothing else; "never-head": after a head and half of the body
 *   stale         uses the control block of the last "never": notes the four errors
 */
#include "fixture.h"

FIXTURE("pending")

static EXTENSION_CONTROL_BLOCK *old;
static HANDLE threads[64];
static volatile LONG started;

static void done(EXTENSION_CONTROL_BLOCK *e, LPVOID status) {
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, status, NULL, NULL);
}

static DWORD WINAPI answer(LPVOID p) {
    EXTENSION_CONTROL_BLOCK *e = p;
    char how[16];
    DWORD status = HSE_STATUS_SUCCESS_AND_KEEP_CONN;
    HCONN conn = e->ConnID;
    snprintf(how, sizeof how, "%s", e->lpszQueryString);
    sayf(e, "answered %s", how);
    if (!strcmp(how, "status")) done(e, &status);
    else if (!strcmp(how, "wild")) done(e, (LPVOID)1);
    else done(e, NULL);
    if (!strcmp(how, "twice")) e->ServerSupportFunction(conn, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
    return 0;
}

static DWORD stale(EXTENSION_CONTROL_BLOCK *e) {
    char text[16];
    DWORD n = sizeof text;
    note(e, "%u ", outcome(old->GetServerVariable(old->ConnID, "URL", text, &n)));
    note(e, "%u ", outcome(put(old, "late", 4)));
    n = sizeof text;
    note(e, "%u ", outcome(old->ReadClient(old->ConnID, text, &n)));
    note(e, "%u", outcome(old->ServerSupportFunction(old->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL)));
    say(e, "stale");
    return HSE_STATUS_SUCCESS;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    LONG i;
    if (asked(e, "stale")) return stale(e);
    if (asked(e, "never")) {
        old = e;
        if (asked(e, "never-head"))
            e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "200 OK", NULL,
                                     (LPDWORD)(void *)"Content-Length: 8\r\n\r\nhalf");
        return HSE_STATUS_PENDING;
    }
    if (asked(e, "before") || asked(e, "sync")) {
        BOOL error = asked(e, "sync4"), pending = asked(e, "before");
        sayf(e, "answered %s", e->lpszQueryString);
        done(e, NULL);
        done(e, NULL);
        return pending ? HSE_STATUS_PENDING : error ? HSE_STATUS_ERROR : HSE_STATUS_SUCCESS;
    }
    i = InterlockedIncrement(&started) - 1;
    if (i >= 64) return HSE_STATUS_ERROR;
    {
        BOOL wait = asked(e, "early");
        threads[i] = CreateThread(NULL, 0, answer, e, 0, NULL);
        if (wait) WaitForSingleObject(threads[i], INFINITE);
    }
    return HSE_STATUS_PENDING;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    LONG i;
    (void)flags;
    for (i = 0; i < started && i < 64; i++) {
        WaitForSingleObject(threads[i], INFINITE);
        CloseHandle(threads[i]);
    }
    return TRUE;
}
