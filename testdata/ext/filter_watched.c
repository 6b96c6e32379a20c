/* Makes every call a filter can make, for those who watch, by the query of the request:
 *
 *   respond   a response of its own in PREPROC_HEADERS
 *   crash     a fault in PREPROC_HEADERS
 *   denied    none there
 *   else      everything but that */
#include "filter.h"

FILTER("watched", BOTH_PORTS | SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_URL_MAP | SF_NOTIFY_AUTHENTICATION | SF_NOTIFY_AUTH_COMPLETE |
                      SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_ACCESS_DENIED | SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG | SF_NOTIFY_END_OF_NET_SESSION)

BOOL WINAPI TerminateFilter(DWORD flags) { return flags == 0; }

static BOOL code(HTTP_FILTER_CONTEXT *c, DWORD which, void *data, ULONG_PTR ul1, ULONG_PTR ul2) {
    return c->ServerSupportFunction(c, which, data, ul1, ul2);
}

static void variable(HTTP_FILTER_CONTEXT *c, const char *name) {
    char value[2048];
    DWORD size = sizeof value;
    (void)c->GetServerVariable(c, (LPSTR)name, value, &size);
}

static void header(HTTP_FILTER_CONTEXT *c, BOOL(WINAPI *get)(HTTP_FILTER_CONTEXT *, LPSTR, LPVOID, LPDWORD), const char *name) {
    char value[2048];
    DWORD size = sizeof value;
    (void)get(c, (LPSTR)name, value, &size);
}

static void every(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    char url[64] = "/a/../b%41";
    DWORD answer = 0;
    CERT_CONTEXT_EX cert;
    memset(&cert, 0, sizeof cert);
    variable(c, "SERVER_PROTOCOL");
    variable(c, "HTTP_COOKIE");
    variable(c, "ALL_RAW");
    header(c, h->GetHeader, "url");
    header(c, h->GetHeader, "Cookie:");
    header(c, h->GetHeader, "X-None:");
    h->SetHeader(c, (LPSTR) "Authorization:", (LPSTR) "Basic YWxpY2U6d29uZGVybGFuZA==");
    h->AddHeader(c, (LPSTR) "X-Evil:", (LPSTR) "\xc2\x9b" "31m");
    h->AddHeader(c, (LPSTR) "Cookie:", (LPSTR) "s3cr3t=3");
    c->AddResponseHeaders(c, (LPSTR) "Set-Cookie: s3cr3t=4\r\nX-Added: yes\r\n", 0);
    c->AllocMem(c, 100, 0);
    c->AllocMem(c, 0x7fffffff, 0);
    code(c, SF_REQ_ADD_HEADERS_ON_DENIAL, (void *)"Set-Cookie: s3cr3t=5\r\n", 0, 0);
    code(c, SF_REQ_SET_NEXT_READ_SIZE, NULL, 100, 0);
    code(c, SF_REQ_SET_PROXY_INFO, NULL, 1, 0);
    code(c, SF_REQ_GET_CONNID, &answer, 0, 0);
    code(c, SF_REQ_SET_CERTIFICATE_INFO, &cert, 0, 0);
    code(c, SF_REQ_GET_PROPERTY, &answer, SF_PROPERTY_INSTANCE_NUM_ID, 0);
    code(c, SF_REQ_GET_PROPERTY, &answer, SF_PROPERTY_SSL_CTXT, 0);
    code(c, SF_REQ_NORMALIZE_URL, url, 0, 0);
    code(c, SF_REQ_DISABLE_NOTIFICATIONS, NULL, SF_NOTIFY_ACCESS_DENIED, 0);
    code(c, HSE_REQ_GET_CERT_INFO_EX, &cert, 0, 0);
    code(c, HSE_REQ_GET_FILE_DESCRIPTOR, &answer, 0, 0);
    code(c, 4711, &answer, 2, 3);
    c->GetServerVariable(c, (LPSTR)(size_t)0x7dead0000, NULL, NULL);
}

static void respond(HTTP_FILTER_CONTEXT *c) {
    DWORD n = 5;
    code(c, SF_REQ_SEND_RESPONSE_HEADER, (void *)"200 OK", (ULONG_PTR) "Set-Cookie: s3cr3t=6\r\nContent-Length: 5\r\n\r\n", 0);
    c->WriteClient(c, (LPVOID) "hello", &n, 0);
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD notification, VOID *pv) {
    char query[64];
    DWORD size = sizeof query;
    HANDLE token;
    switch (notification) {
    case SF_NOTIFY_PREPROC_HEADERS:
        if (!c->GetServerVariable(c, (LPSTR) "QUERY_STRING", query, &size)) return SF_STATUS_REQ_ERROR;
        if (!strcmp(query, "respond")) {
            respond(c);
            return SF_STATUS_REQ_FINISHED_KEEP_CONN;
        }
        if (!strcmp(query, "crash")) *(volatile int *)0x10 = 1;
        if (strcmp(query, "denied")) every(c, pv);
        break;
    case SF_NOTIFY_AUTH_COMPLETE: ((HTTP_FILTER_AUTH_COMPLETE_INFO *)pv)->GetUserToken(c, &token); break;
    case SF_NOTIFY_SEND_RESPONSE: ((HTTP_FILTER_SEND_RESPONSE *)pv)->SetHeader(c, (LPSTR) "X-Seen:", (LPSTR) "yes"); break;
    default: break;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
