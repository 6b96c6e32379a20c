/* basic_auth: names and passwords in a file of the filter's own, as an ISAPI filter in C.
 *
 * users.txt, beside the library, has "name:password" in each line. The application has to ask for them:
 *
 *     filters: [./basic_auth.so]
 *     authentication: {anonymous: false, basic: {realm: shop}}     in isapid.yaml
 *
 * The passwords are there to be read, because this is an example: where a file will do, isapid's own keeps hashes only ("users:" beside
 * "realm:"). A filter is for what has its users elsewhere, in a database or a directory.
 *
 * What to learn here: AUTHENTICATION, how to refuse, and a page of one's own in ACCESS_DENIED.
 */
#include <windows.h>
#include <httpfilt.h>
#include <stdio.h>
#include <string.h>

#define MAX_USERS 1000

typedef struct {
    char name[SF_MAX_USERNAME];
    char password[SF_MAX_PASSWORD];
} USER;

/* Written while the library is loaded, only read after that. */
static USER g_users[MAX_USERS];
static int g_count;

static BOOL read_users(void) {
    char path[MAX_PATH + 16], line[1024], *end;
    FILE *file;
    DWORD n = GetModuleFileNameA((HMODULE)(void *)g_users, path, MAX_PATH);
    if (n == 0 || n >= MAX_PATH)
        return FALSE;
    end = path + n;
    while (end > path && end[-1] != '/' && end[-1] != '\\')
        end--;
    strcpy(end, "users.txt");
    if ((file = fopen(path, "r")) == NULL)
        return FALSE;
    while (g_count < MAX_USERS && fgets(line, sizeof line, file)) {
        char *password = strchr(line, ':');
        if (password == NULL || password == line)
            continue;
        *password++ = 0;
        password[strcspn(password, "\r\n")] = 0;
        lstrcpyn(g_users[g_count].name, line, SF_MAX_USERNAME);
        lstrcpyn(g_users[g_count].password, password, SF_MAX_PASSWORD);
        g_count++;
    }
    fclose(file);
    return TRUE;
}

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *version) {
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    lstrcpyn(version->lpszFilterDesc, "basic_auth: users in a file", SF_MAX_FILTER_DESC_LEN);
    version->dwFlags = SF_NOTIFY_ORDER_DEFAULT | SF_NOTIFY_SECURE_PORT | SF_NOTIFY_NONSECURE_PORT | SF_NOTIFY_AUTHENTICATION |
                       SF_NOTIFY_ACCESS_DENIED;
    if (read_users())
        return TRUE;
    SetLastError(ERROR_FILE_NOT_FOUND);
    return FALSE;
}

BOOL WINAPI TerminateFilter(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE;
}

/* same compares in a time that does not tell where the difference is. */
static BOOL same(const char *a, const char *b) {
    size_t i, n = strlen(a), m = strlen(b);
    unsigned difference = n != m;
    for (i = 0; i < n; i++)
        difference |= (unsigned char)a[i] ^ (unsigned char)b[m ? i % m : 0];
    return difference == 0;
}

static DWORD logon(const HTTP_FILTER_AUTHENT *who) {
    int i;
    if (who->pszUser[0] == 0)
        return SF_STATUS_REQ_NEXT_NOTIFICATION; /* nobody yet: the server asks for a name, if it has to */
    for (i = 0; i < g_count; i++)
        if (same(who->pszUser, g_users[i].name) && same(who->pszPassword, g_users[i].password))
            return SF_STATUS_REQ_HANDLED_NOTIFICATION; /* so the server lets him in, without looking further */
    SetLastError(ERROR_ACCESS_DENIED); /* this becomes 401 */
    return SF_STATUS_REQ_ERROR;
}

/* denied sends a page instead of the server's. That the client is asked for a password is added by the server. */
static DWORD denied(HTTP_FILTER_CONTEXT *context) {
    static char page[] = "<html><body>Please tell the right name and password.</body></html>\n";
    char head[128];
    DWORD size = (DWORD)strlen(page);
    snprintf(head, sizeof head, "Content-Type: text/html\r\nContent-Length: %lu\r\n\r\n", (unsigned long)size);
    if (!context->ServerSupportFunction(context, SF_REQ_SEND_RESPONSE_HEADER, (PVOID) "401 Unauthorized", (ULONG_PTR)head, 0) ||
        !context->WriteClient(context, page, &size, 0))
        return SF_STATUS_REQ_ERROR;
    return SF_STATUS_REQ_FINISHED_KEEP_CONN;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *context, DWORD notification, VOID *data) {
    switch (notification) {
    case SF_NOTIFY_AUTHENTICATION: return logon(data);
    case SF_NOTIFY_ACCESS_DENIED: return denied(context);
    default: return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }
}
