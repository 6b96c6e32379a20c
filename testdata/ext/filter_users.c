/* Maps the users of clients to those of the server, in place: web becomes alice with her password. mallory may not come in. LOG shows
 * both, from memory that AUTHENTICATION allocated for the connection. */
#include "filter.h"

FILTER("users", BOTH_PORTS | SF_NOTIFY_AUTHENTICATION | SF_NOTIFY_LOG)

struct known {
    char web[SF_MAX_USERNAME], user[SF_MAX_USERNAME + 300];
};

static DWORD map_user(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_AUTHENT *a) {
    struct known *k = c->pFilterContext;
    if (a->pszUser[0] == 0) return SF_STATUS_REQ_NEXT_NOTIFICATION; /* anonymous */
    if (a->cbUserBuff < SF_MAX_USERNAME || a->cbPasswordBuff < SF_MAX_PASSWORD) return SF_STATUS_REQ_ERROR;
    if (k == NULL && (k = c->pFilterContext = c->AllocMem(c, sizeof *k, 0)) == NULL) return SF_STATUS_REQ_ERROR;
    snprintf(k->web, sizeof k->web, "%s", a->pszUser);
    if (strcmp(a->pszUser, "mallory") == 0) {
        SetLastError(ERROR_ACCESS_DENIED);
        return SF_STATUS_REQ_ERROR;
    }
    if (strcmp(a->pszUser, "web") == 0) {
        strcpy(a->pszUser, "alice");
        strcpy(a->pszPassword, "wonderland");
    }
    snprintf(k->user, sizeof k->user, "%s (%s)", k->web, a->pszUser);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    struct known *k = c->pFilterContext;
    if (type == SF_NOTIFY_AUTHENTICATION) return map_user(c, data);
    if (type == SF_NOTIFY_LOG && k && k->user[0]) ((HTTP_FILTER_LOG *)data)->pszClientUserName = k->user;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
