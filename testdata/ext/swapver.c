/* One of several builds of the same extension, which says in every answer which one it is: build it with -DVERSION=7. It answers
 * any request with the header X-Version and the text
 *
 *     swapver 7 length=16384 fnv=8b1a9953c4611296
 *
 * where length and fnv (64-bit FNV-1a) are those of the request's body, followed by as many bytes as "size=" says. "stream"
 * leaves out the length of the answer, "sleep=" waits so many milliseconds before it, "hang" for ever, "crash" crashes.
 *
 * After TerminateExtension every request is answered 500, also those that were inside then. If the environment names a file
 * in SWAPVER_ALONE, the build refuses to be loaded while another one is. */
#include "fixture.h"
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION 1
#endif

static volatile int ended;
static int alone = -1;

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    const char *file = getenv("SWAPVER_ALONE");
    v->dwExtensionVersion = HSE_VERSION;
    snprintf(v->lpszExtensionDesc, sizeof v->lpszExtensionDesc, "swapver %d", VERSION);
    if (file == NULL || alone >= 0) return TRUE;
    alone = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (alone < 0 || flock(alone, LOCK_EX | LOCK_NB) != 0) {
        if (alone >= 0) close(alone);
        alone = -1;
        SetLastError(ERROR_BUSY);
        return FALSE;
    }
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    ended = 1;
    if (alone >= 0) close(alone);
    alone = -1;
    return TRUE;
}

static unsigned long long fnv(unsigned long long hash, const unsigned char *p, size_t n) {
    while (n-- > 0) hash = (hash ^ *p++) * 0x100000001b3ull;
    return hash;
}

/* read_body reads all of the body. */
static BOOL read_body(EXTENSION_CONTROL_BLOCK *e, unsigned long long *length, unsigned long long *hash) {
    enum { piece = 64 << 10 };
    unsigned char *buf = malloc(piece);
    DWORD n = 0;
    BOOL ok = buf != NULL;
    *length = e->cbAvailable;
    *hash = fnv(0xcbf29ce484222325ull, e->lpbData, e->cbAvailable);
    while (ok) {
        n = piece;
        ok = e->ReadClient(e->ConnID, buf, &n);
        if (!ok || n == 0) break;
        *length += n;
        *hash = fnv(*hash, buf, n);
    }
    free(buf);
    return ok;
}

/* pad writes n bytes: the letters from a to z again and again. */
static BOOL pad(EXTENSION_CONTROL_BLOCK *e, unsigned long long n) {
    char letters[26 * 300];
    size_t i;
    for (i = 0; i < sizeof letters; i++) letters[i] = (char)('a' + i % 26);
    while (n > 0) {
        size_t part = n < sizeof letters ? (size_t)n : sizeof letters;
        if (!put(e, letters, part)) return FALSE;
        n -= part;
    }
    return TRUE;
}

static void wait_ms(unsigned long long ms) {
    struct timespec t;
    t.tv_sec = (time_t)(ms / 1000);
    t.tv_nsec = (long)(ms % 1000) * 1000000;
    while (nanosleep(&t, &t) != 0) continue;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    unsigned long long length, hash, size = number(e, "size", 0);
    char line[96], head[160];
    HSE_SEND_HEADER_EX_INFO h = {0};
    int n, bad;
    if (!read_body(e, &length, &hash)) return HSE_STATUS_ERROR;
    if (strstr(e->lpszQueryString, "hang")) {
        for (;;) pause();
    }
    if (strstr(e->lpszQueryString, "crash")) {
        volatile int *volatile nowhere = NULL;
        *nowhere = 1;
    }
    wait_ms(number(e, "sleep", 0));
    bad = ended;
    n = snprintf(line, sizeof line, "swapver %d length=%llu fnv=%016llx%s\n", VERSION, length, hash, bad ? " after its end" : "");
    if (strstr(e->lpszQueryString, "stream"))
        snprintf(head, sizeof head, "Content-Type: text/plain\r\nX-Version: %d\r\n\r\n", VERSION);
    else
        snprintf(head, sizeof head, "Content-Type: text/plain\r\nX-Version: %d\r\nContent-Length: %llu\r\n\r\n", VERSION, n + size);
    h.pszStatus = bad ? "500 Ended" : "200 OK";
    h.pszHeader = head;
    h.fKeepConn = TRUE;
    if (!e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL) || !put(e, line, (size_t)n) ||
        !pad(e, size))
        return HSE_STATUS_ERROR;
    return HSE_STATUS_SUCCESS_AND_KEEP_CONN;
}
