/* Answers GetFilterVersion in the way a build says: -DREFUSE=5 FALSE with that error, -DVERSION=0x630000 that version of the interface,
 * -DFLAGS=… these flags, -DCRASH a crash, -DFULL a description that fills its array. It looks first whether the structure is zero
 * and the server's version one. */
#include "filter.h"

#ifndef FLAGS
#define FLAGS (BOTH_PORTS | SF_NOTIFY_SEND_RESPONSE)
#endif
#ifndef VERSION
#define VERSION HTTP_FILTER_REVISION
#endif

static char given[64];

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {
    size_t i, wrong = 0;
    for (i = 0; i < sizeof v->lpszFilterDesc; i++) wrong += v->lpszFilterDesc[i] != 0;
    wrong += v->dwFlags != 0;
    wrong += v->dwFilterVersion != 0;
    snprintf(given, sizeof given, "server %u.%u, %u bytes not zero", HIWORD(v->dwServerFilterVersion), LOWORD(v->dwServerFilterVersion),
             (unsigned)wrong);
    v->dwServerFilterVersion = 0; /* which is nobody's business */
    v->dwFilterVersion = (DWORD)VERSION;
    snprintf(v->lpszFilterDesc, sizeof v->lpszFilterDesc, "load");
#ifdef FULL
    memset(v->lpszFilterDesc, 'd', sizeof v->lpszFilterDesc);
#endif
#ifdef CRASH
    *(volatile int *)16 = 1;
#endif
    v->dwFlags = (FLAGS);
#ifdef REFUSE
    SetLastError(REFUSE);
    return FALSE;
#else
    return TRUE;
#endif
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    if (type == SF_NOTIFY_SEND_RESPONSE) ((HTTP_FILTER_SEND_RESPONSE *)data)->SetHeader(c, "X-Load:", given);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

BOOL WINAPI TerminateFilter(DWORD flags) {
    (void)flags;
    trace("load TerminateFilter");
    return FALSE; /* ignored */
}
