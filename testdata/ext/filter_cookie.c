/* Registers for nearly everything, and has memory of its own for each request: made by PREPROC_HEADERS, which overwrites what is in
 * pFilterContext, and freed by END_OF_REQUEST; LOG may come before or after that. A request for /probe it wants to hear no more of.
 * X-Live tells with each response how many of these there are, X-Instance what LOG of the request before said of INSTANCE_ID. */
#include "filter.h"

#define MASK                                                                                                           \
    (SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_URL_MAP | SF_NOTIFY_AUTHENTICATION | SF_NOTIFY_ACCESS_DENIED | SF_NOTIFY_SEND_RESPONSE |     \
     SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG | SF_NOTIFY_END_OF_NET_SESSION)

FILTER("cookie", BOTH_PORTS | SF_NOTIFY_ORDER_DEFAULT | MASK)

static volatile LONG live;
static char instance[64] = "none";

struct request {
    char url[256];
    int events;
};

static DWORD begin(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    struct request *r;
    char url[256];
    if (get_header(c, h, "url", url, sizeof url) != 0) return SF_STATUS_REQ_ERROR;
    c->pFilterContext = NULL;
    if (strncmp(url, "/probe", 6) == 0) {
        trace("cookie disable %u", outcome(c->ServerSupportFunction(c, SF_REQ_DISABLE_NOTIFICATIONS, NULL, MASK, 0)));
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }
    if ((r = calloc(1, sizeof *r)) == NULL) return SF_STATUS_REQ_ERROR;
    memcpy(r->url, url, sizeof url);
    InterlockedIncrement(&live);
    c->pFilterContext = r;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static DWORD respond(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_SEND_RESPONSE *h) {
    char number[16];
    snprintf(number, sizeof number, "%ld", (long)live);
    if (!h->SetHeader(c, "X-Live:", number) || !h->AddHeader(c, "X-Instance:", instance)) return SF_STATUS_REQ_ERROR;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static void end(HTTP_FILTER_CONTEXT *c) {
    if (c->pFilterContext == NULL) return;
    free(c->pFilterContext);
    c->pFilterContext = NULL;
    InterlockedDecrement(&live);
}

static void log_event(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_LOG *l) {
    size_t n = strlen(l->pszTarget) + strlen(l->pszParameters);
    if (filter_var(c, "INSTANCE_ID", instance, sizeof instance) != 0 || n == 0) snprintf(instance, sizeof instance, "lost");
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct request *r = c->pFilterContext;
    if (r) r->events++;
    switch (type) {
    case SF_NOTIFY_PREPROC_HEADERS: return begin(c, data);
    case SF_NOTIFY_SEND_RESPONSE: return respond(c, data);
    case SF_NOTIFY_END_OF_REQUEST: end(c); break;
    case SF_NOTIFY_END_OF_NET_SESSION: end(c); break;
    case SF_NOTIFY_LOG: log_event(c, data); break;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
