/* Does what no filter should; which of it, the header X-Do says. What it learns is the body of its answer. */
#include <httpfilt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {
    v->dwFlags = SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_URL_MAP | SF_NOTIFY_AUTHENTICATION | SF_NOTIFY_AUTH_COMPLETE | SF_NOTIFY_SEND_RESPONSE |
                 SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG;
    return TRUE;
}

static char doing[64];         /* of the request; the tests send one at a time */
static char learnt[1 << 16];
static HTTP_FILTER_CONTEXT *kept;
static HTTP_FILTER_PREPROC_HEADERS headers;
static HTTP_FILTER_CONTEXT copy;
static pthread_t thread;
static volatile int stop, running, taken;

static void learn(const char *format, ...) {
    size_t n = strlen(learnt);
    va_list args;
    va_start(args, format);
    vsnprintf(learnt + n, sizeof learnt - n, format, args);
    va_end(args);
}

#define TRY(name, call) learn(" %s=%lu", name, (unsigned long)((call) ? 0 : GetLastError()))
#define BAD ((char *)16)
#define BADSIZE ((DWORD *)16)

static void errors(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    char b[64], *huge = malloc(1 << 20);
    DWORD n;
    memset(huge, 'x', 1 << 20);
    huge[(1 << 20) - 1] = 0;
    n = sizeof b; TRY("get", h->GetHeader(c, "X-Do:", b, &n));
    learn(" n=%lu %s", (unsigned long)n, b);
    n = 1; TRY("short", h->GetHeader(c, "x-do:", b, &n));
    learn(" n=%lu", (unsigned long)n);
    n = 0; TRY("none", h->GetHeader(c, "X-DO:", NULL, &n));
    learn(" n=%lu", (unsigned long)n);
    n = sizeof b; TRY("absent", h->GetHeader(c, "X-None:", b, &n));
    n = sizeof b; TRY("nocolon", h->GetHeader(c, "X-Do", b, &n));
    n = sizeof b; TRY("noname", h->GetHeader(c, NULL, b, &n));
    TRY("nosize", h->GetHeader(c, "X-Do:", b, NULL));
    n = sizeof b; TRY("badname", h->GetHeader(c, BAD, b, &n));
    n = sizeof b; TRY("badbuffer", h->GetHeader(c, "X-Do:", BAD, &n));
    TRY("badsize", h->GetHeader(c, "X-Do:", b, BADSIZE));
    n = sizeof b; TRY("hugename", h->GetHeader(c, huge, b, &n));
    TRY("set", h->SetHeader(c, "X-A:", "1"));
    TRY("crlf", h->SetHeader(c, "X-A:", "1\r\nX-B: 2"));
    TRY("lf", h->AddHeader(c, "X-A:", "1\nX-B: 2"));
    TRY("namecrlf", h->SetHeader(c, "X-A: 1\r\nX-B:", "2"));
    TRY("setnocolon", h->SetHeader(c, "X-A", "2"));
    TRY("setnull", h->SetHeader(c, "X-A:", NULL));
    TRY("hugevalue", h->SetHeader(c, "X-A:", huge));
    TRY("delabsent", h->SetHeader(c, "X-None:", ""));
    TRY("length", h->SetHeader(c, "content-length:", "5"));
    TRY("dellength", h->SetHeader(c, "Content-Length:", ""));
    TRY("encoding", h->AddHeader(c, "Transfer-Encoding:", "chunked"));
    TRY("url", h->SetHeader(c, "url", "no path"));
    TRY("delurl", h->SetHeader(c, "url", ""));
    TRY("method", h->SetHeader(c, "method", "G E T"));
    TRY("version", h->SetHeader(c, "version", "HTTP/2.0"));
    TRY("status", h->SetHeader(c, "status", "200 OK"));
    n = 2; TRY("write", c->WriteClient(c, BAD, &n, 0));
    TRY("writenosize", c->WriteClient(c, b, NULL, 0));
    n = (DWORD)-1; TRY("writehuge", c->WriteClient(c, b, &n, 0));
    TRY("add", c->AddResponseHeaders(c, BAD, 0));
    TRY("addnull", c->AddResponseHeaders(c, NULL, 0));
    TRY("addtext", c->AddResponseHeaders(c, "no header\r\n", 0));
    TRY("denialnull", c->ServerSupportFunction(c, SF_REQ_ADD_HEADERS_ON_DENIAL, NULL, 0, 0));
    TRY("head", c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, BAD, 0, 0));
    TRY("badhead", c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, "what?", 0, 0));
    TRY("unknown", c->ServerSupportFunction(c, 3000, NULL, 0, 0));
    n = 5; TRY("connid", c->ServerSupportFunction(c, SF_REQ_GET_CONNID, &n, 0, 0));
    learn(" n=%lu", (unsigned long)n);
    n = 5; TRY("site", c->ServerSupportFunction(c, SF_REQ_GET_PROPERTY, &n, SF_PROPERTY_INSTANCE_NUM_ID, 0));
    learn(" n=%lu", (unsigned long)n);
    TRY("ssl", c->ServerSupportFunction(c, SF_REQ_GET_PROPERTY, &n, SF_PROPERTY_SSL_CTXT, 0));
    TRY("property", c->ServerSupportFunction(c, SF_REQ_GET_PROPERTY, &n, 77, 0));
    TRY("cert", c->ServerSupportFunction(c, SF_REQ_SET_CERTIFICATE_INFO, NULL, 0, 0));
    TRY("proxy", c->ServerSupportFunction(c, SF_REQ_SET_PROXY_INFO, NULL, 1, 0));
    TRY("readsize", c->ServerSupportFunction(c, SF_REQ_SET_NEXT_READ_SIZE, NULL, 100, 0));
    n = 5; TRY("descriptor", c->ServerSupportFunction(c, 2001, &n, 0, 0));
    learn(" n=%lu", (unsigned long)n);
    snprintf(b, sizeof b, "/a/../%%62?c");
    TRY("normalize", c->ServerSupportFunction(c, SF_REQ_NORMALIZE_URL, b, 0, 0));
    learn(" %s", b);
    TRY("normalizebad", c->ServerSupportFunction(c, SF_REQ_NORMALIZE_URL, BAD, 0, 0));
    n = sizeof b; TRY("variable", c->GetServerVariable(c, "INSTANCE_ID", b, &n));
    learn(" %s", b);
    n = sizeof b; TRY("changed", c->GetServerVariable(c, "HTTP_X_A", b, &n));
    learn(" %s", b);
    n = sizeof b; TRY("novariable", c->GetServerVariable(c, "NONE", b, &n));
    n = sizeof b; TRY("noheader", c->GetServerVariable(c, "HTTP_NONE", b, &n));
    TRY("alloc0", c->AllocMem(c, 0, 0) != NULL);
    TRY("allochuge", c->AllocMem(c, 0x7fffffff, 0) != NULL);
    free(huge);
}

/* specials is what the names without a colon say and take. */
static void specials(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    static const char *const names[] = {"method", "url", "version", "URL", "Host:", "Content-Length:", "X-Twice:"};
    char b[256];
    size_t i;
    DWORD n;
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        n = sizeof b;
        learn(" %s=%s", names[i], h->GetHeader(c, (LPSTR)names[i], b, &n) ? b : "?");
    }
    h->SetHeader(c, "X-Twice:", "once");
    n = sizeof b;
    learn(" once=%s", h->GetHeader(c, "X-Twice:", b, &n) ? b : "?");
    h->AddHeader(c, "x-twice:", "more");
    n = sizeof b;
    learn(" more=%s", h->GetHeader(c, "X-Twice:", b, &n) ? b : "?");
    h->SetHeader(c, "X-TWICE:", "");
    n = sizeof b;
    learn(" none=%s", h->GetHeader(c, "X-Twice:", b, &n) ? b : "?");
    h->SetHeader(c, "Method", "PUT");
    h->SetHeader(c, "url", "/a b?c d");
    h->SetHeader(c, "version", "HTTP/1.0");
    h->SetHeader(c, "host:", "other");
    for (i = 0; i < 5; i++) {
        n = sizeof b;
        learn(" %s=%s", names[i], h->GetHeader(c, (LPSTR)names[i], b, &n) ? b : "?");
    }
    n = sizeof b;
    learn(" name=%s", c->GetServerVariable(c, "SERVER_NAME", b, &n) ? b : "?");
    n = sizeof b;
    learn(" script=%s", c->GetServerVariable(c, "SCRIPT_NAME", b, &n) ? b : "?");
}

static void late(void) {
    char b[64];
    DWORD n = sizeof b;
    if (kept == NULL) return;
    TRY("get", headers.GetHeader(kept, "X-Do:", b, &n));
    TRY("set", headers.SetHeader(kept, "X-Do:", "x"));
    TRY("add", headers.AddHeader(kept, "X-Do:", "x"));
    n = sizeof b; TRY("variable", copy.GetServerVariable(kept, "URL", b, &n));
    n = 1; TRY("write", copy.WriteClient(kept, "x", &n, 0));
    TRY("response", copy.AddResponseHeaders(kept, "X: y\r\n", 0));
    TRY("support", copy.ServerSupportFunction(kept, SF_REQ_SEND_RESPONSE_HEADER, NULL, 0, 0));
    TRY("alloc", copy.AllocMem(kept, 10, 0) != NULL);
    TRY("null", copy.AllocMem(NULL, 10, 0) != NULL);
    TRY("invented", copy.AddResponseHeaders((HTTP_FILTER_CONTEXT *)learnt, "X: y\r\n", 0));
}

static void *busy(void *arg) {
    HTTP_FILTER_CONTEXT *c = arg;
    char b[64];
    DWORD n;
    running = 1;
    while (!stop) {
        if (headers.SetHeader(c, "X-A:", "of a thread")) taken++;
        n = sizeof b;
        copy.GetServerVariable(c, "HTTP_X_A", b, &n);
        copy.AddResponseHeaders(c, "X-Thread: 1\r\n", 0);
        copy.AllocMem(c, 1, 0);
        usleep(1);
    }
    return NULL;
}

static DWORD preproc(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    DWORD n = sizeof doing;
    learnt[0] = 0;
    headers = *h;
    copy = *c;
    if (!h->GetHeader(c, "X-Do:", doing, &n)) doing[0] = 0;
    if (!strcmp(doing, "errors")) errors(c, h);
    else if (!strcmp(doing, "specials")) specials(c, h);
    else if (!strcmp(doing, "keep")) { kept = c; return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    else if (!strcmp(doing, "late")) late();
    else if (!strcmp(doing, "alloc")) {
        unsigned long all = 0;
        char *p;
        while ((p = c->AllocMem(c, 1 << 20, 0)) != NULL) {
            for (n = 0; n < 1 << 20; n += 4096) if (p[n]) learn(" not zero");
            all++;
        }
        learn(" all=%lu error=%lu", all, (unsigned long)GetLastError());
    } else if (!strcmp(doing, "grow")) {
        unsigned long all = 0;
        while (h->AddHeader(c, "X-Grow:", "0123456789")) all++;
        learn(" error=%lu enough=%d", (unsigned long)GetLastError(), all > 1000);
    } else if (!strcmp(doing, "thread")) {
        stop = running = taken = 0;
        pthread_create(&thread, NULL, busy, c);
        while (!running || !taken) usleep(100);
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    } else if (!strcmp(doing, "context")) {
        c->pFilterContext = BAD;
        c->GetServerVariable = NULL;
        c->AllocMem = NULL;
        c->ServerContext = NULL;
        c->cbSize = 0;
        memset(h, 0xff, sizeof *h);
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    } else return SF_STATUS_REQ_NEXT_NOTIFICATION;
    n = (DWORD)strlen(learnt);
    c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, NULL, 0, 0);
    c->WriteClient(c, learnt, &n, 0);
    return SF_STATUS_REQ_FINISHED_KEEP_CONN;
}

static void map(HTTP_FILTER_URL_MAP *m) {
    if (!strcmp(doing, "path beyond")) memset(m->pszPhysicalPath, 'x', m->cbPathBuff + 1);
    if (!strcmp(doing, "path open")) memset(m->pszPhysicalPath, 'x', m->cbPathBuff);
    if (!strcmp(doing, "path pointer")) m->pszPhysicalPath = BAD;
}

static void authenticate(HTTP_FILTER_AUTHENT *a) {
    if (!strcmp(doing, "user beyond")) memset(a->pszUser, 'x', a->cbUserBuff + 1);
    if (!strcmp(doing, "password beyond")) memset(a->pszPassword, 'x', a->cbPasswordBuff + 8);
    if (!strcmp(doing, "password open")) memset(a->pszPassword, 'x', a->cbPasswordBuff);
    if (!strcmp(doing, "user pointer")) a->pszUser = a->pszPassword = BAD;
}

static DWORD log_it(HTTP_FILTER_LOG *l) {
    if (!strcmp(doing, "log pointer")) l->pszTarget = BAD;
    if (!strcmp(doing, "log open")) {
        char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(p + 4096, 4096, PROT_NONE);
        memset(p, 'x', 4096);
        l->pszTarget = p;
    }
    if (!strcmp(doing, "log long")) {
        char *p = malloc(1 << 20);
        memset(p, 'x', 1 << 20);
        p[(1 << 20) - 1] = 0;
        l->pszTarget = p;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    if (c->cbSize != sizeof *c || c->AllocMem == NULL || c->ServerContext == NULL) abort();
    switch (type) {
    case SF_NOTIFY_PREPROC_HEADERS: return preproc(c, data);
    case SF_NOTIFY_URL_MAP: map(data); break;
    case SF_NOTIFY_AUTHENTICATION: authenticate(data); break;
    case SF_NOTIFY_LOG: return log_it(data);
    case SF_NOTIFY_END_OF_REQUEST:
        if (!strcmp(doing, "thread")) {
            stop = 1;
            pthread_join(thread, NULL);
        }
        break;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
