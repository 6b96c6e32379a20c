/* Checks in each event what the callbacks answer there, and tells with each response what is wrong: X-Contract is "ok", or the names of
 * the checks that failed. The request is "GET /page.txt?q=1 HTTP/1.1" with the headers "X-One: 1", "X-Two: a" and "X-Two: b", and none
 * called X-None. LOG and what comes after the response are told with a line to FILTER_TRACE. */
#include "filter.h"

FILTER("contract", BOTH_PORTS | SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_URL_MAP | SF_NOTIFY_AUTHENTICATION | SF_NOTIFY_AUTH_COMPLETE |
                    SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG | SF_NOTIFY_END_OF_NET_SESSION)

struct state {
    char wrong[2000];
    int maps;
};

static void require(struct state *s, const char *what, BOOL ok) {
    size_t n = strlen(s->wrong);
    if (!ok) snprintf(s->wrong + n, sizeof s->wrong - n, " %s", what);
}

typedef BOOL(WINAPI *getter)(HTTP_FILTER_CONTEXT *, LPSTR, LPVOID, LPDWORD);

/* sizes gets one value by the protocol: too small is 122 and the size it takes, which is then enough and exact. A call that
 * succeeds leaves no error behind. */
static void sizes(struct state *s, HTTP_FILTER_CONTEXT *c, getter get, const char *name, const char *want) {
    char buf[256];
    DWORD need = (DWORD)strlen(want) + 1, size = 0;
    unsigned error = outcome(get(c, (LPSTR)name, NULL, &size));
    require(s, name, error == ERROR_INSUFFICIENT_BUFFER && size == need);
    size = need - 1;
    error = outcome(get(c, (LPSTR)name, buf, &size));
    require(s, name, error == ERROR_INSUFFICIENT_BUFFER && size == need);
    memset(buf, 'x', sizeof buf);
    size = need;
    SetLastError(0);
    require(s, name, get(c, (LPSTR)name, buf, &size) && GetLastError() == 0 && size == need && strcmp(buf, want) == 0);
    require(s, name, buf[need] == 'x');
}

static void absent(struct state *s, HTTP_FILTER_CONTEXT *c, getter get, const char *name) {
    char buf[64];
    DWORD size = sizeof buf;
    require(s, name, outcome(get(c, (LPSTR)name, buf, &size)) == ERROR_INVALID_INDEX);
}

static unsigned set(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h, const char *name, const char *value) {
    return outcome(h->SetHeader(c, (LPSTR)name, (LPSTR)value));
}

static BOOL is(HTTP_FILTER_CONTEXT *c, getter get, const char *name, const char *want) {
    char buf[256];
    DWORD size = sizeof buf;
    return get(c, (LPSTR)name, buf, &size) && strcmp(buf, want) == 0;
}

static void context(struct state *s, HTTP_FILTER_CONTEXT *c) {
    require(s, "cbSize", c->cbSize == sizeof *c);
    require(s, "Revision", c->Revision > 0 && c->Revision <= HTTP_FILTER_REVISION);
    require(s, "fIsSecurePort", !c->fIsSecurePort);
    require(s, "functions", c->GetServerVariable && c->AddResponseHeaders && c->WriteClient && c->AllocMem && c->ServerSupportFunction);
}

static void variables(struct state *s, HTTP_FILTER_CONTEXT *c) {
    static const char *const filled[] = {"SERVER_NAME", "SERVER_PORT", "INSTANCE_ID", "REMOTE_HOST", "REMOTE_ADDR", "LOCAL_ADDR",
                                         "SERVER_PORT_SECURE", "HTTPS", "ALL_HTTP", "ALL_RAW", "HTTP_HOST", "SERVER_PROTOCOL"};
    char buf[2048];
    size_t i;
    for (i = 0; i < sizeof filled / sizeof *filled; i++)
        require(s, filled[i], filter_var(c, filled[i], buf, sizeof buf) == 0 && buf[0]);
    sizes(s, c, c->GetServerVariable, "REQUEST_METHOD", "GET");
    sizes(s, c, c->GetServerVariable, "HTTP_X_ONE", "1");
    sizes(s, c, c->GetServerVariable, "HTTPS", "off");
    require(s, "CONTENT_TYPE", filter_var(c, "CONTENT_TYPE", buf, sizeof buf) == 0 && buf[0] == 0);
    absent(s, c, c->GetServerVariable, "HTTP_X_NONE");
    absent(s, c, c->GetServerVariable, "NO_SUCH_VARIABLE");
}

static void request_headers(struct state *s, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    sizes(s, c, h->GetHeader, "X-One:", "1");
    sizes(s, c, h->GetHeader, "x-oNE:", "1");
    sizes(s, c, h->GetHeader, "method", "GET");
    sizes(s, c, h->GetHeader, "url", "/page.txt?q=1");
    sizes(s, c, h->GetHeader, "URL", "/page.txt?q=1");
    sizes(s, c, h->GetHeader, "version", "HTTP/1.1");
    absent(s, c, h->GetHeader, "X-None:");
    require(s, "delete-absent", set(c, h, "X-None:", "") == 0);
    absent(s, c, h->GetHeader, "X-None:");
    require(s, "create", set(c, h, "X-Made:", "new") == 0 && is(c, h->GetHeader, "X-Made:", "new"));
    require(s, "variable", is(c, c->GetServerVariable, "HTTP_X_MADE", "new"));
    require(s, "replace", set(c, h, "X-Made:", "newer") == 0 && is(c, h->GetHeader, "X-Made:", "newer"));
    require(s, "replace-all", set(c, h, "x-two:", "c") == 0 && is(c, c->GetServerVariable, "HTTP_X_TWO", "c"));
    require(s, "delete", set(c, h, "X-Made:", "") == 0);
    absent(s, c, h->GetHeader, "X-Made:");
    absent(s, c, c->GetServerVariable, "HTTP_X_MADE");
    require(s, "no-colon", set(c, h, "X-Made", "1") == ERROR_INVALID_PARAMETER);
    require(s, "line-feed", set(c, h, "X-Made:", "1\n2") == ERROR_INVALID_PARAMETER);
    require(s, "carriage-return", outcome(h->AddHeader(c, "X-Made:", "1\r2")) == ERROR_INVALID_PARAMETER);
    require(s, "bad-context", outcome(h->SetHeader(NULL, "X-Made:", "1")) == ERROR_INVALID_PARAMETER);
}

static void many(struct state *s, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    char name[32];
    int i;
    for (i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "X-Many-%d:", i % 50);
        if (!h->AddHeader(c, name, "v")) break;
    }
    require(s, "many", i == 200);
    for (i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "X-Many-%d:", i);
        if (set(c, h, name, "") != 0) break;
    }
    require(s, "many-deleted", i == 50);
}

static void memory(struct state *s, HTTP_FILTER_CONTEXT *c) {
    const char *p = c->AllocMem(c, 1000, 0);
    size_t i, zero = 0;
    require(s, "AllocMem", p != NULL && (size_t)p % sizeof(void *) == 0);
    for (i = 0; p && i < 1000; i++) zero += p[i] == 0;
    require(s, "AllocMem-zero", zero == 1000);
    require(s, "AllocMem-huge", c->AllocMem(c, 0xffffffffu, 0) == NULL);
}

static unsigned support(HTTP_FILTER_CONTEXT *c, int code, void *data, ULONG_PTR one) {
    return outcome(c->ServerSupportFunction(c, (enum SF_REQ_TYPE)code, data, one, 0));
}

static void codes(struct state *s, HTTP_FILTER_CONTEXT *c) {
    char url[] = "/a/./b%41/../c?x=/../y", bad[] = "/a%zz";
    DWORD number = 77;
    require(s, "normalize", support(c, SF_REQ_NORMALIZE_URL, url, 0) == 0 && strcmp(url, "/a/c?x=/../y") == 0);
    require(s, "normalize-bad", support(c, SF_REQ_NORMALIZE_URL, bad, 0) != 0);
    require(s, "GET_CONNID", support(c, SF_REQ_GET_CONNID, &number, 0) == ERROR_NOT_SUPPORTED && number == 0);
    require(s, "INSTANCE_NUM_ID", support(c, SF_REQ_GET_PROPERTY, &number, SF_PROPERTY_INSTANCE_NUM_ID) == 0 && number == 1);
    require(s, "SSL_CTXT", support(c, SF_REQ_GET_PROPERTY, &number, SF_PROPERTY_SSL_CTXT) != 0);
    require(s, "SET_PROXY_INFO", support(c, SF_REQ_SET_PROXY_INFO, NULL, 0) == 0);
    require(s, "SET_CERTIFICATE_INFO", support(c, SF_REQ_SET_CERTIFICATE_INFO, NULL, 0) != 0);
    require(s, "unknown-code", support(c, 12345, NULL, 0) == ERROR_INVALID_PARAMETER);
    require(s, "negative-code", support(c, -1, NULL, 0) == ERROR_INVALID_PARAMETER);
}

/* ROOT is what every path begins with. */
#ifdef _WIN32
#define ROOT "Z:\\"
#else
#define ROOT "/"
#endif

static void map(struct state *s, HTTP_FILTER_URL_MAP_EX *m) {
    s->maps++;
    require(s, "pszURL", m->pszURL != NULL);
    require(s, "pszPhysicalPath", m->pszPhysicalPath != NULL && strncmp(m->pszPhysicalPath, ROOT, strlen(ROOT)) == 0);
    require(s, "cbPathBuff", m->cbPathBuff >= 260);
    require(s, "pszScriptMapEntry", m->pszScriptMapEntry == NULL);
    require(s, "cchMatching", m->cchMatchingPath <= strlen(m->pszPhysicalPath) && m->cchMatchingURL <= strlen(m->pszURL));
}

static void authentication(struct state *s, HTTP_FILTER_AUTHENT *a) {
    require(s, "buffers", a->cbUserBuff >= 257 && a->cbPasswordBuff >= 257);
    require(s, "anonymous", a->pszUser && a->pszPassword && a->pszUser[0] == 0 && a->pszPassword[0] == 0);
}

static void complete(struct state *s, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_AUTH_COMPLETE_INFO *h) {
    HANDLE token = NULL;
    sizes(s, c, h->GetHeader, "url", "/page.txt?q=1");
    sizes(s, c, c->GetServerVariable, "QUERY_STRING", "q=1");
    sizes(s, c, c->GetServerVariable, "SCRIPT_NAME", "/page.txt");
#ifdef _WIN32
    require(s, "GetUserToken", h->GetUserToken(c, &token) && CloseHandle(token));
#else
    require(s, "GetUserToken", !h->GetUserToken(c, &token)); /* there are none here */
#endif
    require(s, "fResetAuth", !h->fResetAuth);
}

static void response(struct state *s, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_SEND_RESPONSE *h) {
    sizes(s, c, h->GetHeader, "status", "HTTP/1.1 200 OK");
    require(s, "HttpStatus", h->HttpStatus == 200);
    require(s, "Content-Type", is(c, h->GetHeader, "Content-Type:", "text/plain"));
    absent(s, c, h->GetHeader, "X-None:");
    require(s, "add-twice", h->AddHeader(c, "X-Added:", "1") && h->AddHeader(c, "X-Added:", "2"));
    require(s, "too-late", outcome(c->AddResponseHeaders(c, "X-Late: 1\r\n", 0)) != 0);
    require(s, "maps", s->maps > 0);
    if (s->wrong[0] == 0) strcpy(s->wrong, " ok");
    h->SetHeader(c, "X-Contract:", s->wrong + 1);
    s->wrong[0] = 0;
}

static void log_event(struct state *s, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_LOG *l) {
    require(s, "NULL", l->pszClientHostName && l->pszClientUserName && l->pszServerName && l->pszOperation && l->pszTarget && l->pszParameters);
    require(s, "target", strcmp(l->pszTarget, "/page.txt") == 0 && strcmp(l->pszParameters, "q=1") == 0);
    require(s, "method", strcmp(l->pszOperation, "GET") == 0);
    require(s, "status", l->dwHttpStatus == 200 && l->dwWin32Status == 0);
    require(s, "bytes", l->dwBytesSent > 0);
    absent(s, c, c->GetServerVariable, "HTTP_X_NONE");
    sizes(s, c, c->GetServerVariable, "HTTP_X_ONE", "1");
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct state *s = c->pFilterContext;
    if (s == NULL && (s = c->pFilterContext = c->AllocMem(c, sizeof *s, 0)) == NULL) return SF_STATUS_REQ_ERROR;
    context(s, c);
    switch (type) {
    case SF_NOTIFY_PREPROC_HEADERS:
        variables(s, c);
        request_headers(s, c, data);
        many(s, c, data);
        memory(s, c);
        codes(s, c);
        break;
    case SF_NOTIFY_URL_MAP: map(s, data); break;
    case SF_NOTIFY_AUTHENTICATION: authentication(s, data); break;
    case SF_NOTIFY_AUTH_COMPLETE: complete(s, c, data); break;
    case SF_NOTIFY_SEND_RESPONSE: response(s, c, data); break;
    case SF_NOTIFY_LOG: log_event(s, c, data); break;
    }
    if (type & (SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_END_OF_NET_SESSION)) require(s, "structure", data == NULL);
    if (type == SF_NOTIFY_END_OF_NET_SESSION) trace("contract%s", s->wrong[0] ? s->wrong : " ok");
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
