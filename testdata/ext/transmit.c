/* One TRANSMIT_FILE, spelled by the query: path= or kind=dir, closed, pipe, minus; off=, n=, status=, head=, tail=, flags=; hl= and tl=
 * are lengths other than those of the texts. cb=io sets the callback with IO_COMPLETION, cb=own in the structure, cb=both a
 * wrong one with IO_COMPLETION. pre= is sent as headers before, then= written after.
 *
 * The log data, and the file named by told=, have the result of the call, the completion as bytes:error, and the position of
 * the file afterwards. */
#include "file.h"

FIXTURE("transmit")

struct state {
    HSE_TF_INFO t;
    HANDLE file;
    char *status, *head, *tail;
};

static void finish(EXTENSION_CONTROL_BLOCK *e, struct state *s) {
    char *then = param(e, "then", NULL);
    if (then) report(e, " then %u", outcome(put(e, then, strlen(then))));
    if ((intptr_t)s->file > 0 && !param(e, "kind", NULL)) report(e, " at %ld", (long)SetFilePointer(s->file, 0, NULL, FILE_CURRENT));
    file_close(s->file);
    free(then);
    free(s->status);
    free(s->head);
    free(s->tail);
    free(s);
}

static void WINAPI completed(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    report(e, " %u:%u", (unsigned)n, (unsigned)error);
    finish(e, context);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static void WINAPI wrong(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)n, (void)error;
    completed(e, context, 0, 4711);
}

static void setcallback(EXTENSION_CONTROL_BLOCK *e, PFN_HSE_IO_COMPLETION f, void *context) {
    void *p; /* ISO C has no cast for this */
    memcpy(&p, &f, sizeof p);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_IO_COMPLETION, p, NULL, (LPDWORD)context);
}

/* handle opens what is to be sent. */
static HANDLE handle(EXTENSION_CONTROL_BLOCK *e) {
    char *path = param(e, "path", NULL), *kind = param(e, "kind", NULL);
    HANDLE file = NULL;
    if (path) {
        file = file_open(path);
        SetFilePointer(file, 3, NULL, FILE_BEGIN); /* the position is the extension's own */
    } else if (kind && !strcmp(kind, "dir")) {
        file = file_open("/");
    } else if (kind && !strcmp(kind, "closed")) {
        file = (HANDLE)(intptr_t)(1 << 28);
    } else if (kind && !strcmp(kind, "minus")) {
        file = INVALID_HANDLE_VALUE;
    } else if (kind && !strcmp(kind, "pipe")) {
        file = file_pipe("through a pipe");
    }
    free(path);
    free(kind);
    return file;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    struct state *s = calloc(1, sizeof *s);
    size_t head = 0, tail = 0;
    char *cb = param(e, "cb", NULL), *pre = param(e, "pre", NULL);
    unsigned error;
    BOOL async;
    s->status = param(e, "status", NULL);
    s->head = param(e, "head", &head);
    s->tail = param(e, "tail", &tail);
    s->file = handle(e);
    s->t.hFile = s->file;
    s->t.pszStatusCode = s->status;
    s->t.BytesToWrite = (DWORD)number(e, "n", 0);
    s->t.Offset = (DWORD)number(e, "off", 0);
    s->t.pHead = s->head;
    s->t.HeadLength = (DWORD)number(e, "hl", head);
    s->t.pTail = s->tail;
    s->t.TailLength = (DWORD)number(e, "tl", tail);
    s->t.dwFlags = (DWORD)number(e, "flags", 0);
    if (cb && !strcmp(cb, "io")) setcallback(e, completed, s);
    if (cb && !strcmp(cb, "both")) setcallback(e, wrong, s);
    if (cb && strcmp(cb, "io") != 0) {
        s->t.pfnHseIO = completed;
        s->t.pContext = s;
    }
    free(cb);
    if (pre) {
        HSE_SEND_HEADER_EX_INFO h = {0};
        h.pszHeader = pre;
        h.fKeepConn = TRUE;
        e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL);
        free(pre);
    }
    async = (s->t.dwFlags & HSE_IO_ASYNC) != 0;
    error = outcome(e->ServerSupportFunction(e->ConnID, HSE_REQ_TRANSMIT_FILE, &s->t, NULL, NULL));
    if (async && error == 0) return HSE_STATUS_PENDING; /* s may be gone */
    report(e, "%u", error);
    finish(e, s);
    return HSE_STATUS_SUCCESS;
}
