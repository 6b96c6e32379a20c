/* A cipher below HTTP, as the filters that did SSL were: a request comes as its length in eight digits and so many bytes, each
 * with its bits turned over. READ_RAW_DATA asks for more until all of it is there, and replaces it by what it means. SEND_RAW_DATA turns
 * the answer over in memory of its own. Connections that begin with a letter are left alone. */
#include "filter.h"

#ifndef PORTS
#define PORTS BOTH_PORTS
#endif

FILTER("scramble", PORTS | SF_NOTIFY_ORDER_HIGH | SF_NOTIFY_READ_RAW_DATA | SF_NOTIFY_SEND_RAW_DATA | SF_NOTIFY_END_OF_NET_SESSION)

enum { head = 8 };

struct session {
    int secret, reads, writes;
};

static DWORD receive(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_RAW_DATA *d, struct session *s) {
    const unsigned char *in = d->pvInData;
    char digits[head + 1] = "";
    unsigned char *out;
    DWORD i, n;
    s->reads++;
    if (d->cbInData > 0 && (in[0] < '0' || in[0] > '9')) return SF_STATUS_REQ_NEXT_NOTIFICATION;
    if (d->cbInData < head) return SF_STATUS_REQ_READ_NEXT;
    memcpy(digits, in, head);
    n = (DWORD)strtoul(digits, NULL, 10);
    if (d->cbInData < head + n) {
        c->ServerSupportFunction(c, SF_REQ_SET_NEXT_READ_SIZE, NULL, head + n - d->cbInData, 0);
        return SF_STATUS_REQ_READ_NEXT;
    }
    if ((out = c->AllocMem(c, n + 1, 0)) == NULL) return SF_STATUS_REQ_ERROR;
    for (i = 0; i < n; i++) out[i] = (unsigned char)~in[head + i];
    s->secret = 1;
    d->pvInData = out;
    d->cbInData = n;
    d->cbInBuffer = n + 1;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static DWORD answer(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_RAW_DATA *d, struct session *s) {
    const unsigned char *in = d->pvInData;
    unsigned char *out;
    DWORD i;
    s->writes++;
    if (!s->secret) return SF_STATUS_REQ_NEXT_NOTIFICATION;
    if ((out = c->AllocMem(c, d->cbInData, 0)) == NULL) return SF_STATUS_REQ_ERROR;
    for (i = 0; i < d->cbInData; i++) out[i] = (unsigned char)~in[i];
    d->pvInData = out;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct session *s = c->pFilterContext;
    if (s == NULL && (s = c->pFilterContext = c->AllocMem(c, sizeof *s, 0)) == NULL) return SF_STATUS_REQ_ERROR;
    if (type == SF_NOTIFY_READ_RAW_DATA) return receive(c, data, s);
    if (type == SF_NOTIFY_SEND_RAW_DATA) return answer(c, data, s);
    trace("scramble secret=%d read=%d written=%d", s->secret, s->reads > 0, s->writes > 0);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
