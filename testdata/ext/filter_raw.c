/* Does with raw data what the text of a block says. In every block it puts NAME before the @ of "<@>", in place, so that the block shows
 * who has seen it, in which order. Words that begin with R- are for READ_RAW_DATA, those with S- for SEND_RAW_DATA:
 *
 *   length, wild, null   says that the block is longer than its buffer, lies nowhere, is NULL
 *   huge                 says that it has 2 GiB, elsewhere
 *   overrun              writes behind the buffer
 *   own                  gives memory of AllocMem instead, with "own"
 *   drop                 makes the block empty
 *   crash, error, error5, finish, keep, handled, next, unknown
 *   more                 READ_NEXT as long as there is no "." ; more7 asks for 7 bytes next
 *   size                 SET_NEXT_READ_SIZE without READ_NEXT, and of 0
 *   write                WriteClient of "(@)" first
 *   forever              WriteClient of a block that says so again
 *   wildwrite            WriteClient of what is not there */
#include "filter.h"
#include <ctype.h>

#ifndef NAME
#define NAME 'a'
#endif
#ifndef ORDER
#define ORDER SF_NOTIFY_ORDER_DEFAULT
#endif
#ifndef EVENTS
#define EVENTS (SF_NOTIFY_READ_RAW_DATA | SF_NOTIFY_SEND_RAW_DATA | SF_NOTIFY_END_OF_NET_SESSION)
#endif
#ifndef PORTS
#define PORTS BOTH_PORTS
#endif

FILTER("raw", PORTS | ORDER | (EVENTS))

static const char *find(const char *p, DWORD n, const char *text) {
    size_t len = strlen(text);
    DWORD i;
    for (i = 0; i + len <= n; i++)
        if (memcmp(p + i, text, len) == 0) return p + i;
    return NULL;
}

/* mark puts NAME before the @ of "<...@>". */
static void mark(HTTP_FILTER_RAW_DATA *d) {
    char *data = d->pvInData, *at = (char *)find(data, d->cbInData, "@>");
    if (at == NULL || d->cbInData == d->cbInBuffer) return;
    memmove(at + 1, at, d->cbInData - (DWORD)(at - data));
    *at = NAME;
    d->cbInData++;
}

static DWORD fail(DWORD error) {
    SetLastError(error);
    return SF_STATUS_REQ_ERROR;
}

static DWORD act(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_RAW_DATA *d, const char *word, BOOL dot) {
    if (!strcmp(word, "length")) d->cbInData = d->cbInBuffer + 1;
    else if (!strcmp(word, "wild")) d->pvInData = (void *)(size_t)0x1000;
    else if (!strcmp(word, "null")) d->pvInData = NULL;
    else if (!strcmp(word, "huge")) { d->pvInData = (char *)d->pvInData + 1; d->cbInData = 0x7fffffff; }
    else if (!strcmp(word, "overrun")) memset((char *)d->pvInData + d->cbInBuffer, 'o', 16);
    else if (!strcmp(word, "own")) { d->pvInData = strcpy(c->AllocMem(c, 4, 0), "own"); d->cbInData = 3; }
    else if (!strcmp(word, "drop")) d->cbInData = 0;
    else if (!strcmp(word, "crash")) *(volatile int *)16 = 1;
    else if (!strcmp(word, "error")) return fail(31);
    else if (!strcmp(word, "error5")) return fail(ERROR_ACCESS_DENIED);
    else if (!strcmp(word, "finish")) return SF_STATUS_REQ_FINISHED;
    else if (!strcmp(word, "keep")) return SF_STATUS_REQ_FINISHED_KEEP_CONN;
    else if (!strcmp(word, "handled")) return SF_STATUS_REQ_HANDLED_NOTIFICATION;
    else if (!strcmp(word, "unknown")) return 42;
    else if (!strcmp(word, "more")) return dot ? SF_STATUS_REQ_NEXT_NOTIFICATION : SF_STATUS_REQ_READ_NEXT;
    else if (!strcmp(word, "more7")) {
        if (!dot && !c->ServerSupportFunction(c, SF_REQ_SET_NEXT_READ_SIZE, NULL, 7, 0)) return fail(31);
        return dot ? SF_STATUS_REQ_NEXT_NOTIFICATION : SF_STATUS_REQ_READ_NEXT;
    } else if (!strcmp(word, "size")) {
        if (c->ServerSupportFunction(c, SF_REQ_SET_NEXT_READ_SIZE, NULL, 0, 0)) return fail(31);
    } else if (!strcmp(word, "write")) {
        if (!filter_write(c, "<@>", 3)) return fail(31);
    } else if (!strcmp(word, "forever")) {
        filter_write(c, "S-forever", 9);
    } else if (!strcmp(word, "wildwrite")) {
        if (filter_write(c, (void *)(size_t)0x1000, 100)) return fail(31);
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    HTTP_FILTER_RAW_DATA *d = data;
    char word[16] = "";
    const char *at;
    if (c->pFilterContext == NULL) c->pFilterContext = c->AllocMem(c, 1, 0);
    if (!(type & (SF_NOTIFY_READ_RAW_DATA | SF_NOTIFY_SEND_RAW_DATA))) {
        trace("%c %s", NAME, event_name(type));
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }
    if ((at = find(d->pvInData, d->cbInData, type == SF_NOTIFY_READ_RAW_DATA ? "R-" : "S-")) != NULL) {
        size_t i, left = d->cbInData - (DWORD)(at + 2 - (char *)d->pvInData);
        for (i = 0; i < left && i < sizeof word - 1 && (isalnum((unsigned char)at[2 + i])); i++) word[i] = at[2 + i];
    }
    mark(d);
    return act(c, d, word, find(d->pvInData, d->cbInData, ".") != NULL);
}
