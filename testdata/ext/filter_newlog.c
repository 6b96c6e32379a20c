/* Adds the browser and the referring page to what is logged as target. It registers for no port, which means both. */
#include "filter.h"

FILTER("newlog", SF_NOTIFY_LOG)

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    HTTP_FILTER_LOG *l = data;
    char agent[256], referer[256], *text;
    size_t n = strlen(l->pszTarget) + sizeof agent + sizeof referer + 8;
    (void)type;
    if (filter_var(c, "HTTP_USER_AGENT", agent, sizeof agent) == ERROR_INVALID_INDEX) strcpy(agent, "-");
    if (filter_var(c, "HTTP_REFERER", referer, sizeof referer) == ERROR_INVALID_INDEX) strcpy(referer, "-");
    if ((text = c->AllocMem(c, (DWORD)n, 0)) == NULL) return SF_STATUS_REQ_ERROR;
    snprintf(text, n, "%s [%s] [%s]", l->pszTarget, agent, referer);
    l->pszTarget = text;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
