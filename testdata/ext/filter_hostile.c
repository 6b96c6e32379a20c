/* Does what no filter may, as the header X-Hostile says:
 *
 *   nulls      every callback with NULL where it wants a pointer
 *   wild       every callback with pointers to nowhere, and the largest sizes
 *   stale      callbacks with a context that is over, invented, or no context at all
 *   late       a thread that calls back while and after the connection ends
 *   kept       the functions and structures of PREPROC_HEADERS in the LOG of the same request
 *   lines      CR and LF in everything that becomes a header
 *   path       fills all of pszPhysicalPath, without a NUL
 *   overrun    goes on behind it
 *   user       fills both buffers of AUTHENTICATION, without a NUL
 *   log        points everything in LOG to nowhere
 *   logend     points it to text without a NUL, at the end of a page
 *   raw        says that a block of SEND_RAW_DATA is longer than it is
 *   context    overwrites all of its HTTP_FILTER_CONTEXT
 *   big        AllocMem of everything there is
 *   crash      X-Hostile: crash PREPROC_HEADERS
 *   hang       X-Hostile: hang PREPROC_HEADERS
 *   unknown    returns numbers that are no status
 *
 * Those that call the server count in X-Survived the calls that failed as they have to, and in X-Wrong name those that did not. */
#include "filter.h"
#include <sys/mman.h>

#ifndef EVENTS
#define EVENTS                                                                                                         \
    (SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_URL_MAP | SF_NOTIFY_AUTHENTICATION | SF_NOTIFY_AUTH_COMPLETE |              \
     SF_NOTIFY_ACCESS_DENIED | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG |                    \
     SF_NOTIFY_END_OF_NET_SESSION)
#endif

FILTER("hostile", BOTH_PORTS | (EVENTS))

/* connection is the memory of one: malloc, so that it can be used when that of the server is gone. */
struct connection {
    char order[64];
    HTTP_FILTER_CONTEXT *pfc, functions;
    HTTP_FILTER_PREPROC_HEADERS *headers;
    unsigned survived;
    char wrong[256];
};

static void *const nowhere = (void *)(size_t)0x10;

/* refused counts a call that has to fail with an error. */
static void refused(struct connection *n, const char *call, BOOL ok) {
    unsigned error = outcome(ok);
    size_t len = strlen(n->wrong);
    if (error != 0)
        n->survived++;
    else
        snprintf(n->wrong + len, sizeof n->wrong - len, " %s", call);
}

static void nulls(struct connection *n, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    char buf[16];
    DWORD size = sizeof buf;
    refused(n, "GetServerVariable-name", c->GetServerVariable(c, NULL, buf, &size));
    refused(n, "GetServerVariable-size", c->GetServerVariable(c, "SERVER_NAME", buf, NULL));
    refused(n, "AddResponseHeaders", c->AddResponseHeaders(c, NULL, 0));
    refused(n, "WriteClient-buffer", c->WriteClient(c, NULL, &size, 0));
    refused(n, "WriteClient-size", c->WriteClient(c, buf, NULL, 0));
    refused(n, "normalize", c->ServerSupportFunction(c, SF_REQ_NORMALIZE_URL, NULL, 0, 0));
    refused(n, "property", c->ServerSupportFunction(c, SF_REQ_GET_PROPERTY, NULL, SF_PROPERTY_INSTANCE_NUM_ID, 0));
    refused(n, "denial", c->ServerSupportFunction(c, SF_REQ_ADD_HEADERS_ON_DENIAL, NULL, 0, 0));
    refused(n, "GetHeader-name", h->GetHeader(c, NULL, buf, &size));
    refused(n, "GetHeader-size", h->GetHeader(c, "url", buf, NULL));
    refused(n, "SetHeader-name", h->SetHeader(c, NULL, "x"));
    refused(n, "SetHeader-value", h->SetHeader(c, "X-A:", NULL));
    refused(n, "AddHeader-name", h->AddHeader(c, NULL, "x"));
    refused(n, "AddHeader-value", h->AddHeader(c, "X-A:", NULL));
}

static void wild(struct connection *n, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    char buf[16];
    DWORD size = sizeof buf, all = 0xffffffffu;
    refused(n, "GetServerVariable-name", c->GetServerVariable(c, nowhere, buf, &size));
    refused(n, "GetServerVariable-buffer", c->GetServerVariable(c, "ALL_RAW", nowhere, &all));
    refused(n, "GetServerVariable-size", c->GetServerVariable(c, "SERVER_NAME", buf, nowhere));
    refused(n, "AddResponseHeaders", c->AddResponseHeaders(c, nowhere, 0));
    refused(n, "WriteClient-size", c->WriteClient(c, buf, nowhere, 0));
    refused(n, "normalize", c->ServerSupportFunction(c, SF_REQ_NORMALIZE_URL, nowhere, 0, 0));
    refused(n, "property", c->ServerSupportFunction(c, SF_REQ_GET_PROPERTY, nowhere, SF_PROPERTY_INSTANCE_NUM_ID, 0));
    refused(n, "denial", c->ServerSupportFunction(c, SF_REQ_ADD_HEADERS_ON_DENIAL, nowhere, 0, 0));
    refused(n, "status", c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, nowhere, 0, 0));
    refused(n, "head", c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, "200 OK", (ULONG_PTR)nowhere, 0));
    refused(n, "code", c->ServerSupportFunction(c, (enum SF_REQ_TYPE)0x7ffffff, nowhere, (ULONG_PTR)nowhere, (ULONG_PTR)nowhere));
    refused(n, "GetHeader-name", h->GetHeader(c, nowhere, buf, &size));
    all = 0xffffffffu;
    refused(n, "GetHeader-buffer", h->GetHeader(c, "url", nowhere, &all));
    refused(n, "SetHeader-name", h->SetHeader(c, nowhere, "x"));
    refused(n, "SetHeader-value", h->SetHeader(c, "X-A:", nowhere));
    refused(n, "AddHeader-value", h->AddHeader(c, "X-A:", nowhere));
}

static void lines(struct connection *n, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    refused(n, "CRLF", h->SetHeader(c, "X-A:", "a\r\nX-Evil: yes"));
    refused(n, "LF", h->SetHeader(c, "X-A:", "a\nX-Evil: yes"));
    refused(n, "CR", h->AddHeader(c, "X-A:", "a\rX-Evil: yes"));
    refused(n, "name", h->SetHeader(c, "X-A\r\nX-Evil:", "yes"));
    refused(n, "no-colon", h->SetHeader(c, "X-A", "yes"));
    refused(n, "only-colon", h->SetHeader(c, ":", "yes"));
    refused(n, "url", h->SetHeader(c, "url", "/page.txt HTTP/1.1\r\nX-Evil: yes"));
    refused(n, "method", h->SetHeader(c, "method", "GET /\r\nX-Evil: yes"));
    refused(n, "version", h->SetHeader(c, "version", "HTTP/1.1\r\nX-Evil: yes"));
}

/* with_context makes the calls that need no more than a context. */
static void with_context(struct connection *n, const char *what, HTTP_FILTER_CONTEXT *c, const HTTP_FILTER_CONTEXT *functions) {
    char buf[64];
    DWORD size = sizeof buf;
    refused(n, what, functions->GetServerVariable(c, "SERVER_NAME", buf, &size));
    refused(n, what, functions->AddResponseHeaders(c, "X-Evil: yes\r\n", 0));
    size = 4;
    refused(n, what, functions->WriteClient(c, "evil", &size, 0));
    refused(n, what, functions->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, "200 Evil", 0, 0));
    if (functions->AllocMem(c, 10, 0) != NULL) refused(n, "AllocMem", TRUE);
}

static void stale(struct connection *n, HTTP_FILTER_CONTEXT *c) {
    static HTTP_FILTER_CONTEXT mine;
    HTTP_FILTER_CONTEXT copy = *c;
    mine = *c;
    with_context(n, "NULL", NULL, c);
    with_context(n, "nowhere", nowhere, c);
    with_context(n, "copy", &copy, c);
    with_context(n, "static", &mine, c);
    with_context(n, "middle", (HTTP_FILTER_CONTEXT *)(void *)((char *)c + 8), c);
}

/* late calls back for a while, whatever has become of the context, with functions that were copied. */
static void *late(void *arg) {
    struct connection *n = arg;
    HTTP_FILTER_CONTEXT functions = n->functions;
    char buf[64];
    DWORD size;
    int i;
    for (i = 0; i < 300; i++) {
        size = sizeof buf;
        functions.GetServerVariable(n->pfc, "SERVER_NAME", buf, &size);
        functions.AllocMem(n->pfc, 10, 0);
        functions.AddResponseHeaders(n->pfc, "X-Late: yes\r\n", 0);
        Sleep(1);
    }
    size = 4;
    trace("late %u", outcome(functions.WriteClient(n->pfc, "late", &size, 0)));
    return NULL;
}

static void fill_log(HTTP_FILTER_LOG *l, const char *text) {
    l->pszClientHostName = l->pszClientUserName = l->pszServerName = text;
    l->pszOperation = l->pszTarget = l->pszParameters = text;
}

/* endless is text that goes up to memory that is not there. */
static const char *endless(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (two == MAP_FAILED) return "";
    munmap(two + page, page);
    return memset(two, 'e', page);
}

static BOOL asked_for(const struct connection *n, const char *order) {
    size_t len = strlen(order);
    return strncmp(n->order, order, len) == 0 && (n->order[len] == 0 || n->order[len] == ' ');
}

static void preproc(struct connection *n, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    pthread_t thread;
    int i;
    n->headers = h;
    n->functions = *c;
    if (asked_for(n, "nulls")) nulls(n, c, h);
    if (asked_for(n, "wild")) wild(n, c, h);
    if (asked_for(n, "lines")) lines(n, c, h);
    if (asked_for(n, "stale")) stale(n, c);
    if (asked_for(n, "late") && pthread_create(&thread, NULL, late, n) == 0) pthread_detach(thread);
    if (asked_for(n, "context")) memset(c, 0x5a, sizeof *c);
    if (asked_for(n, "big")) {
        if (c->AllocMem(c, 0xffffffffu, 0) != NULL) refused(n, "4-GiB", TRUE);
        for (i = 0; i < 100000 && c->AllocMem(c, 1 << 20, 0) != NULL; i++) continue;
        if (i == 100000) refused(n, "100-GiB", TRUE);
        n->survived++;
    }
}

static void map(struct connection *n, HTTP_FILTER_URL_MAP *m) {
    if (asked_for(n, "path")) memset(m->pszPhysicalPath, 'p', m->cbPathBuff);
    if (asked_for(n, "overrun")) memset(m->pszPhysicalPath, 'o', m->cbPathBuff + (256u << 10));
}

static void authentication(struct connection *n, HTTP_FILTER_AUTHENT *a) {
    if (!asked_for(n, "user")) return;
    memset(a->pszUser, 'u', a->cbUserBuff);
    memset(a->pszPassword, 'p', a->cbPasswordBuff);
}

static void respond(struct connection *n, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_SEND_RESPONSE *h) {
    char text[32];
    snprintf(text, sizeof text, "%u", n->survived);
    h->SetHeader(c, "X-Survived:", text);
    h->SetHeader(c, "X-Wrong:", n->wrong[0] ? n->wrong + 1 : "");
}

static void log_event(struct connection *n, HTTP_FILTER_CONTEXT *c, HTTP_FILTER_LOG *l) {
    if (asked_for(n, "kept")) {
        char buf[64];
        DWORD size = sizeof buf;
        unsigned got = outcome(n->headers->GetHeader(c, "url", buf, &size));
        unsigned set = outcome(n->headers->SetHeader(c, "X-A:", "b"));
        trace("kept %u %u", got, set);
    }
    if (asked_for(n, "log")) fill_log(l, nowhere);
    if (asked_for(n, "logend")) fill_log(l, endless());
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct connection *n = c->pFilterContext;
    if (n == NULL && (n = c->pFilterContext = calloc(1, sizeof *n)) == NULL) return SF_STATUS_REQ_ERROR;
    if (type == SF_NOTIFY_PREPROC_HEADERS) {
        memset(n, 0, sizeof *n);
        filter_var(c, "HTTP_X_HOSTILE", n->order, sizeof n->order);
    }
    n->pfc = c;
    if (strstr(n->order, event_name(type))) { /* LOG is no part of another name */
        if (asked_for(n, "crash")) *(volatile int *)16 = 1;
        if (asked_for(n, "hang")) for (;;) pause();
    }
    switch (type) {
    case SF_NOTIFY_PREPROC_HEADERS: preproc(n, c, data); break;
    case SF_NOTIFY_URL_MAP: map(n, data); break;
    case SF_NOTIFY_AUTHENTICATION: authentication(n, data); break;
    case SF_NOTIFY_SEND_RESPONSE: respond(n, c, data); break;
    case SF_NOTIFY_LOG: log_event(n, c, data); break;
    case SF_NOTIFY_SEND_RAW_DATA:
        if (asked_for(n, "raw")) ((HTTP_FILTER_RAW_DATA *)data)->cbInData = 0x7fffffff;
        break;
    }
    return asked_for(n, "unknown") ? (type == SF_NOTIFY_PREPROC_HEADERS ? 0xffffffffu : 0) : SF_STATUS_REQ_NEXT_NOTIFICATION;
}
