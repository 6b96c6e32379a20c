/* Asynchronous I/O, by the first word of the query. Operations are started before PENDING is returned, the next one inside the
 * callback; the callback that ends it calls DONE_WITH_SESSION. The log data has the results of calls, and of completions as
 * bytes:error.
 * The file named by told= gets the completions too, for requests that leave no log behind.
 *
 *   writes n=N       N writes, one after the other
 *   reads n=N        reads of N bytes up to the end of the body, then their number as the response
 *   zero             a write of nothing
 *   big n=N          one write of N bytes, then DONE
 *   two              a second operation while a read is pending
 *   replace          the callback is replaced, then switched off
 *   wait with=N      HttpExtensionProc itself waits for the completion, when N requests are inside, and returns SUCCESS
 *   leave            HttpExtensionProc returns SUCCESS while a read is pending
 *   close            CLOSE_CONNECTION while a read is pending
 *   cancel           CANCEL_IO while a read is pending; then it reads on and answers
 *   error            SEND_CUSTOM_ERROR, asynchronous
 *   fault            the callback faults
 *   thread           operations on a thread of its own
 *   connected        until the client is not connected any more */
#include "fixture.h"

FIXTURE("async")

struct state {
    EXTENSION_CONTROL_BLOCK *e;
    char *buffer;
    DWORD n, total;
    unsigned done, errors, want;
    HANDLE event;
};

static volatile LONG inside;

static const char *const head = "Content-Type: text/plain\r\n\r\n";

static unsigned code(struct state *s, DWORD c, void *buf, void *size, void *type) {
    return outcome(s->e->ServerSupportFunction(s->e->ConnID, c, buf, (LPDWORD)size, (LPDWORD)type));
}

static unsigned on(struct state *s, PFN_HSE_IO_COMPLETION f) {
    void *p; /* ISO C has no cast for this */
    memcpy(&p, &f, sizeof p);
    return code(s, HSE_REQ_IO_COMPLETION, p, NULL, s);
}

static unsigned start(struct state *s) {
    HSE_SEND_HEADER_EX_INFO h = {"200 OK", head, 0, 0, TRUE};
    return code(s, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL);
}

static unsigned writes(struct state *s, DWORD n) {
    return outcome(s->e->WriteClient(s->e->ConnID, s->buffer, &n, HSE_IO_ASYNC));
}

static unsigned reads(struct state *s) {
    DWORD n = s->n, flags = HSE_IO_ASYNC;
    return code(s, HSE_REQ_ASYNC_READ_CLIENT, s->buffer, &n, &flags);
}

static void done(struct state *s) {
    EXTENSION_CONTROL_BLOCK *e = s->e;
    free(s->buffer);
    free(s);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static void WINAPI wrote(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    struct state *s = context;
    s->total += n;
    if (++s->done < s->want && error == 0 && writes(s, s->n) == 0) return;
    report(e, "%u:%u after %u", (unsigned)s->total, (unsigned)error, s->done);
    done(s);
}

static void WINAPI readsome(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    struct state *s = context;
    s->done++;
    s->total += n;
    if (n > 0 && error == 0 && reads(s) == 0) return;
    report(e, "%u:%u", (unsigned)n, (unsigned)error);
    sayf(e, "%u in %u", (unsigned)s->total, s->done);
    done(s);
}

static void WINAPI last(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    report(e, "%u:%u ", (unsigned)n, (unsigned)error);
    done(context);
}

static void WINAPI other(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)context, (void)n, (void)error;
    note(e, "wrong ");
}

static void WINAPI off(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    struct state *s = context;
    note(e, "%u:%u ", (unsigned)n, (unsigned)error);
    note(e, "%u ", on(s, NULL));
    note(e, "%u ", writes(s, 1));
    note(e, "%u", reads(s));
    done(s);
}

static void WINAPI mark(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    struct state *s = context;
    note(e, "%u:%u", (unsigned)n, (unsigned)error);
    SetEvent(s->event);
}

static void WINAPI again(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    struct state *s = context;
    report(e, "%u:%u ", (unsigned)n, (unsigned)error);
    on(s, readsome);
    if (reads(s) != 0) done(s);
}

static void WINAPI dies(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)e, (void)context, (void)n, (void)error;
    *(volatile int *)8 = 1;
}

static DWORD WINAPI own(LPVOID context) {
    struct state *s = context;
    on(s, wrote);
    start(s);
    if (writes(s, s->n) != 0) done(s);
    return 0;
}

static DWORD WINAPI watch(LPVOID context) {
    struct state *s = context;
    BOOL there = TRUE;
    start(s);
    put(s->e, "hello", 5);
    while (there && code(s, HSE_REQ_IS_CONNECTED, &there, NULL, NULL) == 0) Sleep(1);
    report(s->e, "%u %u", there, code(s, HSE_REQ_IS_CONNECTED, NULL, NULL, NULL));
    done(s);
    return 0;
}

static void detached(LPTHREAD_START_ROUTINE f, struct state *s) {
    CloseHandle(CreateThread(NULL, 0, f, s, 0, NULL));
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    struct state *s = calloc(1, sizeof *s);
    s->e = e;
    s->want = s->n = (DWORD)number(e, "n", 16);
    s->buffer = calloc(1, s->n + 1);
    memset(s->buffer, 'x', s->n);
    if (asked(e, "writes") || asked(e, "zero") || asked(e, "big")) {
        if (asked(e, "writes")) s->n = 10;
        if (asked(e, "zero")) s->n = 0;
        if (!asked(e, "writes")) s->want = 1;
        on(s, wrote);
        start(s);
        writes(s, s->n);
    } else if (asked(e, "reads")) {
        on(s, readsome);
        reads(s);
    } else if (asked(e, "two")) {
        on(s, readsome);
        reads(s);
        report(e, "%u %u ", reads(s), writes(s, 1));
    } else if (asked(e, "replace")) {
        on(s, other);
        on(s, off);
        start(s);
        writes(s, s->n);
    } else if (asked(e, "wait")) {
        InterlockedIncrement(&inside);
        while (inside < (LONG)number(e, "with", 1)) Sleep(1);
        s->event = CreateEventA(NULL, FALSE, FALSE, NULL);
        on(s, mark);
        start(s);
        writes(s, s->n);
        WaitForSingleObject(s->event, INFINITE);
        CloseHandle(s->event);
        free(s->buffer);
        free(s);
        return HSE_STATUS_SUCCESS;
    } else if (asked(e, "leave")) {
        on(s, last);
        reads(s);
        say(e, "left");
        return HSE_STATUS_SUCCESS;
    } else if (asked(e, "close")) {
        on(s, last);
        start(s);
        put(e, "written before", 14);
        reads(s);
        code(s, HSE_REQ_CLOSE_CONNECTION, NULL, NULL, NULL);
    } else if (asked(e, "cancel")) {
        on(s, again);
        reads(s);
        code(s, HSE_REQ_CANCEL_IO, NULL, NULL, NULL);
    } else if (asked(e, "error")) {
        HSE_CUSTOM_ERROR_INFO info = {"404 Not Found", 5, TRUE};
        on(s, last);
        code(s, HSE_REQ_SEND_CUSTOM_ERROR, &info, NULL, NULL);
    } else if (asked(e, "fault")) {
        on(s, dies);
        reads(s);
    } else {
        detached(asked(e, "thread") ? own : watch, s);
    }
    return HSE_STATUS_PENDING;
}
