/* Below /up/ everything is in capitals: URL_MAP takes the /up out of the path, in place, and marks the connection; SEND_RAW_DATA
 * looks for the end of the header in the first block, which it takes for complete, and turns what follows into capitals, in place. */
#include "filter.h"
#include <ctype.h>

FILTER("upcase", SF_NOTIFY_NONSECURE_PORT | SF_NOTIFY_URL_MAP | SF_NOTIFY_SEND_RAW_DATA | SF_NOTIFY_END_OF_REQUEST)

struct state {
    int marked, in_body, wrong;
};

static void shorten(HTTP_FILTER_URL_MAP *m, struct state *s) {
    char *at;
    if (strncmp(m->pszURL, "/up/", 4) != 0 || (at = strstr(m->pszPhysicalPath, "/up/")) == NULL) return;
    memmove(at, at + 3, strlen(at + 3) + 1);
    s->marked = 1;
}

static void capitals(HTTP_FILTER_RAW_DATA *d, struct state *s) {
    char *data = d->pvInData;
    DWORD i = 0;
    if (!s->in_body) {
        for (; i < d->cbInData - 2; i++) /* with less than two bytes this wraps */
            if (data[i] == '\n' && data[i + 2] == '\n') break;
        s->wrong |= i >= d->cbInData - 2;
        i += 3;
        s->in_body = 1;
    }
    for (; i < d->cbInData; i++) data[i] = (char)toupper((unsigned char)data[i]);
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct state *s = c->pFilterContext;
    if (s == NULL && (s = c->pFilterContext = c->AllocMem(c, sizeof *s, 0)) == NULL) return SF_STATUS_REQ_ERROR;
    if (type == SF_NOTIFY_URL_MAP) shorten(data, s);
    if (type == SF_NOTIFY_SEND_RAW_DATA && s->marked) capitals(data, s);
    if (type == SF_NOTIFY_END_OF_REQUEST) {
        trace("upcase marked=%d wrong=%d", s->marked, s->wrong);
        memset(s, 0, sizeof *s);
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
