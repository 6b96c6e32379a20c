/* log: keeps out of the access log what should not be there, as an ISAPI filter in C.
 *
 *   - the last part of the client's address becomes 0: 192.0.2.0
 *   - the values of password, token and key in the query become ***
 *   - the path gets the browser behind it, as "/page.htm [curl/8.5.0]"
 *
 *     filters: [./log.so]               in isapid.yaml; the log itself is "log: access_file"
 *
 * What to learn here: LOG. Its pointers may be replaced; the text behind them is the server's and may not be written to. New text comes
 * from AllocMem, which is freed when the connection ends.
 */
#include <windows.h>
#include <httpfilt.h>
#include <stdio.h>
#include <string.h>

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *version) {
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    lstrcpyn(version->lpszFilterDesc, "log: less in the access log", SF_MAX_FILTER_DESC_LEN);
    version->dwFlags = SF_NOTIFY_ORDER_LOW | SF_NOTIFY_SECURE_PORT | SF_NOTIFY_NONSECURE_PORT | SF_NOTIFY_LOG;
    return TRUE;
}

BOOL WINAPI TerminateFilter(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE;
}

/* host is an address without its last part. */
static const char *host(HTTP_FILTER_CONTEXT *context, const char *address) {
    size_t n = strlen(address);
    char *text = context->AllocMem(context, (DWORD)n + 3, 0), *last;
    if (text == NULL)
        return "-";
    strcpy(text, address);
    last = strrchr(text, strchr(text, ':') ? ':' : '.');
    if (last)
        strcpy(last + 1, "0");
    return text;
}

static BOOL secret(const char *name) {
    static const char *const names[] = {"password=", "token=", "key="};
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (_strnicmp(name, names[i], strlen(names[i])) == 0)
            return TRUE;
    return FALSE;
}

/* query is a query without secrets. A value of one byte becomes longer, so that there is room for three more in each. */
static const char *query(HTTP_FILTER_CONTEXT *context, const char *from) {
    size_t room = strlen(from) + 1;
    const char *p;
    char *text, *to;
    for (p = from; *p; p++)
        room += *p == '=' ? 3 : 0;
    if ((text = to = context->AllocMem(context, (DWORD)room, 0)) == NULL)
        return "-";
    while (*from) {
        size_t n = strcspn(from, "&");
        if (secret(from)) {
            size_t name = strcspn(from, "=") + 1;
            memcpy(to, from, name);
            memcpy(to + name, "***", 3);
            to += name + 3;
        } else {
            memcpy(to, from, n);
            to += n;
        }
        from += n;
        if (*from)
            *to++ = *from++;
    }
    *to = 0;
    return text;
}

static const char *target(HTTP_FILTER_CONTEXT *context, const char *path) {
    char browser[100];
    DWORD size = sizeof browser;
    size_t room = strlen(path) + sizeof browser + 4;
    char *text;
    if (!context->GetServerVariable(context, (LPSTR) "HTTP_USER_AGENT", browser, &size))
        return path; /* there is none, or it is a long one */
    if ((text = context->AllocMem(context, (DWORD)room, 0)) == NULL)
        return path;
    snprintf(text, room, "%s [%s]", path, browser);
    return text;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *context, DWORD notification, VOID *data) {
    HTTP_FILTER_LOG *log = data;
    if (notification == SF_NOTIFY_LOG) {
        log->pszClientHostName = host(context, log->pszClientHostName);
        log->pszParameters = query(context, log->pszParameters);
        log->pszTarget = target(context, log->pszTarget);
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
