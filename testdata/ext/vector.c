/* One VECTOR_SEND, spelled by the query: flags=, status=, headers=, elements e= in order, count= instead of their number, cb=1 for a
 * callback, pre= headers sent before, times= how often, then= written after. An element is
 *
 *   mTEXT             memory
 *   x1000             so many bytes x
 *   fPATH,OFF,SIZE    a file
 *   dPATH             a folder
 *   z  0  t9          memory of size 0; NULL; a type that is none
 *
 * The log data, and the file named by told=, have the result of each call and the completion as bytes:error. */
#include "file.h"

FIXTURE("vector")

enum { MOST = 400 };

struct state {
    HSE_VECTOR_ELEMENT element[MOST];
    char *memory[MOST];
    HANDLE file[MOST];
    int n;
};

static void release(struct state *s) {
    int i;
    for (i = 0; i < s->n; i++) {
        free(s->memory[i]);
        file_close(s->file[i]);
    }
    free(s);
}

static void add(struct state *s, char *text, size_t size) {
    HSE_VECTOR_ELEMENT *v = &s->element[s->n];
    char kind = *text, *comma;
    s->memory[s->n] = text++;
    v->ElementType = kind == 'f' || kind == 'd' ? HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE : HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER;
    v->pvContext = text;
    v->cbSize = size - 1;
    if (kind == 'z') v->cbSize = 0;
    if (kind == '0') v->pvContext = NULL, v->cbSize = 1;
    if (kind == 't') v->ElementType = (DWORD)atoi(text);
    if (kind == 'x') {
        v->cbSize = strtoul(text, NULL, 10);
        v->pvContext = s->memory[s->n] = malloc((size_t)v->cbSize);
        memset(v->pvContext, 'x', (size_t)v->cbSize);
        free(text - 1);
    }
    if (kind == 'f' || kind == 'd') {
        v->cbSize = 0;
        if ((comma = strchr(text, ',')) != NULL) {
            *comma = 0;
            v->cbOffset = strtoull(comma + 1, &comma, 0);
            if (*comma == ',') v->cbSize = strtoull(comma + 1, NULL, 0);
        }
        s->file[s->n] = file_open(text);
        v->pvContext = s->file[s->n];
    }
    s->n++;
}

static void WINAPI completed(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    report(e, " %u:%u", (unsigned)n, (unsigned)error);
    release(context);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    struct state *s = calloc(1, sizeof *s);
    HSE_RESPONSE_VECTOR v = {0};
    char *text, *pre = param(e, "pre", NULL), *then = param(e, "then", NULL);
    size_t size;
    unsigned error = 0, times = (unsigned)number(e, "times", 1);
    BOOL async;
    while (s->n < MOST && (text = param_at(e, "e", s->n, &size)) != NULL) add(s, text, size);
    v.dwFlags = (DWORD)number(e, "flags", HSE_IO_SYNC);
    v.pszStatus = param(e, "status", NULL);
    v.pszHeaders = param(e, "headers", NULL);
    v.nElementCount = (DWORD)number(e, "count", (unsigned)s->n);
    v.lpElementArray = s->n ? s->element : NULL;
    async = (v.dwFlags & HSE_IO_ASYNC) != 0;
    if (number(e, "cb", 0)) {
        PFN_HSE_IO_COMPLETION f = completed;
        void *p; /* ISO C has no cast for this */
        memcpy(&p, &f, sizeof p);
        e->ServerSupportFunction(e->ConnID, HSE_REQ_IO_COMPLETION, p, NULL, (LPDWORD)(void *)s);
    }
    if (pre) {
        HSE_SEND_HEADER_EX_INFO h = {0};
        h.pszHeader = pre;
        h.fKeepConn = TRUE;
        e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL);
    }
    while (times--) {
        error = outcome(e->ServerSupportFunction(e->ConnID, HSE_REQ_VECTOR_SEND, &v, NULL, NULL));
        if (!async || error) report(e, "%u ", error);
    }
    if (then) report(e, "then %u", outcome(put(e, then, strlen(then))));
    free(pre);
    free(then);
    free(v.pszStatus);
    free(v.pszHeaders);
    if (async && error == 0) return HSE_STATUS_PENDING; /* s may be gone */
    release(s);
    return HSE_STATUS_SUCCESS;
}
