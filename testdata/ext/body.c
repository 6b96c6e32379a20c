/* Reads the request body and answers what it saw, as "name=value" lines:
 *
 *   read=N     ReadClient with a buffer of N bytes until it says the end or fails
 *   never      does not call ReadClient
 *   zero       ReadClient with a size of 0, before anything else
 *   huge       ReadClient with a size far beyond the buffer's, which holds what is left and ends at a forbidden page
 *   first      begins the response before it reads, and sends back what it reads
 *   first-no   answers without a length and does not read
 *   gone=FILE  reads, and leaves the last error in a file: the client may not be there any more
 */
#include "fixture.h"
#include <sys/mman.h>

FIXTURE("body")

/* sum is the same in the test: FNV-1a, 32 bits. */
static unsigned sum(unsigned h, const BYTE *p, size_t n) {
    while (n--) h = (h ^ *p++) * 16777619u;
    return h;
}

struct reading {
    size_t total;   /* bytes ReadClient gave */
    unsigned sum;   /* of the whole body */
    unsigned error; /* of the last call; 0: the end */
};

static struct reading read_rest(EXTENSION_CONTROL_BLOCK *e, DWORD piece, BOOL echo) {
    struct reading r = {0, 2166136261u, 0};
    BYTE *buf = malloc(piece);
    DWORD n = 0;
    BOOL ok;
    r.sum = sum(r.sum, e->lpbData, e->cbAvailable);
    do {
        n = piece;
        ok = e->ReadClient(e->ConnID, buf, &n);
        r.error = outcome(ok);
        r.sum = sum(r.sum, buf, ok ? n : 0);
        r.total += ok ? n : 0;
        if (ok && echo) put(e, buf, n);
    } while (ok && n > 0);
    if (ok && (!e->ReadClient(e->ConnID, buf, (n = piece, &n)) || n != 0)) r.error = 1; /* the end must stay the end */
    free(buf);
    return r;
}

static struct reading read_huge(EXTENSION_CONTROL_BLOCK *e) {
    struct reading r = {0, 2166136261u, 0};
    size_t left = e->cbTotalBytes - e->cbAvailable, pages = (left + 4095) & ~(size_t)4095;
    BYTE *map = mmap(NULL, pages + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    BYTE *buf = map + pages - left;
    DWORD n = 1;
    mprotect(map + pages, 4096, PROT_NONE);
    r.sum = sum(r.sum, e->lpbData, e->cbAvailable);
    while (r.error == 0 && r.total < left && n > 0) {
        n = 0x7fffffff;
        r.error = outcome(e->ReadClient(e->ConnID, buf + r.total, &n));
        r.total += r.error == 0 ? n : 0;
    }
    r.sum = sum(r.sum, buf, r.total);
    munmap(map, pages + 4096);
    return r;
}

static DWORD echo(EXTENSION_CONTROL_BLOCK *e) {
    e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "200 OK", NULL,
                             (LPDWORD)(void *)"Content-Type: application/octet-stream\r\n\r\n");
    put(e, e->lpbData, e->cbAvailable);
    read_rest(e, 1000, TRUE);
    return HSE_STATUS_SUCCESS;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    struct reading r = {0, 0, 0};
    unsigned zero = 99;
    if (asked(e, "first-no")) return put(e, "no", 2) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
    if (asked(e, "first")) return echo(e);
    if (asked(e, "zero")) {
        DWORD n = 0;
        zero = outcome(e->ReadClient(e->ConnID, &n, &n)) + n;
    }
    if (asked(e, "read=")) r = read_rest(e, (DWORD)atoi(e->lpszQueryString + 5), FALSE);
    if (asked(e, "zero")) r = read_rest(e, 4096, FALSE);
    if (asked(e, "huge")) r = read_huge(e);
    if (asked(e, "gone=")) {
        leave(e->lpszQueryString + 5, read_rest(e, 4096, FALSE).error);
        return HSE_STATUS_SUCCESS;
    }
    sayf(e, "total=%u available=%u after=%u read=%zu sum=%08x error=%u zero=%u type=%s", (unsigned)e->cbTotalBytes,
         (unsigned)e->cbAvailable, e->lpbData ? e->lpbData[e->cbAvailable] : 99u, r.total, r.sum, r.error, zero,
         e->lpszContentType);
    return HSE_STATUS_SUCCESS;
}
