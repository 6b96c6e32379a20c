/* timer: tells with each response how long it took to begin, and which one of its connection it is, as an ISAPI filter in C.
 *
 *     X-Time: 0.412 ms, request 3 of this connection
 *
 *     filters: [./timer.so]             in isapid.yaml
 *
 * What to learn here: pFilterContext. It is NULL at the first event of a connection and then what the filter put there, in all requests
 * of the connection, until END_OF_NET_SESSION. What is to be forgotten after a request the filter has to forget itself.
 */
#include <windows.h>
#include <httpfilt.h>
#include <stdio.h>

typedef struct {
    LARGE_INTEGER begun; /* of the request that runs */
    LONG requests;       /* of the connection */
} STATE;

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *version) {
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    lstrcpyn(version->lpszFilterDesc, "timer: how long a response took", SF_MAX_FILTER_DESC_LEN);
    version->dwFlags = SF_NOTIFY_ORDER_HIGH | SF_NOTIFY_SECURE_PORT | SF_NOTIFY_NONSECURE_PORT | SF_NOTIFY_PREPROC_HEADERS |
                       SF_NOTIFY_SEND_RESPONSE;
    return TRUE;
}

BOOL WINAPI TerminateFilter(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE;
}

/* begin notes the time. AllocMem's memory is freed by the server when the connection ends; it is zero at first. A filter that used
 * malloc would have to register for END_OF_NET_SESSION and free it there. */
static void begin(HTTP_FILTER_CONTEXT *context) {
    STATE *state = context->pFilterContext;
    if (state == NULL)
        state = context->pFilterContext = context->AllocMem(context, sizeof *state, 0);
    if (state == NULL)
        return; /* this response goes without */
    state->requests++;
    QueryPerformanceCounter(&state->begun);
}

static void respond(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_SEND_RESPONSE *headers) {
    const STATE *state = context->pFilterContext;
    LARGE_INTEGER now, frequency;
    char text[80];
    if (state == NULL)
        return;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    snprintf(text, sizeof text, "%.3f ms, request %ld of this connection",
             (double)(now.QuadPart - state->begun.QuadPart) * 1000 / (double)frequency.QuadPart, (long)state->requests);
    headers->SetHeader(context, (LPSTR) "X-Time:", text);
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *context, DWORD notification, VOID *data) {
    switch (notification) {
    case SF_NOTIFY_PREPROC_HEADERS: begin(context); break;
    case SF_NOTIFY_SEND_RESPONSE: respond(context, data); break;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
