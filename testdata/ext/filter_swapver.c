/* One of several builds of the same filter: build it with -DVERSION=7. It puts its version into X-Filter of the response and X-Begun,
 * the version that the request began with: the two differ if a request goes through two versions. What it keeps for a connection
 * it checks, so that a version that is handed memory of another one tells "lost" for X-Begun. After TerminateFilter it answers 500. */
#include "filter.h"

#ifndef VERSION
#define VERSION 1
#endif
#define QUOTED(x) #x
#define DIGITS(x) QUOTED(x)

static volatile int ended;

FILTER("swapver " DIGITS(VERSION),
       BOTH_PORTS | SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_LOG | SF_NOTIFY_END_OF_NET_SESSION)

BOOL WINAPI TerminateFilter(DWORD flags) {
    (void)flags;
    ended = 1;
    return TRUE;
}

struct kept {
    int version;
    char begun[8];
    char filler[100];
};

static BOOL whole(const struct kept *k) {
    size_t i;
    for (i = 0; i < sizeof k->filler; i++)
        if (k->filler[i] != 'k') return FALSE;
    return k->version == VERSION;
}

static struct kept *kept(HTTP_FILTER_CONTEXT *c) {
    struct kept *k = c->pFilterContext;
    if (k != NULL) return k;
    if ((k = c->pFilterContext = c->AllocMem(c, sizeof *k, 0)) == NULL) return NULL;
    k->version = VERSION;
    memset(k->filler, 'k', sizeof k->filler);
    return k;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct kept *k = kept(c);
    HTTP_FILTER_SEND_RESPONSE *h = data;
    if (k == NULL) return SF_STATUS_REQ_ERROR;
    switch (type) {
    case SF_NOTIFY_PREPROC_HEADERS:
        if (ended) {
            filter_page(c, "500 Ended", "", "after its end");
            return SF_STATUS_REQ_FINISHED;
        }
        snprintf(k->begun, sizeof k->begun, "%s", whole(k) ? DIGITS(VERSION) : "lost");
        break;
    case SF_NOTIFY_SEND_RESPONSE:
        h->SetHeader(c, "X-Filter:", DIGITS(VERSION));
        h->SetHeader(c, "X-Begun:", whole(k) ? k->begun : "lost");
        break;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
