/* Does one thing that an extension must not do, or its proper counterpart, as the query string names it; a name with -ok is the
 * proper one. keep remembers the ConnID of a request for the one after it. */
#include <pthread.h>
#include <sys/mman.h>
#include "fixture.h"

FIXTURE("misuse")

#define STEP static __attribute__((noinline)) /* a stack names it */

static EXTENSION_CONTROL_BLOCK kept;
static BOOL proper;

/* is tells whether the query string is that word, with or without -ok. */
static BOOL is(const EXTENSION_CONTROL_BLOCK *e, const char *word) {
    size_t n = strlen(word);
    const char *rest = e->lpszQueryString + n;
    if (strncmp(e->lpszQueryString, word, n) != 0) return FALSE;
    proper = strncmp(rest, "-ok", 3) == 0;
    rest += proper ? 3 : 0;
    return *rest == 0 || *rest == '&';
}

STEP void head(EXTENSION_CONTROL_BLOCK *e, const char *text) {
    e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, (LPVOID)"200 OK", NULL, (LPDWORD)text);
}

STEP void call_back(EXTENSION_CONTROL_BLOCK *e, HCONN conn) {
    char url[256];
    DWORD n = sizeof url;
    e->GetServerVariable(conn, (LPSTR)"URL", url, &n);
}

static void *late(void *conn) {
    call_back(&kept, conn);
    return NULL;
}

static void on_thread(void *(*f)(void *), void *arg) {
    pthread_t t;
    if (pthread_create(&t, NULL, f, arg)) abort();
    pthread_join(t, NULL);
}

/* room asks for a variable and gives a buffer at the end of a page, which it says is one byte longer. */
STEP void room(EXTENSION_CONTROL_BLOCK *e) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    DWORD n = proper ? 128 : 129;
    mprotect(pages + 4096, 4096, PROT_NONE);
    e->GetServerVariable(e->ConnID, (LPSTR)"URL", pages + 4096 - 128, &n);
    munmap(pages, 8192);
}

STEP void header_ex(EXTENSION_CONTROL_BLOCK *e, DWORD more) {
    HSE_SEND_HEADER_EX_INFO h = {0};
    h.pszStatus = "200 OK";
    h.cchStatus = 6;
    h.pszHeader = "Content-Length: 0\r\n\r\n";
    h.cchHeader = (DWORD)strlen(h.pszHeader) + more;
    e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL);
}

STEP void vector(EXTENSION_CONTROL_BLOCK *e) {
    HSE_VECTOR_ELEMENT el = {0};
    HSE_RESPONSE_VECTOR v = {0};
    el.ElementType = HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER;
    el.pvContext = "hello";
    el.cbSize = proper ? 5 : 0;
    v.dwFlags = HSE_IO_SYNC;
    v.nElementCount = 1;
    v.lpElementArray = &el;
    e->ServerSupportFunction(e->ConnID, HSE_REQ_VECTOR_SEND, &v, NULL, NULL);
}

/* inject makes a field of the response of what the client sent as value=, or its first line, if it is to be done properly. */
STEP void inject(EXTENSION_CONTROL_BLOCK *e) {
    char *value = param(e, "value", NULL), text[512];
    if (value && proper) value[strcspn(value, "\r\n")] = 0;
    snprintf(text, sizeof text, "Content-Length: 0\r\nX-Value: %s\r\n\r\n", value);
    head(e, text);
    free(value);
}

STEP void redirect(EXTENSION_CONTROL_BLOCK *e) {
    DWORD n = 4;
    e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_URL_REDIRECT_RESP, (LPVOID)(proper ? "/else" : "/else\r\nX-Evil: 1"), &n, NULL);
}

static void WINAPI completed(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)context, (void)n, (void)error;
    say(e, "done");
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static void WINAPI completed_quietly(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)e, (void)context, (void)n, (void)error;
}

/* reads begins so many asynchronous reads. */
STEP void reads(EXTENSION_CONTROL_BLOCK *e, int times, PFN_HSE_IO_COMPLETION f) {
    static char buf[64];
    static DWORD n, flags;
    e->ServerSupportFunction(e->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)(size_t)f, NULL, NULL);
    while (times--) {
        n = sizeof buf;
        flags = HSE_IO_ASYNC;
        e->ServerSupportFunction(e->ConnID, HSE_REQ_ASYNC_READ_CLIENT, buf, &n, &flags);
    }
}

STEP void write_n(EXTENSION_CONTROL_BLOCK *e, LPVOID buf, LPDWORD size) {
    e->WriteClient(e->ConnID, buf, size, HSE_IO_SYNC);
}

STEP void done(EXTENSION_CONTROL_BLOCK *e) {
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    DWORD five = 5, minus = (DWORD)-5;
    if (is(e, "keep")) {
        kept = *e;
        say(e, "kept");
    } else if (is(e, "ended")) {
        call_back(e, proper ? e->ConnID : kept.ConnID);
        say(e, "ok");
    } else if (is(e, "ended-thread")) {
        on_thread(late, proper ? e->ConnID : kept.ConnID);
        say(e, "ok");
    } else if (is(e, "unknown")) {
        call_back(e, proper ? e->ConnID : (HCONN)&kept);
        say(e, "ok");
    } else if (is(e, "done-late")) {
        say(e, "ok");
        e->ServerSupportFunction(kept.ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
    } else if (is(e, "done-twice")) {
        say(e, "ok");
        done(e);
        if (!proper) done(e);
        return HSE_STATUS_PENDING;
    } else if (is(e, "done-and-success")) {
        say(e, "ok");
        if (!proper) done(e);
    } else if (is(e, "pending")) {
        reads(e, 1, proper ? completed : completed_quietly);
        if (!proper) say(e, "ok");
        return proper ? HSE_STATUS_PENDING : HSE_STATUS_SUCCESS;
    } else if (is(e, "two")) {
        reads(e, proper ? 1 : 2, completed);
        return HSE_STATUS_PENDING;
    } else if (is(e, "never")) {
        say(e, "ok");
        if (proper) done(e);
        return HSE_STATUS_PENDING;
    } else if (is(e, "size-null")) {
        write_n(e, "hello", proper ? &five : NULL);
        if (!proper) say(e, "ok");
    } else if (is(e, "size-negative")) {
        write_n(e, "hello", proper ? &five : &minus);
        if (!proper) say(e, "ok");
    } else if (is(e, "pointer")) {
        write_n(e, proper ? "hello" : (char *)16, &five);
        if (!proper) say(e, "ok");
    } else if (is(e, "room")) {
        room(e);
        say(e, "ok");
    } else if (is(e, "header-length")) {
        header_ex(e, proper ? 1 : 100);
    } else if (is(e, "vector")) {
        vector(e);
        if (!proper) say(e, "ok");
    } else if (is(e, "inject")) {
        inject(e);
    } else if (is(e, "control")) {
        head(e, proper ? "X-Value: a\r\n\r\n" : "X-Value: a\001b\r\n\r\n");
        if (!proper) say(e, "ok");
    } else if (is(e, "redirect")) {
        redirect(e);
        if (!proper) say(e, "ok");
    } else if (is(e, "less")) {
        head(e, proper ? "Content-Length: 5\r\n\r\n" : "Content-Length: 50\r\n\r\n");
        write_n(e, "hello", &five);
    } else if (is(e, "more")) {
        head(e, proper ? "Content-Length: 5\r\n\r\n" : "Content-Length: 2\r\n\r\n");
        write_n(e, "hello", &five);
    } else if (is(e, "nothing")) {
        if (proper) e->dwHttpStatusCode = 404;
    } else if (is(e, "block")) {
        if (proper) e->dwHttpStatusCode = 203;
        else e->cbTotalBytes = 77;
        say(e, "ok");
    } else {
        return HSE_STATUS_ERROR;
    }
    return HSE_STATUS_SUCCESS;
}
