/* Asks for server variables, as the query string tells:
 *
 *   value=NAME            answers the value, or "error N"; asks as real modules do: again for as long as 122 offers more
 *   list=A,B,…            the same, a line "NAME=value" each
 *   wide=NAME             UNICODE_NAME, its units as text; other than ASCII as \uXXXX
 *   room=N&of=NAME        one call with room for N bytes: error, size afterwards, last error, text, and how many bytes
 *                         were touched. last=N: the last error before
 *   null=N&of=NAME        the same without a buffer
 *   hostile               bad arguments, an error each
 *   thread=NAME           value, on a thread of its own while the request is pending
 *   gone                  asks with the ConnID that "thread" had, which is no more
 *   child=NAME            the value before and after a child request of EXEC_URL, for /child */
#include "fixture.h"
#include <stdint.h>

FIXTURE("variables")

enum { TOO_MANY = 16 };

static HCONN last;

/* ask answers the value in memory to free, or NULL and the error. */
static char *ask(EXTENSION_CONTROL_BLOCK *e, const char *name, DWORD *size, unsigned *error) {
    char *value = malloc(1);
    int i;
    *size = 1;
    for (i = 0; i < TOO_MANY; i++) {
        DWORD room = *size;
        SetLastError(0);
        *error = outcome(e->GetServerVariable(e->ConnID, (LPSTR)name, value, size));
        if (*error == 0) return value;
        if (*error != ERROR_INSUFFICIENT_BUFFER) break;
        if (*size <= room) *error = 9999; /* would be asked for ever */
        if (*size <= room) break;
        value = realloc(value, *size);
    }
    free(value);
    return NULL;
}

static char *text_of(EXTENSION_CONTROL_BLOCK *e, const char *name) {
    DWORD size;
    unsigned error;
    char *value = ask(e, name, &size, &error);
    if (value && strlen(value) + 1 != size) {
        free(value);
        value = NULL;
        error = 9998; /* the size does not count the NUL */
    }
    if (value == NULL) snprintf(value = malloc(32), 32, "error %u", error);
    return value;
}

static void value(EXTENSION_CONTROL_BLOCK *e, const char *name) {
    char *v = text_of(e, name);
    say(e, v);
    free(v);
}

static void list(EXTENSION_CONTROL_BLOCK *e, char *names) {
    char *page = malloc(1 << 20), *rest = NULL, *name;
    page[0] = 0;
    for (name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        char *v = text_of(e, name);
        sprintf(page + strlen(page), "%s=%.8000s\n", name, v);
        free(v);
    }
    say(e, page);
    free(page);
}

static void wide(EXTENSION_CONTROL_BLOCK *e, const char *name) {
    char *page = malloc(1 << 16), full[256];
    DWORD size, i;
    unsigned error;
    WCHAR *v;
    snprintf(full, sizeof full, "UNICODE_%s", name);
    v = (WCHAR *)(void *)ask(e, full, &size, &error);
    page[0] = 0;
    if (v == NULL) sprintf(page, "error %u", error);
    for (i = 0; v && i < size / 2; i++) sprintf(page + strlen(page), v[i] > 31 && v[i] < 127 ? "%c" : "\\u%04x", v[i]);
    say(e, page);
    free(v);
    free(page);
}

static void once(EXTENSION_CONTROL_BLOCK *e, DWORD room, BOOL buffer) {
    char memory[4096], *name = param(e, "of", NULL);
    DWORD size = room, touched = sizeof memory;
    unsigned error, after;
    BOOL ok;
    memset(memory, 0x5a, sizeof memory);
    SetLastError((DWORD)number(e, "last", 0));
    ok = e->GetServerVariable(e->ConnID, name, buffer ? memory : NULL, &size);
    after = GetLastError();
    error = ok ? 0 : after;
    while (touched > 0 && memory[touched - 1] == 0x5a) touched--;
    sayf(e, "%u size=%u last=%u text=%s touched=%u", error, (unsigned)size, after, ok && buffer ? memory : "", (unsigned)touched);
    free(name);
}

static unsigned bad(EXTENSION_CONTROL_BLOCK *e, HCONN conn, const void *name, void *buffer, void *size) {
    SetLastError(4711);
    return outcome(e->GetServerVariable(conn, (LPSTR)(uintptr_t)name, buffer, (LPDWORD)size));
}

static void hostile(EXTENSION_CONTROL_BLOCK *e) {
    void *const nowhere = (void *)(uintptr_t)0x7dead0000;
    char b[64], *page = malloc(4096);
    DWORD n = sizeof b;
    page[0] = 0;
#define TRY(what, conn, name, buffer, size) sprintf(page + strlen(page), "%s %u\n", what, bad(e, conn, name, buffer, size))
    TRY("no conn", NULL, "URL", b, &n);
    TRY("conn beside", (HCONN)((char *)e + 8), "URL", b, &n);
    TRY("conn of the stack", (HCONN)&n, "URL", b, &n);
    TRY("conn nowhere", nowhere, "URL", b, &n);
    TRY("no name", e->ConnID, NULL, b, &n);
    TRY("name nowhere", e->ConnID, nowhere, b, &n);
    TRY("no size", e->ConnID, "URL", b, NULL);
    TRY("size nowhere", e->ConnID, "URL", b, nowhere);
    n = sizeof b;
    TRY("buffer nowhere", e->ConnID, "URL", nowhere, &n);
    n = sizeof b;
    TRY("buffer not writable", e->ConnID, "URL", (void *)(uintptr_t)"literal, literal, literal, literal", &n);
    n = sizeof b;
    TRY("empty name", e->ConnID, "", b, &n);
    TRY("the block as conn", (HCONN)e, "URL", b, &n);
#undef TRY
    say(e, page);
    free(page);
}

static void *apart(void *p) {
    EXTENSION_CONTROL_BLOCK *e = p;
    char *name = param(e, "thread", NULL);
    value(e, name);
    free(name);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
    return NULL;
}

static void WINAPI done(EXTENSION_CONTROL_BLOCK *e, PVOID before, DWORD n, DWORD error) {
    char *name = param(e, "child", NULL), *after = text_of(e, name), *page = malloc(strlen(before) + strlen(after) + 64);
    (void)n;
    sprintf(page, "\n%u\n%s\n%s", (unsigned)error, (char *)before, after);
    put(e, page, strlen(page));
    free(name);
    free(before);
    free(after);
    free(page);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static DWORD child(EXTENSION_CONTROL_BLOCK *e, const char *name) {
    HSE_EXEC_URL_INFO info = {0};
    info.pszUrl = "/child?other";
    info.pszMethod = "PUT";
    info.pszChildHeaders = "X-Test: of the child\r\nHost: child\r\n";
    return e->ServerSupportFunction(e->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)(uintptr_t)done, NULL, (LPDWORD)(void *)text_of(e, name)) &&
                   e->ServerSupportFunction(e->ConnID, HSE_REQ_EXEC_URL, &info, NULL, NULL)
               ? HSE_STATUS_PENDING
               : HSE_STATUS_ERROR;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char *name, room[16];
    DWORD n = sizeof room, result = HSE_STATUS_SUCCESS;
    if ((name = param(e, "value", NULL)) != NULL) value(e, name);
    else if ((name = param(e, "list", NULL)) != NULL) list(e, name);
    else if ((name = param(e, "wide", NULL)) != NULL) wide(e, name);
    else if ((name = param(e, "child", NULL)) != NULL) result = child(e, name);
    else if (asked(e, "room=")) once(e, (DWORD)number(e, "room", 0), TRUE);
    else if (asked(e, "null=")) once(e, (DWORD)number(e, "null", 0), FALSE);
    else if (asked(e, "hostile")) hostile(e);
    else if (asked(e, "gone")) sayf(e, "%u", bad(e, last, "URL", room, &n));
    else if (asked(e, "thread=")) {
        pthread_t t;
        last = e->ConnID;
        if (pthread_create(&t, NULL, apart, e) != 0) return HSE_STATUS_ERROR;
        pthread_detach(t);
        return HSE_STATUS_PENDING;
    }
    free(name);
    return result;
}
