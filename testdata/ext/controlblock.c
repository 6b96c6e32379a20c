/* Answers what is in its control block, a line a field. With the query "status=N" it does nothing but set dwHttpStatusCode
 * and lpszLogData, without a NUL; "unchanged" does nothing at all. */
#include "fixture.h"

FIXTURE("controlblock")

static const char *shown(const char *s) {
    return s ? s : "(NULL)";
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    unsigned i, empty = 1;
    if (asked(e, "unchanged")) return HSE_STATUS_SUCCESS;
    if (asked(e, "status=")) {
        e->dwHttpStatusCode = (DWORD)number(e, "status", 0);
        memset(e->lpszLogData, 'l', sizeof e->lpszLogData);
        return HSE_STATUS_SUCCESS;
    }
    for (i = 0; i < sizeof e->lpszLogData; i++) empty &= e->lpszLogData[i] == 0;
    sayf(e,
         "cbSize %u of %u\ndwVersion %u.%u\nConnID %s\ndwHttpStatusCode %u\nlpszLogData %s\nlpszMethod [%s]\n"
         "lpszQueryString [%s]\nlpszPathInfo [%s]\nlpszPathTranslated [%s]\ncbTotalBytes %u\ncbAvailable %u\n"
         "lpbData [%s]\nlpszContentType [%s]\ncallbacks %d\n",
         (unsigned)e->cbSize, (unsigned)sizeof *e, (unsigned)HIWORD(e->dwVersion), (unsigned)LOWORD(e->dwVersion),
         e->ConnID == (HCONN)e ? "is the address" : "is another", (unsigned)e->dwHttpStatusCode, empty ? "empty" : "not empty",
         shown(e->lpszMethod), shown(e->lpszQueryString), shown(e->lpszPathInfo), shown(e->lpszPathTranslated),
         (unsigned)e->cbTotalBytes, (unsigned)e->cbAvailable, shown((char *)e->lpbData), shown(e->lpszContentType),
         e->GetServerVariable && e->WriteClient && e->ReadClient && e->ServerSupportFunction);
    return HSE_STATUS_SUCCESS;
}
