/* rewriter: requests for one URL are answered by another, by rules in a file beside the library, as an ISAPI filter in C.
 *
 * rewriter.txt has one rule in each line, the first that fits counts:
 *
 *     /shop/     /scripts/shop.so/      requests below /shop/ go below /scripts/shop.so/, and the client does not see it
 *     301 /old/  /new/                  clients that ask for something below /old/ are sent below /new/
 *
 * What follows in the URL, and the query, stay as they are. Extensions find the URL the client asked for in HTTP_X_ORIGINAL_URL.
 *
 *     filters: [./rewriter.so]          in isapid.yaml: at the top, of a site or of an application
 *
 * What to learn here: the three exports, PREPROC_HEADERS, where nothing has been decided yet, headers of the request, an answer of the
 * filter's own. The source is the same on Windows; there it is built into rewriter.dll.
 */
#include <windows.h>
#include <httpfilt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RULES 100
#define MAX_URL 2048

typedef struct {
    BOOL redirect;
    char from[256];
    char to[256];
} RULE;

/* Written while the library is loaded, only read after that: it needs no lock. */
static RULE g_rules[MAX_RULES];
static int g_count;

/* read_rules reads the file beside the library. Lines that are empty or begin with # are none. */
static BOOL read_rules(void) {
    char path[MAX_PATH + 16], line[1024], first[256], second[256], third[256], *end;
    FILE *file;
    DWORD n = GetModuleFileNameA((HMODULE)(void *)g_rules, path, MAX_PATH);
    if (n == 0 || n >= MAX_PATH)
        return FALSE;
    end = path + n;
    while (end > path && end[-1] != '/' && end[-1] != '\\')
        end--;
    strcpy(end, "rewriter.txt");
    if ((file = fopen(path, "r")) == NULL)
        return FALSE;
    while (g_count < MAX_RULES && fgets(line, sizeof line, file)) {
        int words = sscanf(line, "%255s %255s %255s", first, second, third);
        RULE *rule = &g_rules[g_count];
        if (words < 2 || first[0] == '#')
            continue;
        rule->redirect = strcmp(first, "301") == 0;
        if (rule->redirect && words < 3)
            continue;
        strcpy(rule->from, rule->redirect ? second : first);
        strcpy(rule->to, rule->redirect ? third : second);
        g_count++;
    }
    fclose(file);
    return TRUE;
}

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *version) {
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    lstrcpyn(version->lpszFilterDesc, "rewriter: other URLs by rules", SF_MAX_FILTER_DESC_LEN);
    version->dwFlags = SF_NOTIFY_ORDER_HIGH | SF_NOTIFY_SECURE_PORT | SF_NOTIFY_NONSECURE_PORT | SF_NOTIFY_PREPROC_HEADERS;
    if (read_rules())
        return TRUE;
    SetLastError(ERROR_FILE_NOT_FOUND); /* the server says so in its log */
    return FALSE;
}

BOOL WINAPI TerminateFilter(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE;
}

/* send_to answers the client with another place. */
static DWORD send_to(HTTP_FILTER_CONTEXT *context, const char *url) {
    char head[MAX_URL + 300];
    snprintf(head, sizeof head, "Location: %s\r\nContent-Length: 0\r\n\r\n", url);
    if (!context->ServerSupportFunction(context, SF_REQ_SEND_RESPONSE_HEADER, (PVOID) "301 Moved Permanently", (ULONG_PTR)head, 0))
        return SF_STATUS_REQ_ERROR;
    return SF_STATUS_REQ_FINISHED_KEEP_CONN;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *context, DWORD notification, VOID *data) {
    HTTP_FILTER_PREPROC_HEADERS *headers = data;
    char url[MAX_URL], changed[MAX_URL + 256];
    DWORD size = sizeof url;
    int i;
    UNREFERENCED_PARAMETER(notification); /* it is asked for one only */
    if (!headers->GetHeader(context, (LPSTR) "url", url, &size))
        return SF_STATUS_REQ_NEXT_NOTIFICATION; /* too long for a rule */
    headers->SetHeader(context, (LPSTR) "X-Original-Url:", (LPSTR) ""); /* what the client says there is not so */
    for (i = 0; i < g_count; i++) {
        const RULE *rule = &g_rules[i];
        size_t n = strlen(rule->from);
        if (strncmp(url, rule->from, n) != 0)
            continue;
        snprintf(changed, sizeof changed, "%s%s", rule->to, url + n);
        if (rule->redirect)
            return send_to(context, changed);
        if (!headers->SetHeader(context, (LPSTR) "url", changed) || !headers->SetHeader(context, (LPSTR) "X-Original-Url:", url))
            return SF_STATUS_REQ_ERROR;
        break;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
