/* SEND_RAW_DATA puts a header line "X-Mark: NAME" in front of the others, which makes the block longer; the filter that is called last
 * has the first line. A block that begins with "drop" is left out. */
#include "filter.h"

#ifndef NAME
#define NAME "a"
#endif
#ifndef ORDER
#define ORDER SF_NOTIFY_ORDER_DEFAULT
#endif

FILTER("mark " NAME, BOTH_PORTS | ORDER | SF_NOTIFY_SEND_RAW_DATA)

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    static const char mark[] = "X-Mark: " NAME "\r\n";
    HTTP_FILTER_RAW_DATA *d = data;
    char *in = d->pvInData, *line, *out;
    size_t first, n = sizeof mark - 1;
    (void)type;
    if (d->cbInData >= 4 && memcmp(in, "drop", 4) == 0) d->cbInData = 0;
    if (d->cbInData < 5 || memcmp(in, "HTTP/", 5) != 0 || (line = memchr(in, '\n', d->cbInData)) == NULL)
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    first = (size_t)(line + 1 - in);
    if ((out = c->AllocMem(c, (DWORD)(d->cbInData + n), 0)) == NULL) return SF_STATUS_REQ_ERROR;
    memcpy(out, in, first);
    memcpy(out + first, mark, n);
    memcpy(out + first + n, in + first, d->cbInData - first);
    d->pvInData = out;
    d->cbInData += (DWORD)n;
    d->cbInBuffer = d->cbInData;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
