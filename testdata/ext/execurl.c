/* Child requests, by the first word of the query; url= and what else a call takes are parameters.
 *
 *   exec    EXEC_URL: method=, headers=, entity=, flags=; unicode=1 for the UNICODE twin; cb=0 without a callback; read= bytes
 *           of the body are read before, pre= is a header sent before, then= is written in the callback
 *   send    SEND_URL; verb= for SEND_URL_EX; pre= and then= likewise; twice=1 asks again; cb=1 sets a callback; pending=1 calls from a
 *           thread after PENDING
 *   echo    answers method, headers and body of this request
 *   drip    writes a, flushes, waits for the file wait=, writes b
 *   break   promises ten bytes and sends three
 *
 * The log data, and the file named by told=, have the result of the call; for EXEC_URL the completion's error and what
 * GET_EXEC_URL_STATUS says. */
#include "fixture.h"
#include <unistd.h>

FIXTURE("execurl")

static unsigned code(EXTENSION_CONTROL_BLOCK *e, DWORD c, void *buf, void *type) {
    return outcome(e->ServerSupportFunction(e->ConnID, c, buf, NULL, (LPDWORD)type));
}

static void on(EXTENSION_CONTROL_BLOCK *e, PFN_HSE_IO_COMPLETION f) {
    void *p; /* ISO C has no cast for this */
    memcpy(&p, &f, sizeof p);
    code(e, HSE_REQ_IO_COMPLETION, p, NULL);
}

static void then(EXTENSION_CONTROL_BLOCK *e) {
    char *text = param(e, "then", NULL);
    if (text) report(e, "then %u", outcome(put(e, text, strlen(text))));
    free(text);
}

static void WINAPI executed(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    HSE_EXEC_URL_STATUS s;
    (void)context, (void)n;
    code(e, HSE_REQ_GET_EXEC_URL_STATUS, &s, NULL);
    report(e, " %u %u.%u.%u ", (unsigned)error, s.uHttpStatusCode, s.uHttpSubStatus, (unsigned)s.dwWin32Error);
    then(e);
    code(e, HSE_REQ_DONE_WITH_SESSION, NULL, NULL);
}

static void WINAPI sent(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)context;
    report(e, " %u:%u", (unsigned)n, (unsigned)error);
}

static void pre(EXTENSION_CONTROL_BLOCK *e) {
    HSE_SEND_HEADER_EX_INFO h = {0};
    char *text = param(e, "pre", NULL);
    h.pszHeader = text;
    h.fKeepConn = TRUE;
    if (text) code(e, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL);
    free(text);
}

static DWORD exec(EXTENSION_CONTROL_BLOCK *e) {
    HSE_EXEC_URL_INFO x = {0};
    HSE_EXEC_URL_ENTITY_INFO entity = {0};
    WCHAR wide[1024] = {0};
    char skip[256];
    size_t size = 0, i;
    DWORD n = (DWORD)number(e, "read", 0), request = HSE_REQ_EXEC_URL;
    unsigned error;
    if (n) e->ReadClient(e->ConnID, skip, &n);
    if (number(e, "cb", 1)) on(e, executed);
    pre(e);
    x.pszUrl = param(e, "url", NULL);
    x.pszMethod = param(e, "method", NULL);
    x.pszChildHeaders = param(e, "headers", NULL);
    x.dwExecUrlFlags = (DWORD)number(e, "flags", 0);
    entity.lpbData = param(e, "entity", &size);
    entity.cbAvailable = (DWORD)size;
    if (entity.lpbData) x.pEntity = &entity;
    if (number(e, "unicode", 0)) {
        for (i = 0; x.pszUrl[i] && i < 1000; i++) wide[i] = (unsigned char)x.pszUrl[i];
        free(x.pszUrl);
        x.pszUrl = (LPSTR)wide; /* the twins differ in the type of this member only */
        request = HSE_REQ_EXEC_UNICODE_URL;
    }
    error = code(e, request, &x, NULL);
    if (x.pszUrl != (LPSTR)wide) free(x.pszUrl);
    free(x.pszMethod);
    free(x.pszChildHeaders);
    free(entity.lpbData);
    if (error == 0) return HSE_STATUS_PENDING;
    report(e, "%u ", error);
    then(e);
    return HSE_STATUS_SUCCESS;
}

static void sendurl(EXTENSION_CONTROL_BLOCK *e) {
    char *url = param(e, "url", NULL), *verb = param(e, "verb", NULL);
    DWORD request = verb ? HSE_REQ_SEND_URL_EX : HSE_REQ_SEND_URL;
    if (number(e, "cb", 0)) on(e, sent);
    pre(e);
    report(e, "%u ", code(e, request, url, verb));
    if (number(e, "twice", 0)) report(e, "%u ", code(e, request, url, verb));
    then(e);
    free(url);
    free(verb);
}

static DWORD WINAPI later(LPVOID p) {
    EXTENSION_CONTROL_BLOCK *e = p;
    sendurl(e);
    code(e, HSE_REQ_DONE_WITH_SESSION, NULL, NULL);
    return 0;
}

static void echo(EXTENSION_CONTROL_BLOCK *e) {
    char headers[2048] = "", length[32] = "none", body[512];
    DWORD n = sizeof headers, have = e->cbAvailable < sizeof body ? e->cbAvailable : (DWORD)sizeof body;
    e->GetServerVariable(e->ConnID, (LPSTR)"ALL_RAW", headers, &n);
    n = sizeof length;
    e->GetServerVariable(e->ConnID, (LPSTR)"CONTENT_LENGTH", length, &n);
    memcpy(body, e->lpbData, have);
    while ((n = (DWORD)sizeof body - have) > 0 && e->ReadClient(e->ConnID, body + have, &n) && n > 0) have += n;
    sayf(e, "%s %s length=%s total=%d body=%.*s\n%s", e->lpszMethod, e->lpszPathInfo, length, (int)e->cbTotalBytes, (int)have, body, headers);
}

static void drip(EXTENSION_CONTROL_BLOCK *e) {
    char *file = param(e, "wait", NULL);
    code(e, HSE_REQ_SET_FLUSH_FLAG, (void *)1, NULL);
    code(e, HSE_REQ_SEND_RESPONSE_HEADER, NULL, (void *)"Content-Type: text/x\r\n\r\n");
    put(e, "a", 1);
    while (access(file, F_OK) != 0) Sleep(1);
    put(e, "b", 1);
    free(file);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (asked(e, "exec")) return exec(e);
    if (asked(e, "echo")) {
        echo(e);
    } else if (asked(e, "drip")) {
        drip(e);
    } else if (asked(e, "break")) {
        code(e, HSE_REQ_SEND_RESPONSE_HEADER, NULL, (void *)"Content-Length: 10\r\n\r\n");
        put(e, "abc", 3);
    } else if (number(e, "pending", 0)) {
        CloseHandle(CreateThread(NULL, 0, later, e, 0, NULL));
        return HSE_STATUS_PENDING;
    } else {
        sendurl(e);
    }
    return HSE_STATUS_SUCCESS;
}
