/* A rewriter that works in AUTH_COMPLETE, as some do because variables are complete there:
 *
 *     /old/X        becomes /X, and the header X-Rewrite-Url tells what it was
 *     /away/X       302 to /X, with the bare status text "302"
 *     /proxy        a page whose chunks the filter frames itself
 *
 * It returns SF_STATUS_REQ_ERROR if there is an error code at the end, whoever left it there. Its dwFlags are only added to, and its
 * memory is made by whatever event comes first and forgotten by END_OF_REQUEST or LOG. */
#include "filter.h"

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {
    v->dwFilterVersion = HTTP_FILTER_REVISION;
    snprintf(v->lpszFilterDesc, sizeof v->lpszFilterDesc, "rewriter");
    v->dwFlags |= SF_NOTIFY_ORDER_DEFAULT;
    v->dwFlags |= BOTH_PORTS;
    v->dwFlags |= SF_NOTIFY_AUTH_COMPLETE | SF_NOTIFY_URL_MAP | SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG;
    return TRUE;
}

struct memory {
    char original[1024];
    char path[1024];
    int maps;
};

static struct memory *memory(HTTP_FILTER_CONTEXT *c) {
    if (c->pFilterContext == NULL) c->pFilterContext = c->AllocMem(c, sizeof(struct memory), 0);
    return c->pFilterContext;
}

static DWORD away(HTTP_FILTER_CONTEXT *c, const char *to) {
    char head[1200];
    snprintf(head, sizeof head, "Location: %s\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", to);
    c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, (PVOID) "302", (ULONG_PTR)head, 0);
    return SF_STATUS_REQ_FINISHED;
}

static DWORD proxy(HTTP_FILTER_CONTEXT *c) {
    static const char chunks[] = "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n";
    c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, (PVOID) "200 OK",
                             (ULONG_PTR) "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n", 0);
    filter_write(c, chunks, 10);
    filter_write(c, chunks + 10, sizeof chunks - 11);
    return SF_STATUS_REQ_FINISHED_KEEP_CONN;
}

static DWORD rewrite(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_AUTH_COMPLETE_INFO *h) {
    struct memory *m = memory(c);
    char query[1024] = "", path[1024], method[16];
    DWORD size = sizeof m->original;
    if (m == NULL) return SF_STATUS_REQ_ERROR;
    SetLastError(0);
    if (!h->GetHeader(c, "url", m->original, &size) || size != strlen(m->original) + 1) return SF_STATUS_REQ_ERROR;
    size = sizeof method;
    if (!h->GetHeader(c, "method", method, &size)) return SF_STATUS_REQ_ERROR;
    snprintf(path, sizeof path, "%s", m->original);
    path[strcspn(path, "?")] = 0;
    filter_var(c, "APPL_MD_PATH", m->path, sizeof m->path);
    filter_var(c, "SCRIPT_NAME", m->path, sizeof m->path);
    filter_var(c, "QUERY_STRING", query, sizeof query);
    filter_var(c, "ALL_RAW", m->path, sizeof m->path);
    if (strncmp(path, "/away/", 6) == 0) return away(c, path + 5);
    if (strcmp(path, "/proxy") == 0) return proxy(c);
    if (strncmp(path, "/old/", 5) == 0) {
        if (!h->SetHeader(c, "X-Rewrite-Url:", m->original) || !h->SetHeader(c, "url", m->original + 4)) return SF_STATUS_REQ_ERROR;
    }
    if (GetLastError() != 0 && GetLastError() != 2) return SF_STATUS_REQ_ERROR;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct memory *m;
    switch (type) {
    case SF_NOTIFY_AUTH_COMPLETE: return rewrite(c, data);
    case SF_NOTIFY_URL_MAP:
        if ((m = memory(c)) != NULL) snprintf(m->path, sizeof m->path, "%s", ((HTTP_FILTER_URL_MAP *)data)->pszPhysicalPath);
        break;
    case SF_NOTIFY_END_OF_REQUEST:
    case SF_NOTIFY_LOG: c->pFilterContext = NULL;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
