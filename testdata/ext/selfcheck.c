/* Checks its whole control block against the interface and reads the body to its end; answers ok, or bad: and what is wrong. */
#include "fixture.h"

FIXTURE("selfcheck")

struct check {
    EXTENSION_CONTROL_BLOCK *e;
    char wrong[1024];
};

static void require(struct check *c, int ok, const char *what) {
    size_t n = strlen(c->wrong);
    if (!ok) snprintf(c->wrong + n, sizeof c->wrong - n, " %s", what);
}

static void fields(struct check *c) {
    EXTENSION_CONTROL_BLOCK *e = c->e;
    require(c, e->cbSize == sizeof *e, "cbSize");
    require(c, HIWORD(e->dwVersion) >= 4, "dwVersion");
    require(c, e->ConnID == (HCONN)e, "ConnID");
    require(c, e->dwHttpStatusCode == 200, "dwHttpStatusCode");
    require(c, e->lpszLogData[0] == 0, "lpszLogData");
    require(c, e->lpszMethod && e->lpszQueryString && e->lpszPathInfo && e->lpszPathTranslated && e->lpszContentType && e->lpbData,
            "NULL");
    require(c, e->GetServerVariable && e->WriteClient && e->ReadClient && e->ServerSupportFunction, "functions");
    require(c, strlen(e->lpszMethod) > 0, "method");
    require(c, strlen(e->lpszQueryString) + strlen(e->lpszPathInfo) + strlen(e->lpszPathTranslated) + strlen(e->lpszContentType) <
                   (1u << 20), "texts");
    require(c, strpbrk(e->lpszMethod, " \r\n") == NULL && strpbrk(e->lpszContentType, "\r\n") == NULL, "control characters");
    require(c, e->cbAvailable <= e->cbTotalBytes, "cbAvailable");
    require(c, e->lpbData[e->cbAvailable] == 0, "NUL after lpbData");
}

/* One variable by the protocol: too small a buffer is 122 and a larger size, which is then enough and exact. */
static void variable(struct check *c, const char *name) {
    static const unsigned char mark = 0xA5;
    char what[96], *buf;
    DWORD size = 0, need;
    unsigned error = outcome(c->e->GetServerVariable(c->e->ConnID, (LPSTR)name, NULL, &size));
    snprintf(what, sizeof what, "%.80s", name);
    if (error == ERROR_INVALID_INDEX || error == ERROR_NO_DATA) return;
    require(c, error == ERROR_INSUFFICIENT_BUFFER && size > 0, what);
    if (error != ERROR_INSUFFICIENT_BUFFER || size == 0) return;
    need = size;
    buf = malloc(need + 1u);
    if (!buf) return;
    memset(buf, mark, need + 1u);
    size = need - 1;
    error = outcome(c->e->GetServerVariable(c->e->ConnID, (LPSTR)name, buf, &size));
    require(c, error == ERROR_INSUFFICIENT_BUFFER && size >= need, what);
    size = need;
    error = outcome(c->e->GetServerVariable(c->e->ConnID, (LPSTR)name, buf, &size));
    require(c, error == 0 && size == need && buf[need - 1] == 0 && (unsigned char)buf[need] == mark, what);
    if (strncmp(name, "UNICODE_", 8) != 0) require(c, strlen(buf) + 1 == need, what);
    free(buf);
}

static void variables(struct check *c) {
    static const char *const names[] = {
        "ALL_HTTP", "ALL_RAW", "APPL_MD_PATH", "APPL_PHYSICAL_PATH", "APP_POOL_ID", "AUTH_PASSWORD", "AUTH_TYPE", "AUTH_USER",
        "CACHE_URL", "CERT_COOKIE", "CERT_FLAGS", "CERT_ISSUER", "CERT_SUBJECT", "CONTENT_LENGTH", "CONTENT_TYPE",
        "GATEWAY_INTERFACE", "HEADER_Host", "HTTPS", "HTTP_ACCEPT", "HTTP_COOKIE", "HTTP_HOST", "HTTP_METHOD", "HTTP_REFERER",
        "HTTP_TRANSFER_ENCODING", "HTTP_URL", "HTTP_USER_AGENT", "HTTP_VERSION", "HTTP_X_FUZZ", "INSTANCE_ID", "INSTANCE_META_PATH",
        "LOCAL_ADDR", "LOGON_USER", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT",
        "REMOTE_USER", "REQUEST_METHOD", "SCRIPT_NAME", "SCRIPT_TRANSLATED", "SERVER_NAME", "SERVER_PORT", "SERVER_PORT_SECURE",
        "SERVER_PROTOCOL", "SERVER_SOFTWARE", "UNENCODED_URL", "UNICODE_PATH_INFO", "UNICODE_URL", "UNMAPPED_REMOTE_USER", "URL",
        "NO_SUCH_VARIABLE", ""};
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++) variable(c, names[i]);
    variable(c, c->e->lpszQueryString);
    variable(c, c->e->lpszPathInfo);
}

/* The body has as many bytes as were announced. */
static void body(struct check *c) {
    char buf[1000];
    unsigned long long got = c->e->cbAvailable;
    DWORD n;
    for (;;) {
        n = sizeof buf;
        if (!c->e->ReadClient(c->e->ConnID, buf, &n)) return; /* the client broke off */
        require(c, n <= sizeof buf, "ReadClient gave more than asked");
        if (n == 0 || n > sizeof buf) break;
        got += n;
    }
    require(c, c->e->cbTotalBytes == 0xFFFFFFFF || got == c->e->cbTotalBytes, "length of the body");
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    struct check c;
    c.e = e;
    c.wrong[0] = 0;
    fields(&c);
    variables(&c);
    body(&c);
    if (c.wrong[0])
        sayf(e, "bad:%s", c.wrong);
    else
        say(e, "ok");
    return HSE_STATUS_SUCCESS;
}
