/* Plays its query string, a list of name=value in percent-encoding, one call after the other:
 *
 *   status, header     texts for the next header call; none: NULL
 *   counted            count them including their NUL
 *   send, ex, close    SEND_RESPONSE_HEADER; _EX with fKeepConn TRUE; _EX with FALSE
 *   transmit           TRANSMIT_FILE with status and header, no file
 *   head               TRANSMIT_FILE without headers, the value is pHead
 *   redirect, flush    those requests of the server, with the value
 *   write, bytes       WriteClient the value; one byte at a time
 *   split              cut the next write in two at this offset
 *   nothing            WriteClient of zero bytes
 *   nodelay            WriteClient with HSE_IO_NODELAY
 *   bad                WriteClient and ReadClient with arguments that are none; the value tells which
 *   code               set dwHttpStatusCode
 *   wait               until the file of this name exists
 *   return             this, instead of 1
 *
 * The log data tells for each call 0, or the error it failed with. */
#include "fixture.h"

FIXTURE("play")

struct play {
    EXTENSION_CONTROL_BLOCK *ecb;
    char *status, *header;
    BOOL counted;
    size_t split;
    DWORD result;
};

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/* decode undoes percent-encoding in place and answers the length. */
static size_t decode(char *s) {
    char *to = s, *from;
    for (from = s; *from; from++) {
        if (*from == '%' && from[1] && from[2]) {
            *to++ = (char)(hex(from[1]) << 4 | hex(from[2]));
            from += 2;
        } else {
            *to++ = *from == '+' ? ' ' : *from;
        }
    }
    *to = 0;
    return (size_t)(to - s);
}

static DWORD count(const struct play *p, const char *s) {
    return s ? (DWORD)strlen(s) + (p->counted ? 1 : 0) : 0;
}

static BOOL ex(struct play *p, BOOL keep) {
    HSE_SEND_HEADER_EX_INFO h = {p->status, p->header, count(p, p->status), count(p, p->header), keep};
    return p->ecb->ServerSupportFunction(p->ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL);
}

static BOOL transmit(struct play *p, char *head, size_t n) {
    HSE_TF_INFO t = {0};
    t.pszStatusCode = p->status;
    t.pHead = head;
    t.HeadLength = (DWORD)n;
    t.dwFlags = head == p->header ? HSE_IO_SEND_HEADERS : 0;
    return p->ecb->ServerSupportFunction(p->ecb->ConnID, HSE_REQ_TRANSMIT_FILE, &t, NULL, NULL);
}

static BOOL write_flags(struct play *p, const char *data, size_t n, DWORD flags) {
    DWORD size = (DWORD)n;
    BOOL ok = p->ecb->WriteClient(p->ecb->ConnID, (LPVOID)data, &size, flags);
    return ok && size == n;
}

static BOOL write_split(struct play *p, const char *data, size_t n) {
    size_t first = p->split < n ? p->split : n;
    p->split = 0;
    return (first == 0 || write_flags(p, data, first, 0)) && write_flags(p, data + first, n - first, HSE_IO_SYNC);
}

static BOOL write_bytes(struct play *p, const char *data, size_t n) {
    size_t i;
    for (i = 0; i < n; i++)
        if (!write_flags(p, data + i, 1, 0)) return FALSE;
    return TRUE;
}

static BOOL bad(EXTENSION_CONTROL_BLOCK *e, const char *which) {
    char byte = 0;
    DWORD five = 5, most = 0x80000000u, all = 0xffffffffu;
    if (!strcmp(which, "write buffer")) return e->WriteClient(e->ConnID, NULL, &five, 0);
    if (!strcmp(which, "write wild")) return e->WriteClient(e->ConnID, (LPVOID)(size_t)0x123456789000, &five, 0);
    if (!strcmp(which, "write size")) return e->WriteClient(e->ConnID, &byte, NULL, 0);
    if (!strcmp(which, "write most")) return e->WriteClient(e->ConnID, &byte, &most, 0);
    if (!strcmp(which, "read size")) return e->ReadClient(e->ConnID, &byte, NULL);
    if (!strcmp(which, "read most")) return e->ReadClient(e->ConnID, &byte, &all);
    if (!strcmp(which, "conn")) return e->WriteClient(NULL, &byte, &five, 0);
    return e->WriteClient((HCONN)&five, &byte, &five, 0);
}

static BOOL wait_for(const char *file) {
    int i;
    for (i = 0; i < 2000; i++) {
        if (GetFileAttributesA(file) != INVALID_FILE_ATTRIBUTES) return TRUE;
        Sleep(10);
    }
    return FALSE;
}

/* set takes the names that call nothing. */
static BOOL set(struct play *p, const char *name, char *value) {
    if (!strcmp(name, "status")) p->status = value;
    else if (!strcmp(name, "header")) p->header = value;
    else if (!strcmp(name, "counted")) p->counted = TRUE;
    else if (!strcmp(name, "split")) p->split = (size_t)atoi(value);
    else if (!strcmp(name, "code")) p->ecb->dwHttpStatusCode = (DWORD)strtoul(value, NULL, 10);
    else if (!strcmp(name, "return")) p->result = (DWORD)strtoul(value, NULL, 10);
    else return FALSE;
    return TRUE;
}

static BOOL act(struct play *p, const char *name, char *value, size_t n) {
    EXTENSION_CONTROL_BLOCK *e = p->ecb;
    if (!strcmp(name, "send"))
        return e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, p->status, NULL, (LPDWORD)(void *)p->header);
    if (!strcmp(name, "ex")) return ex(p, TRUE);
    if (!strcmp(name, "close")) return ex(p, FALSE);
    if (!strcmp(name, "transmit")) return transmit(p, p->header, strlen(p->header) + 1);
    if (!strcmp(name, "head")) return transmit(p, value, n);
    if (!strcmp(name, "redirect"))
        return e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_URL_REDIRECT_RESP, value, NULL, NULL);
    if (!strcmp(name, "flush"))
        return e->ServerSupportFunction(e->ConnID, HSE_REQ_SET_FLUSH_FLAG, (LPVOID)(size_t)atoi(value), NULL, NULL);
    if (!strcmp(name, "write")) return write_split(p, value, n);
    if (!strcmp(name, "bytes")) return write_bytes(p, value, n);
    if (!strcmp(name, "nothing")) return write_flags(p, NULL, 0, HSE_IO_SYNC);
    if (!strcmp(name, "nodelay")) return write_flags(p, value, n, HSE_IO_SYNC | HSE_IO_NODELAY);
    if (!strcmp(name, "bad")) return bad(e, value);
    if (!strcmp(name, "wait")) return wait_for(value);
    SetLastError(1);
    return FALSE;
}

/* play plays one name=value. */
static void play(struct play *p, char *step) {
    char *value = step + strcspn(step, "=");
    size_t n;
    BOOL ok;
    if (*value) *value++ = 0;
    n = decode(value);
    if (set(p, step, value)) return;
    ok = act(p, step, value, n);
    note(p->ecb, "%u ", outcome(ok));
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    struct play p = {e, NULL, NULL, FALSE, 0, HSE_STATUS_SUCCESS};
    char *script = strdup(e->lpszQueryString), *step = script;
    while (step && *step) {
        char *next = strchr(step, '&');
        if (next) *next++ = 0;
        play(&p, step);
        step = next;
    }
    free(script);
    return p.result;
}
