/* One version of an extension: VERSION is its number. It answers with that, and the query string chooses how:
 *   wait     when the file "go" beside the image has something in it
 *   sleep=N  after N milliseconds
 *   crash=N  but version N crashes
 *   fail=N   but version N answers 500
 * It writes "loaded N", "waiting N" and "unloaded N" to the file "life" beside the image, if that is there. For versions that are
 * wrong in some way the compiler is told REFUSE (GetExtensionVersion answers FALSE), CRASH (it crashes), HANG (it returns when "go"
 * has something in it) or NOPROC (there is no HttpExtensionProc), and for large ones BALLAST, a number of bytes. With FILTER it is a
 * filter, too, which puts its number into X-Filter of the response, or "lost" if the memory of the connection is that of another version. */
#include "beside.h"

#ifdef BALLAST
__attribute__((used)) static const unsigned char ballast[BALLAST] = {1};
#endif

static void tell_life(const char *what) {
    char text[64];
    snprintf(text, sizeof text, "%s %d", what, VERSION);
    event(text);
}

static void wait_for_go(void) {
    FILE *go;
    tell_life("waiting");
    while ((go = beside("go", "r")) == NULL || fgetc(go) == EOF) {
        if (go) fclose(go);
        usleep(1000);
    }
    fclose(go);
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
#ifdef REFUSE
    return FALSE;
#endif
#ifdef CRASH
    *(volatile int *)16 = 1;
#endif
#ifdef HANG
    wait_for_go();
#endif
    v->dwExtensionVersion = HSE_VERSION;
    snprintf(v->lpszExtensionDesc, sizeof v->lpszExtensionDesc, "version %d", VERSION);
    tell_life("loaded");
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    tell_life("unloaded");
    return TRUE;
}

#ifndef NOPROC
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    unsigned long long sleep = number(e, "sleep", 0);
    if (asked(e, "wait")) wait_for_go();
    if (sleep) usleep((unsigned)sleep * 1000);
    if (number(e, "crash", 0) == VERSION) *(volatile int *)16 = 1;
    if (number(e, "fail", 0) == VERSION) return HSE_STATUS_ERROR;
    return sayf(e, "%d", VERSION) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}
#endif

#ifdef FILTER
#include "filter.h"

FILTER("filter", SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_END_OF_NET_SESSION)

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    int *mine = c->pFilterContext;
    char text[16];
    if (mine == NULL && (mine = c->pFilterContext = c->AllocMem(c, sizeof *mine, 0)) != NULL) *mine = VERSION;
    snprintf(text, sizeof text, "%d", VERSION);
    if (type == SF_NOTIFY_SEND_RESPONSE)
        ((HTTP_FILTER_SEND_RESPONSE *)data)->SetHeader(c, "X-Filter:", mine && *mine == VERSION ? text : "lost");
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

BOOL WINAPI TerminateFilter(DWORD flags) {
    (void)flags;
    tell_life("filter-unloaded");
    return TRUE;
}
#endif
