/* A connector as servlet engines have them: filter and extension in one library, loaded once. The filter half sends every URL
 * below /app/ to the extension half, whose own URL is CONNECTOR, and tells it the URL in a header; it takes away what a client
 * says in that header. A URL with WEB-INF in it is refused by the filter itself. The extension half answers
 *
 *     connector uri=/app/x?y translate=t seen=1 loads=1 method=POST body=4
 *
 * where seen tells whether the filter half of the same copy of the library had the request, and loads how often GetFilterVersion and
 * GetExtensionVersion were called in all. LOG gets the URL back. With -DLATE it does that in AUTH_COMPLETE. */
#include "filter.h"

#ifndef CONNECTOR
#define CONNECTOR "/connector" LIBRARY
#endif
#ifdef LATE
#define PLACE SF_NOTIFY_AUTH_COMPLETE
#else
#define PLACE SF_NOTIFY_PREPROC_HEADERS
#endif

static volatile LONG loads, passed;

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {
    ULONG revision = v->dwServerFilterVersion;
    InterlockedIncrement(&loads);
    v->dwFilterVersion = revision < HTTP_FILTER_REVISION ? revision : HTTP_FILTER_REVISION;
    snprintf(v->lpszFilterDesc, sizeof v->lpszFilterDesc, "connector");
    v->dwFlags = SF_NOTIFY_ORDER_HIGH | BOTH_PORTS | SF_NOTIFY_LOG | PLACE;
    return TRUE;
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    InterlockedIncrement(&loads);
    v->dwExtensionVersion = HSE_VERSION;
    snprintf(v->lpszExtensionDesc, sizeof v->lpszExtensionDesc, "connector");
    return TRUE;
}

BOOL WINAPI TerminateFilter(DWORD flags) {
    (void)flags;
    trace("TerminateFilter connector");
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    trace("TerminateExtension connector");
    return TRUE;
}

/* refuse sends a page without a header text of its own: all of it was added before, with an empty line too many. */
static DWORD refuse(HTTP_FILTER_CONTEXT *c) {
    static const char *const pieces[] = {"<p>", "not for you", "</p>\n"};
    size_t i;
    if (!c->AddResponseHeaders(c, "Content-Type: text/html\r\nX-Refused: yes\r\n\r\n", 0) ||
        !c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, (PVOID) "404 Not for you", 0, 0))
        return SF_STATUS_REQ_ERROR;
    for (i = 0; i < 3; i++)
        if (!filter_write(c, pieces[i], strlen(pieces[i]))) return SF_STATUS_REQ_ERROR;
    return SF_STATUS_REQ_FINISHED;
}

/* The structure of AUTH_COMPLETE begins like this one, so either will do. */
static DWORD redirect(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    char url[1024], translate[64];
    LPSTR mine[] = {"X-Connector-Uri:", "X-Connector-Translate:", "X-Connector-Seen:"};
    size_t i;
    for (i = 0; i < sizeof mine / sizeof *mine; i++)
        if (!h->SetHeader(c, mine[i], "")) return SF_STATUS_REQ_ERROR; /* it need not be there */
    c->pFilterContext = NULL;
    if (get_header(c, h, "url", url, sizeof url) != 0) return SF_STATUS_REQ_ERROR;
    if (strncmp(url, "/app/", 5) != 0) return SF_STATUS_REQ_NEXT_NOTIFICATION;
    if (strstr(url, "WEB-INF")) return refuse(c);
    if (get_header(c, h, "Translate:", translate, sizeof translate) == 0 &&
        (!h->SetHeader(c, "Translate:", "") || !h->AddHeader(c, "X-Connector-Translate:", translate)))
        return SF_STATUS_REQ_ERROR;
    if (!h->AddHeader(c, "X-Connector-Uri:", url) || !h->AddHeader(c, "X-Connector-Seen:", "1") || !h->SetHeader(c, "url", CONNECTOR))
        return SF_STATUS_REQ_ERROR;
    InterlockedIncrement(&passed);
    c->pFilterContext = filter_copy(c, url);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    if (type == PLACE) return redirect(c, data);
    if (type == SF_NOTIFY_LOG && c->pFilterContext) ((HTTP_FILTER_LOG *)data)->pszTarget = c->pFilterContext;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static void variable(EXTENSION_CONTROL_BLOCK *e, const char *name, char *buf, DWORD size) {
    if (!e->GetServerVariable(e->ConnID, (LPSTR)name, buf, &size)) buf[0] = 0;
}

/* body is how many bytes of the request's body can be read. */
static DWORD body(EXTENSION_CONTROL_BLOCK *e) {
    char buf[4096];
    DWORD n, total = e->cbAvailable;
    for (;;) {
        n = sizeof buf;
        if (!e->ReadClient(e->ConnID, buf, &n) || n == 0) return total;
        total += n;
    }
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char uri[1024], translate[64], seen[16];
    DWORD n = body(e);
    variable(e, "HTTP_X_CONNECTOR_URI", uri, sizeof uri);
    variable(e, "HTTP_X_CONNECTOR_TRANSLATE", translate, sizeof translate);
    variable(e, "HTTP_X_CONNECTOR_SEEN", seen, sizeof seen);
    if (passed == 0) seen[0] = 0;
    sayf(e, "connector uri=%s translate=%s seen=%s loads=%ld method=%s body=%lu\n", uri, translate, seen, (long)loads, e->lpszMethod,
         (unsigned long)n);
    return HSE_STATUS_SUCCESS;
}
