/* Moves much data: "up" reads the body and answers its size, "down=N" writes N bytes in pieces, "once=N" in one call
 * and without a head, "file=PATH" sends a file;
 * "gone=FILE" writes until the client is away and leaves the error in a file. */
#include "fixture.h"
#include <sys/mman.h>

FIXTURE("bulk")

static char block[64 << 10];

static BOOL begin(EXTENSION_CONTROL_BLOCK *e, unsigned long long size) {
    char head[64];
    snprintf(head, sizeof head, "Content-Length: %llu\r\n\r\n", size);
    return e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "200 OK", NULL, (LPDWORD)(void *)head);
}

static DWORD up(EXTENSION_CONTROL_BLOCK *e) {
    unsigned long long total = e->cbAvailable;
    char *buf = malloc(sizeof block);
    DWORD n;
    do {
        n = sizeof block;
        if (!e->ReadClient(e->ConnID, buf, &n)) {
            free(buf);
            return HSE_STATUS_ERROR;
        }
        total += n;
    } while (n > 0);
    free(buf);
    sayf(e, "%llu", total);
    return HSE_STATUS_SUCCESS;
}

static DWORD down(EXTENSION_CONTROL_BLOCK *e, unsigned long long size) {
    if (!begin(e, size)) return HSE_STATUS_ERROR;
    while (size > 0) {
        size_t n = size < sizeof block ? (size_t)size : sizeof block;
        if (!put(e, block, n)) return HSE_STATUS_ERROR;
        size -= n;
    }
    return HSE_STATUS_SUCCESS;
}

/* once needs no memory of its own: pages that were never written to are all the same one. */
static DWORD once(EXTENSION_CONTROL_BLOCK *e, size_t size) {
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    BOOL ok = map != MAP_FAILED && put(e, map, size);
    if (map != MAP_FAILED) munmap(map, size);
    return ok ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}

static DWORD file(EXTENSION_CONTROL_BLOCK *e, const char *path) {
    HANDLE h = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    HSE_TF_INFO t = {0};
    char head[64];
    LARGE_INTEGER size;
    BOOL ok;
    if (h == INVALID_HANDLE_VALUE || !GetFileSizeEx(h, &size)) return HSE_STATUS_ERROR;
    snprintf(head, sizeof head, "Content-Length: %lld\r\n\r\n", (long long)size.QuadPart);
    t.hFile = h;
    t.pszStatusCode = "200 OK";
    t.pHead = head;
    t.HeadLength = (DWORD)strlen(head);
    t.dwFlags = HSE_IO_SEND_HEADERS;
    ok = e->ServerSupportFunction(e->ConnID, HSE_REQ_TRANSMIT_FILE, &t, NULL, NULL);
    CloseHandle(h);
    return ok ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}

static DWORD gone(EXTENSION_CONTROL_BLOCK *e) {
    int i;
    begin(e, 1ull << 40);
    for (i = 0; i < 1 << 20; i++) {
        if (!put(e, block, sizeof block)) {
            leave(e->lpszQueryString + 5, (unsigned)GetLastError());
            return HSE_STATUS_ERROR;
        }
    }
    return HSE_STATUS_SUCCESS;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (asked(e, "up")) return up(e);
    if (asked(e, "down=")) return down(e, strtoull(e->lpszQueryString + 5, NULL, 10));
    if (asked(e, "once=")) return once(e, (size_t)strtoull(e->lpszQueryString + 5, NULL, 10));
    if (asked(e, "file=")) return file(e, e->lpszQueryString + 5);
    if (asked(e, "gone=")) return gone(e);
    return HSE_STATUS_ERROR;
}
