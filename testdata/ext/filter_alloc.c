/* Allocates 1, 100 and 3000 bytes for each request, which have to be zero, and fills them. What it allocated for earlier requests of
 * the connection has to be as it was. If something is wrong the response says so in X-Alloc, otherwise it says "ok" and how many blocks
 * the connection has. */
#include "filter.h"

FILTER("alloc", BOTH_PORTS | SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_END_OF_REQUEST)

/* block is one allocation, in the list of its connection. */
struct block {
    struct block *next;
    size_t size;
    unsigned char mark;
    unsigned char data[];
};

struct connection {
    struct block *blocks;
    unsigned number;
    const char *wrong;
};

static BOOL holds(const struct block *b, unsigned char mark) {
    size_t i;
    for (i = 0; i < b->size; i++)
        if (b->data[i] != mark) return FALSE;
    return TRUE;
}

static void more(HTTP_FILTER_CONTEXT *c, struct connection *n, size_t size) {
    struct block *b = c->AllocMem(c, (DWORD)(sizeof *b + size), 0);
    if (b == NULL) {
        n->wrong = "no memory";
        return;
    }
    if ((size_t)b % sizeof(void *) != 0) n->wrong = "not aligned";
    if (b->next || b->size || b->mark) n->wrong = "not zero";
    b->size = size;
    if (!holds(b, 0)) n->wrong = "not zero";
    b->mark = (unsigned char)(1 + n->number % 255);
    memset(b->data, b->mark, size);
    b->next = n->blocks;
    n->blocks = b;
    n->number++;
}

static void check(struct connection *n) {
    const struct block *b;
    unsigned found = 0;
    for (b = n->blocks; b; b = b->next, found++)
        if (!holds(b, b->mark)) n->wrong = "changed";
    if (found != n->number) n->wrong = "lost";
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct connection *n = c->pFilterContext;
    char text[64];
    if (n == NULL && (n = c->pFilterContext = c->AllocMem(c, sizeof *n, 0)) == NULL) return SF_STATUS_REQ_ERROR;
    switch (type) {
    case SF_NOTIFY_PREPROC_HEADERS:
        check(n);
        more(c, n, 1);
        more(c, n, 100);
        more(c, n, 3000);
        break;
    case SF_NOTIFY_SEND_RESPONSE:
        check(n);
        snprintf(text, sizeof text, "%s %u", n->wrong ? n->wrong : "ok", n->number);
        ((HTTP_FILTER_SEND_RESPONSE *)data)->SetHeader(c, "X-Alloc:", text);
        break;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
