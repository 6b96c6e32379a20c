/* Does one thing that a filter must not do, or its proper counterpart, as the query string of a request names it; a name with -ok is the
 * proper one. keep remembers the context of its connection for those after it, and end does its thing when the connection ends. */
#include "filter.h"

FILTER("misuse", SF_NOTIFY_ORDER_LOW | BOTH_PORTS | SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_END_OF_NET_SESSION)

#define STEP static __attribute__((noinline)) /* a stack names it */

static HTTP_FILTER_CONTEXT *kept;
static BOOL at_end;

STEP void call_back(HTTP_FILTER_CONTEXT *functions, HTTP_FILTER_CONTEXT *c) {
    char url[256];
    DWORD n = sizeof url;
    functions->GetServerVariable(c, (LPSTR)"URL", url, &n);
}

STEP void write_n(HTTP_FILTER_CONTEXT *c, LPVOID buf, LPDWORD n) {
    c->WriteClient(c, buf, n, 0);
}

STEP void set(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h, const char *value) {
    h->SetHeader(c, (LPSTR)"X-A:", (LPSTR)value);
}

STEP void get(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h, const char *name) {
    char value[256];
    DWORD n = sizeof value;
    h->GetHeader(c, (LPSTR)name, value, &n);
}

STEP void add(HTTP_FILTER_CONTEXT *c, const char *text) {
    c->AddResponseHeaders(c, (LPSTR)text, 0);
}

STEP void head(HTTP_FILTER_CONTEXT *c, const char *text) {
    c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, (PVOID) "200 OK", (ULONG_PTR)text, 0);
}

STEP void alloc(HTTP_FILTER_CONTEXT *c, DWORD n) {
    c->AllocMem(c, n, 0);
}

static DWORD preproc(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    char url[256], *what;
    DWORD minus = (DWORD)-5, none = 0;
    BOOL proper;
    if (get_header(c, h, "url", url, sizeof url) || (what = strchr(url, '?')) == NULL) return SF_STATUS_REQ_NEXT_NOTIFICATION;
    what++;
    proper = strstr(what, "-ok") != NULL;
    if (strncmp(what, "keep", 4) == 0) kept = c;
    if (strncmp(what, "ended", 5) == 0) call_back(c, proper ? c : kept);
    if (strncmp(what, "unknown", 7) == 0) call_back(c, proper ? c : (HTTP_FILTER_CONTEXT *)&kept);
    if (strncmp(what, "outside", 7) == 0) at_end = !proper;
    if (strncmp(what, "size", 4) == 0) write_n(c, "hello", proper ? &none : &minus);
    if (strncmp(what, "pointer", 7) == 0) get(c, h, proper ? "X-A:" : (char *)16);
    if (strncmp(what, "set", 3) == 0) set(c, h, proper ? "value" : "value\r\nX-Evil: 1");
    if (strncmp(what, "add", 3) == 0) add(c, proper ? "X-A: b\r\n" : "X-A: b\001\r\n");
    if (strncmp(what, "alloc", 5) == 0) alloc(c, proper ? 100 : 200 << 20);
    if (strncmp(what, "context", 7) == 0 && proper) c->pFilterContext = kept;
    if (strncmp(what, "context", 7) == 0 && !proper) c->Revision = 77;
    if (strncmp(what, "head", 4) == 0) {
        head(c, proper ? "Content-Length: 0\r\n\r\n" : "X-A: b\001\r\n\r\n");
        return proper ? SF_STATUS_REQ_FINISHED_KEEP_CONN : SF_STATUS_REQ_NEXT_NOTIFICATION;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD notification, LPVOID pv) {
    if (notification == SF_NOTIFY_PREPROC_HEADERS) return preproc(c, pv);
    if (notification == SF_NOTIFY_END_OF_NET_SESSION && at_end) {
        at_end = FALSE;
        call_back(c, c);
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
