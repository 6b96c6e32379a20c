/* Something to record and to play again: it answers with what it was asked, in two writes, after reading the whole body. Builds of it differ:
 *
 *   -DHEADER    one line of the header has another value
 *   -DMORE      one server variable more is asked for
 *   -DBODY      one letter of the body is another
 *   -DSEGV      it faults when the query has x=7
 *   -DKILL      it is killed then
 *
 * ?moment is answered with the number of the process, which is another one each time. */
#include <signal.h>
#include <unistd.h>
#include "fixture.h"

FIXTURE("recorded")

static volatile size_t nowhere = 0x10;

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char host[256] = "", text[1024], head[512];
    DWORD size = sizeof host, total = 0, sum = 0;
    HSE_SEND_HEADER_EX_INFO h = {0};
    e->GetServerVariable(e->ConnID, "REQUEST_METHOD", host, &size);
#ifdef MORE
    size = sizeof host;
    e->GetServerVariable(e->ConnID, "SERVER_PROTOCOL", host, &size);
#endif
#if defined(SEGV)
    if (asked(e, "x=7")) *(volatile int *)nowhere = 1;
#elif defined(KILL)
    if (asked(e, "x=7")) kill(getpid(), SIGKILL);
#endif
    for (DWORD i = 0; i < e->cbAvailable; i++) sum = sum * 31 + e->lpbData[i];
    for (total = e->cbAvailable; total < e->cbTotalBytes;) {
        unsigned char part[8192];
        size = sizeof part;
        if (!e->ReadClient(e->ConnID, part, &size) || size == 0) break;
        for (DWORD i = 0; i < size; i++) sum = sum * 31 + part[i];
        total += size;
    }
    if (asked(e, "moment")) {
        snprintf(text, sizeof text, "process %ld says so\n", (long)getpid());
    } else {
        snprintf(text, sizeof text, "%s %s %u bytes, sum %u\n", e->lpszMethod, e->lpszQueryString, (unsigned)total, (unsigned)sum);
    }
    snprintf(head, sizeof head, "Content-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Version: %s\r\n\r\n",
#ifdef HEADER
             "2"
#else
             "1"
#endif
    );
    h.pszStatus = "200 OK";
    h.pszHeader = head;
    e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL);
    put(e, text, strlen(text));
#ifdef BODY
    put(e, "the eNd\n", 8);
#else
    put(e, "the end\n", 8);
#endif
    return HSE_STATUS_SUCCESS;
}
