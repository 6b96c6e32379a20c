/* Single sign-on: who has the cookie "session=NAME" is NAME, who has none is sent to /login. What it knows of a connection it
 * allocates once, with AllocMem, and keeps. The header Remote-User is its own, so that a client's is taken away first. LOG gets the
 * user of the connection, which is NULL before there is one. An extension half that reads HTTP_REMOTE_USER is not needed: the
 * answer has the user in X-User. */
#include "filter.h"

FILTER("session", SF_NOTIFY_ORDER_HIGH | BOTH_PORTS | SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_LOG)

struct session {
    char *user;
    int checked;
};

/* all gets a header or a variable of any length, as long as the server asks for more than it was offered. */
static char *all(HTTP_FILTER_CONTEXT *c, BOOL (WINAPI *get)(HTTP_FILTER_CONTEXT *, LPSTR, LPVOID, LPDWORD), const char *name) {
    DWORD offered = 8, size;
    char *buf = NULL, *more;
    for (;;) {
        if ((more = realloc(buf, offered)) == NULL) break;
        buf = more;
        size = offered;
        if (get(c, (LPSTR)name, buf, &size)) return buf;
        if (GetLastError() != ERROR_INSUFFICIENT_BUFFER) break;
        if (size <= offered) abort(); /* this would go on for ever */
        offered = size;
    }
    free(buf);
    return NULL;
}

static BOOL must(HTTP_FILTER_CONTEXT *c, const char *name) {
    char *value = all(c, c->GetServerVariable, name);
    BOOL ok = value && *value;
    free(value);
    return ok;
}

static DWORD login(HTTP_FILTER_CONTEXT *c) {
    static const char head[] = "Location: /login\r\nContent-Type: text/html\r\nContent-Length: 40\r\n"
                               "Expires: 01-Jan-1997 12:00:00 GMT\r\nCache-Control: private,no-store,no-cache\r\n\r\n";
    static const char page[] = "<html><body>Redirecting...</body></html>";
    if (!c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, (PVOID) "302 Please Wait", (ULONG_PTR)head, 0) ||
        !filter_write(c, page, sizeof page - 1))
        return SF_STATUS_REQ_ERROR;
    return SF_STATUS_REQ_FINISHED;
}

static DWORD enter(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h) {
    struct session *s = c->pFilterContext;
    char *cookie, *url, *user, line[200];
    DWORD result = SF_STATUS_REQ_NEXT_NOTIFICATION;
    if (s == NULL) {
        if ((s = c->AllocMem(c, sizeof *s, 0)) == NULL) return SF_STATUS_REQ_ERROR;
        c->pFilterContext = s;
    }
    if (!must(c, "INSTANCE_ID") || !must(c, "SERVER_NAME") || !must(c, "SERVER_PORT")) return SF_STATUS_REQ_ERROR;
    if (!h->SetHeader(c, "remote-user:", "")) return SF_STATUS_REQ_ERROR;
    url = all(c, h->GetHeader, "url");
    cookie = all(c, c->GetServerVariable, "HTTP_COOKIE");
    user = cookie ? strstr(cookie, "session=") : NULL;
    if (user) {
        user += 8;
        user[strcspn(user, "; ")] = 0;
        s->checked++;
        s->user = filter_copy(c, user);
        snprintf(line, sizeof line, "X-User: %.60s\r\nX-Checked: %d\r\n", user, s->checked);
        if (!h->SetHeader(c, "remote-user:", user) || !c->AddResponseHeaders(c, line, 0)) result = SF_STATUS_REQ_ERROR;
    } else if (url == NULL || strncmp(url, "/login", 6) != 0) {
        result = login(c);
    }
    free(url);
    free(cookie);
    return result;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct session *s = c->pFilterContext;
    if (type == SF_NOTIFY_PREPROC_HEADERS) return enter(c, data);
    if (type == SF_NOTIFY_LOG) ((HTTP_FILTER_LOG *)data)->pszClientUserName = s ? s->user : NULL;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
