/* Counts the requests of a connection, in memory of its own that END_OF_NET_SESSION frees, and tells in X-Count. It registers for no
 * port, and returns a number that is no status. */
#include "filter.h"

FILTER("count", SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_END_OF_NET_SESSION)

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    int *count = c->pFilterContext;
    char number[16];
    if (count == NULL && (count = c->pFilterContext = calloc(1, sizeof *count)) == NULL) return SF_STATUS_REQ_ERROR;
    switch (type) {
    case SF_NOTIFY_PREPROC_HEADERS: ++*count; break;
    case SF_NOTIFY_SEND_RESPONSE:
        snprintf(number, sizeof number, "%d", *count);
        ((HTTP_FILTER_SEND_RESPONSE *)data)->SetHeader(c, "X-Count:", number);
        break;
    case SF_NOTIFY_END_OF_NET_SESSION:
        trace("count %d", *count);
        free(count);
        c->pFilterContext = NULL;
        break;
    }
    return 0x5EED0BAD;
}
