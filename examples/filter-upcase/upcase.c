/* upcase: turns every page into capitals on its way out, as an ISAPI filter in C.
 *
 *     filters: [./upcase.so]            in isapid.yaml, for a pool with "mode: in-process" and plain HTTP
 *
 * What to learn here: SEND_RAW_DATA. It shows the bytes that go to the client, header and body, in blocks of any size, so that the filter has
 * to find out itself where the body begins, across blocks. A filter that changes how long the body is would have to change the header
 * too; this one does not. Between the chunks of an extension that sends some are digits, which have capitals that mean the same; the
 * server itself sends none where a filter sees the bytes.
 */
#include <windows.h>
#include <httpfilt.h>
#include <ctype.h>
#include <string.h>

/* Where in a response the bytes are. */
enum { LINE, /* in a line of the header */
       LINE_END, /* behind a line feed: the next line may be the empty one */
       BODY };

typedef struct {
    int place;
} STATE;

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *version) {
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    lstrcpyn(version->lpszFilterDesc, "upcase: everything in capitals", SF_MAX_FILTER_DESC_LEN);
    version->dwFlags = SF_NOTIFY_ORDER_LOW | SF_NOTIFY_NONSECURE_PORT | SF_NOTIFY_SEND_RAW_DATA | SF_NOTIFY_END_OF_REQUEST;
    return TRUE;
}

BOOL WINAPI TerminateFilter(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE;
}

/* header goes through the header and answers how many of n bytes belong to it. */
static DWORD header(STATE *state, const char *bytes, DWORD n) {
    DWORD i;
    for (i = 0; i < n && state->place != BODY; i++) {
        if (bytes[i] == '\n')
            state->place = state->place == LINE_END ? BODY : LINE_END;
        else if (bytes[i] != '\r')
            state->place = LINE;
    }
    return i;
}

static DWORD send_raw(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_RAW_DATA *raw) {
    STATE *state = context->pFilterContext;
    char *bytes = raw->pvInData;
    DWORD i;
    if (state == NULL)
        state = context->pFilterContext = context->AllocMem(context, sizeof *state, 0);
    if (state == NULL)
        return SF_STATUS_REQ_ERROR;
    for (i = header(state, bytes, raw->cbInData); i < raw->cbInData; i++)
        bytes[i] = (char)toupper((unsigned char)bytes[i]);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *context, DWORD notification, VOID *data) {
    if (notification == SF_NOTIFY_SEND_RAW_DATA)
        return send_raw(context, data);
    if (notification == SF_NOTIFY_END_OF_REQUEST && context->pFilterContext)
        ((STATE *)context->pFilterContext)->place = LINE; /* the next response of this connection begins with a header again */
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
