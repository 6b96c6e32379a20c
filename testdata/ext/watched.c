/* Makes calls for those who watch, by the first word of the query:
 *
 *   variables   GetServerVariable, also of secrets
 *   codes       every code of ServerSupportFunction that is not about the response
 *   header      responses: SEND_RESPONSE_HEADER, _EX, TRANSMIT_FILE, VECTOR_SEND, texts that would do something to a terminal
 *   body        ReadClient, WriteClient
 *   bad         pointers to nowhere
 *   thread      PENDING, then WriteClient and DONE_WITH_SESSION on a thread of its own
 *   async       PENDING, an asynchronous WriteClient, DONE_WITH_SESSION in the completion
 *   crash       a fault after WriteClient */
#include "fixture.h"
#include <pthread.h>

FIXTURE("watched")

/* HTTP_TRACE_CONFIGURATION and the beginning of HTTP_TRACE_EVENT of the IIS 7 headers. */
struct configuration { const void *provider; DWORD areas, verbosity; BOOL enabled; };
struct event { const void *provider; DWORD area; const void *guid; DWORD event; const WCHAR *name; };

static void *nowhere(void) { return (void *)(size_t)0x7dead0000; }

static void variable(EXTENSION_CONTROL_BLOCK *e, const char *name, DWORD size) {
    char value[2048];
    memset(value, 'x', sizeof value);
    (void)e->GetServerVariable(e->ConnID, (LPSTR)name, value, &size);
}

static void variables(EXTENSION_CONTROL_BLOCK *e) {
    static const char *const names[] = {
        "SERVER_PROTOCOL", "HTTP_AUTHORIZATION", "http_cookie", "HEADER_Cookie", "AUTH_PASSWORD", "UNICODE_AUTH_PASSWORD", "UNICODE_SERVER_PROTOCOL",
        "ALL_HTTP", "ALL_RAW", "NO_SUCH_VARIABLE", "HTTP_X-EVIL"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++) variable(e, names[i], 2048);
    variable(e, "SERVER_PROTOCOL", 3);
    variable(e, "HTTP_COOKIE", 3);
    say(e, "done");
}

static BOOL code(EXTENSION_CONTROL_BLOCK *e, DWORD c, void *buf, void *size, void *type) {
    return e->ServerSupportFunction(e->ConnID, c, buf, (LPDWORD)size, (LPDWORD)type);
}

static void WINAPI completed(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)context, (void)n, (void)error;
    code(e, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static void *callback(void) {
    PFN_HSE_IO_COMPLETION f = completed;
    void *p;
    memcpy(&p, &f, sizeof p);
    return p;
}

static void codes(EXTENSION_CONTROL_BLOCK *e) {
    char buffer[512] = "/a/b";
    WCHAR wide[512] = {'/', 'w', 0};
    DWORD size = sizeof buffer, answer = 0, flags = HSE_IO_ASYNC;
    HSE_URL_MAPEX_INFO map;
    HSE_UNICODE_URL_MAPEX_INFO wmap;
    CERT_CONTEXT_EX cert;
    HSE_EXEC_URL_STATUS status;
    HSE_TRACE_INFO trace;
    struct configuration conf;
    struct event event;
    HSE_EXEC_URL_INFO exec;
    HSE_EXEC_URL_ENTITY_INFO entity = {5, (LPVOID) "hello"};
    memset(&cert, 0, sizeof cert);
    memset(&conf, 0, sizeof conf);
    memset(&event, 0, sizeof event);
    memset(&exec, 0, sizeof exec);
    code(e, HSE_REQ_MAP_URL_TO_PATH, buffer, &size, NULL);
    code(e, HSE_REQ_MAP_URL_TO_PATH_EX, (void *)"/a/c", &size, &map);
    size = sizeof wide;
    code(e, HSE_REQ_MAP_UNICODE_URL_TO_PATH, wide, &size, NULL);
    wide[0] = '/', wide[1] = 'v', wide[2] = 0;
    code(e, HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX, wide, NULL, &wmap);
    strcpy(buffer, "/a/../b%41");
    code(e, HSE_REQ_NORMALIZE_URL, buffer, NULL, NULL);
    code(e, HSE_APPEND_LOG_PARAMETER, (void *)"logged", NULL, NULL);
    code(e, HSE_REQ_IS_KEEP_CONN, &answer, NULL, NULL);
    code(e, HSE_REQ_IS_CONNECTED, &answer, NULL, NULL);
    code(e, HSE_REQ_IS_IN_PROCESS, &answer, NULL, NULL);
    code(e, HSE_REQ_GET_CERT_INFO_EX, &cert, NULL, NULL);
    code(e, HSE_REQ_SET_FLUSH_FLAG, (void *)1, NULL, NULL);
    code(e, HSE_REQ_GET_TRACE_INFO, &trace, NULL, NULL);
    code(e, HSE_REQ_GET_TRACE_INFO_EX, &conf, NULL, NULL);
    wide[0] = 'e', wide[1] = 'v', wide[2] = 0;
    event.event = 7;
    event.name = wide;
    code(e, HSE_REQ_RAISE_TRACE_EVENT, &event, NULL, NULL);
    code(e, HSE_REQ_REPORT_UNHEALTHY, (void *)"tired", NULL, NULL);
    code(e, HSE_REQ_GET_EXEC_URL_STATUS, &status, NULL, NULL);
    code(e, HSE_REQ_CANCEL_IO, NULL, NULL, NULL);
    code(e, HSE_REQ_GET_FILE_DESCRIPTOR, &answer, NULL, NULL);
    code(e, HSE_REQ_ABORTIVE_CLOSE, NULL, NULL, NULL);
    exec.pszUrl = (LPSTR) "/child?x";
    exec.pszMethod = (LPSTR) "POST";
    exec.pszChildHeaders = (LPSTR) "A: b\r\nCookie: s3cr3t\r\n";
    exec.pEntity = &entity;
    exec.dwExecUrlFlags = HSE_EXEC_URL_NO_HEADERS | HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR;
    code(e, HSE_REQ_EXEC_URL, &exec, NULL, NULL); /* there is no completion callback */
    size = 9;
    code(e, HSE_REQ_ASYNC_READ_CLIENT, buffer, &size, &flags);
    code(e, HSE_REQ_IO_COMPLETION, callback(), NULL, e);
    code(e, 4711, buffer, &size, NULL);
    say(e, "done");
}

static void header(EXTENSION_CONTROL_BLOCK *e) {
    HSE_TF_INFO file;
    HSE_VECTOR_ELEMENT parts[2];
    HSE_RESPONSE_VECTOR vector;
    HSE_CUSTOM_ERROR_INFO error = {(CHAR *)"404 Gone", 3, FALSE};
    memset(&file, 0, sizeof file);
    memset(parts, 0, sizeof parts);
    memset(&vector, 0, sizeof vector);
    code(e, HSE_REQ_SEND_RESPONSE_HEADER, (void *)"200 OK", NULL, (void *)"Set-Cookie: s3cr3t=1\r\n folded=s3cr3t\r\nX-Evil: \xc2\x9b" "31m\r\n\r\n");
    code(e, HSE_REQ_SEND_RESPONSE_HEADER, (void *)"200 \x1b[2J", NULL, (void *)"bad");
    file.dwFlags = HSE_IO_SEND_HEADERS;
    file.pszStatusCode = "201 Created";
    file.pHead = (void *)"Set-Cookie: s3cr3t=2\r\n\r\n";
    file.HeadLength = 24;
    code(e, HSE_REQ_TRANSMIT_FILE, &file, NULL, NULL);
    file.dwFlags = 0;
    file.pHead = (void *)"some\nSet-Cookie: s3cr3t";
    file.HeadLength = 23;
    code(e, HSE_REQ_TRANSMIT_FILE, &file, NULL, NULL);
    parts[0].ElementType = HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER;
    parts[0].pvContext = (PVOID) "first";
    parts[0].cbSize = 5;
    parts[1] = parts[0];
    vector.dwFlags = HSE_IO_SYNC;
    vector.nElementCount = 2;
    vector.lpElementArray = parts;
    code(e, HSE_REQ_VECTOR_SEND, &vector, NULL, NULL);
    code(e, HSE_REQ_SEND_CUSTOM_ERROR, &error, NULL, NULL);
    code(e, HSE_REQ_SEND_URL_REDIRECT_RESP, (void *)"/elsewhere", NULL, NULL);
    code(e, HSE_REQ_SEND_URL, (void *)"/child", NULL, NULL);
    code(e, HSE_REQ_SEND_URL_EX, (void *)"/child", NULL, (void *)"HEAD");
    code(e, HSE_REQ_CLOSE_CONNECTION, NULL, NULL, NULL);
}

static void body(EXTENSION_CONTROL_BLOCK *e) {
    char buffer[64];
    DWORD n = 6;
    e->ReadClient(e->ConnID, buffer, &n);
    n = sizeof buffer;
    e->ReadClient(e->ConnID, buffer, &n);
    say(e, "An answer\nSet-Cookie: s3cr3t");
}

static void bad(EXTENSION_CONTROL_BLOCK *e) {
    DWORD n = 5;
    e->GetServerVariable(e->ConnID, nowhere(), nowhere(), nowhere());
    e->WriteClient(e->ConnID, nowhere(), &n, 0);
    e->ReadClient(e->ConnID, nowhere(), &n);
    code(e, HSE_REQ_SEND_RESPONSE_HEADER_EX, nowhere(), NULL, NULL);
    code(e, HSE_REQ_SEND_RESPONSE_HEADER, nowhere(), NULL, NULL);
    code(e, HSE_REQ_VECTOR_SEND, NULL, NULL, NULL);
    code(e, 4711, nowhere(), nowhere(), nowhere());
    say(e, "done");
}

static void *on_own_thread(void *arg) {
    EXTENSION_CONTROL_BLOCK *e = arg;
    say(e, "late");
    code(e, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
    return NULL;
}

static DWORD async(EXTENSION_CONTROL_BLOCK *e) {
    DWORD n = 5;
    code(e, HSE_REQ_IO_COMPLETION, callback(), NULL, NULL);
    e->WriteClient(e->ConnID, (LPVOID) "later", &n, HSE_IO_ASYNC);
    return HSE_STATUS_PENDING;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (asked(e, "variables")) variables(e);
    if (asked(e, "codes")) codes(e);
    if (asked(e, "header")) header(e);
    if (asked(e, "body")) body(e);
    if (asked(e, "bad")) bad(e);
    if (asked(e, "async")) return async(e);
    if (asked(e, "thread")) {
        pthread_t t;
        if (pthread_create(&t, NULL, on_own_thread, e)) return HSE_STATUS_ERROR;
        pthread_detach(t);
        return HSE_STATUS_PENDING;
    }
    if (asked(e, "crash")) {
        put(e, "half", 4);
        *(volatile int *)0x10 = 1;
    }
    return HSE_STATUS_SUCCESS;
}
