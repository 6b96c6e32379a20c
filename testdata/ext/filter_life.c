/* A filter that tells of its life (see life.h), as its extension half does, which it has unless a build says -DFILTER_ONLY. The file
 * "say" beside the image holds words that change what it does: filter-false, filter-crashes, filter-nothing (it asks for no event),
 * filter-end-crashes (TerminateFilter does), session-crashes (END_OF_NET_SESSION does). With the query "stay" a request waits in
 * PREPROC_HEADERS until the file "go" beside the image has something in it. */
#include "filter.h"
#ifdef FILTER_ONLY
#include "beside.h"
#else
#include "life.h"

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    event("TerminateExtension");
    return TRUE;
}
#endif

#ifdef DLLMAIN
ISAPID_EXPORT BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved) {
    (void)instance, (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) event("process-attach");
    if (reason == DLL_PROCESS_DETACH) event("process-detach");
    return TRUE;
}
#endif

#ifndef NOVERSION
BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {
    event("GetFilterVersion");
    v->dwFilterVersion = HTTP_FILTER_REVISION;
    snprintf(v->lpszFilterDesc, sizeof v->lpszFilterDesc, "life\tof a filter");
    v->dwFlags = told("filter-nothing") ? 0 : SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_END_OF_NET_SESSION;
    if (told("filter-crashes")) *(volatile int *)16 = 1;
    return !told("filter-false");
}
#endif

static void stay(void) {
    FILE *go;
    event("stays");
    while ((go = beside("go", "r")) == NULL || fgetc(go) == EOF) {
        if (go) fclose(go);
        usleep(1000);
    }
    fclose(go);
}

#ifndef NOFILTERPROC
DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    char query[64];
    (void)data;
    event(event_name(type));
    if (type == SF_NOTIFY_PREPROC_HEADERS && filter_var(c, "QUERY_STRING", query, sizeof query) == 0) {
        if (strcmp(query, "stay") == 0) stay();
        if (strcmp(query, "crash") == 0) *(volatile int *)16 = 1;
    }
    if (type == SF_NOTIFY_END_OF_NET_SESSION && told("session-crashes")) *(volatile int *)16 = 1;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
#endif

BOOL WINAPI TerminateFilter(DWORD flags) {
    (void)flags;
    event("TerminateFilter");
    if (told("filter-end-crashes")) *(volatile int *)16 = 1;
    return TRUE;
}
