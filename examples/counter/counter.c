/* counter: the hit counter every home page had in 1999, one count per page, as an ISAPI extension in C.
 *
 *     isapid run counter.c      then open http://localhost:8080/guestbook and press reload
 *
 * What to learn here: the three exports, a lock around what threads share, an answer with a length, so that the
 * connection stays open. The source is the same on Windows; there it is built into counter.dll.
 */
#include <windows.h>
#include <httpext.h>

#define MAX_PAGES 24
#define MAX_NAME 40

typedef struct {
    char name[MAX_NAME];
    DWORD hits;
} PAGE;

/* Shared by all threads, guarded by g_lock. */
static CRITICAL_SECTION g_lock;
static PAGE g_pages[MAX_PAGES]; /* the last one counts every page that found no place of its own */
static int g_used;

static SYSTEMTIME g_since;

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved) {
    UNREFERENCED_PARAMETER(module);
    UNREFERENCED_PARAMETER(reserved);
    switch (reason) {
    case DLL_PROCESS_ATTACH:
        InitializeCriticalSection(&g_lock);
        GetLocalTime(&g_since);
        break;
    case DLL_PROCESS_DETACH:
        DeleteCriticalSection(&g_lock);
        break;
    }
    return TRUE;
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *info) {
    info->dwExtensionVersion = HSE_VERSION;
    lstrcpyn(info->lpszExtensionDesc, "counter: you are visitor number ...", HSE_MAX_EXT_DLL_NAME_LEN);
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE; /* nothing runs between requests: unload whenever you like */
}

/* page_name makes a name of the path that is short and can stand in HTML as it is. */
static void page_name(char *name, const char *path) {
    int i;
    lstrcpyn(name, *path ? path : "/", MAX_NAME);
    for (i = 0; name[i]; i++) {
        char c = name[i];
        BOOL plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '-';
        if (!plain)
            name[i] = '_';
    }
}

/* count adds one to a page and answers what it has now; pages receives a copy of all of them, used their number. */
static DWORD count(const char *name, PAGE *pages, int *used) {
    int i;
    DWORD hits;
    EnterCriticalSection(&g_lock);
    for (i = 0; i < g_used && lstrcmp(g_pages[i].name, name) != 0; i++)
        ;
    if (i == MAX_PAGES) {
        i = MAX_PAGES - 1;
        lstrcpy(g_pages[i].name, "all the rest");
    } else if (i == g_used) {
        lstrcpy(g_pages[i].name, name);
        g_used++;
    }
    hits = ++g_pages[i].hits;
    CopyMemory(pages, g_pages, sizeof g_pages);
    *used = g_used;
    LeaveCriticalSection(&g_lock);
    return hits;
}

/* odometer writes hits as digits on wheels, at least six of them. */
static char *odometer(char *p, DWORD hits) {
    char digits[16];
    int i;
    wsprintf(digits, "%06lu", hits);
    p += wsprintf(p, "<table border=2 cellspacing=1 cellpadding=4 bgcolor=\"#808080\"><tr>");
    for (i = 0; digits[i]; i++)
        p += wsprintf(p, "<td bgcolor=black><font face=\"Courier New\" size=6 color=\"#00ff00\"><b>%c</b></font></td>", digits[i]);
    return p + wsprintf(p, "</tr></table>\n");
}

/* page writes the whole document and answers its length. wsprintf writes 1024 bytes at most: one piece per call. */
static int page(char *html, const char *name) {
    PAGE pages[MAX_PAGES];
    int used, i;
    DWORD hits = count(name, pages, &used);
    char *p = html;
    p += wsprintf(p, "<html>\n<head><title>Welcome to %s</title></head>\n", name);
    p += wsprintf(p, "<body bgcolor=\"#000066\" text=\"#ffff99\"><center>\n");
    p += wsprintf(p, "<h1>~*~ Welcome to %s ~*~</h1>\n<p>You are visitor number</p>\n", name);
    p = odometer(p, hits);
    p += wsprintf(p, "<p>since %04d-%02d-%02d %02d:%02d</p>\n<hr width=\"60%%\">\n", g_since.wYear, g_since.wMonth, g_since.wDay,
                  g_since.wHour, g_since.wMinute);
    p += wsprintf(p, "<h3>The most exciting pages of this site</h3>\n<table border=1 cellpadding=3>\n");
    for (i = 0; i < used; i++)
        p += wsprintf(p, "<tr><td>%s</td><td align=right>%lu</td></tr>\n", pages[i].name, pages[i].hits);
    p += wsprintf(p, "</table>\n<p><font size=2>Best viewed with Netscape Navigator 4.0 at 800 x 600.<br>\n"
                     "This page is always under construction.</font></p>\n</center></body>\n</html>\n");
    return (int)(p - html);
}

/* respond sends status, type and a body of size bytes. */
static DWORD respond(EXTENSION_CONTROL_BLOCK *ecb, const char *status, const char *type, char *body, DWORD size) {
    char headers[256];
    HSE_SEND_HEADER_EX_INFO info;
    info.cchHeader = (DWORD)wsprintf(headers, "Content-Type: %s\r\nContent-Length: %lu\r\nCache-Control: no-cache\r\n\r\n", type, size);
    info.pszHeader = headers;
    info.pszStatus = status;
    info.cchStatus = (DWORD)lstrlen(status);
    info.fKeepConn = TRUE; /* may be, because the client is told the length */
    if (!ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL))
        return HSE_STATUS_ERROR;
    if (!ecb->WriteClient(ecb->ConnID, body, &size, HSE_IO_SYNC))
        return HSE_STATUS_ERROR; /* the visitor has left */
    return HSE_STATUS_SUCCESS;
}

/* HttpExtensionProc runs in many threads at the same time. What is on the stack is this request's own. */
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb) {
    char html[8192]; /* 24 rows of up to 100 bytes, ten digits of up to 100, and 1 KB around them */
    char name[MAX_NAME];
    static char none[] = "no icon\n";
    page_name(name, ecb->lpszPathInfo);
    if (lstrcmp(name, "/favicon.ico") == 0) /* browsers ask for it; nobody has visited that page */
        return respond(ecb, "404 Not Found", "text/plain", none, sizeof none - 1);
    return respond(ecb, "200 OK", "text/html", html, (DWORD)page(html, name));
}
