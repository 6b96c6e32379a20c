/* upload: takes a body of any size and answers how long it was and its CRC-32; of a form, for each part.
 *
 *     isapid run upload.c       then: curl --data-binary @big.iso http://localhost:8080/
 *                                     curl -F file=@big.iso http://localhost:8080/     or open it in a browser
 *
 * What to learn here: the first bytes of a body are in the control block, the rest comes by ReadClient, a piece at a
 * time. Nothing is kept, so a body may be larger than memory; 0xffffffff as its length means "read to the end".
 */
#include <windows.h>
#include <httpext.h>
#include <ctype.h>
#include <string.h>

#define WINDOW 16384
#define MAX_BOUNDARY 70 /* as RFC 2046 has it */
#define MAX_REPORT 8192
#define MAX_WHAT 200

static DWORD crc_table[256];

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *info) {
    DWORD i, bit, c;
    for (i = 0; i < 256; i++) {
        for (c = i, bit = 0; bit < 8; bit++)
            c = (c & 1) ? 0xedb88320u ^ (c >> 1) : c >> 1;
        crc_table[i] = c;
    }
    info->dwExtensionVersion = HSE_VERSION;
    lstrcpyn(info->lpszExtensionDesc, "upload: size and checksum of what is sent", HSE_MAX_EXT_DLL_NAME_LEN);
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE;
}

/* ---- Reading the body ---- */

typedef struct {
    EXTENSION_CONTROL_BLOCK *ecb;
    DWORD taken; /* of what the server has read ahead */
} BODY;

/* read_body gives up to *size bytes; 0 is the end. FALSE: the client broke off. */
static BOOL read_body(BODY *b, char *to, DWORD *size) {
    DWORD ahead = b->ecb->cbAvailable - b->taken;
    if (ahead > 0) {
        if (*size > ahead)
            *size = ahead;
        CopyMemory(to, b->ecb->lpbData + b->taken, *size);
        b->taken += *size;
        return TRUE;
    }
    if (b->ecb->cbAvailable == b->ecb->cbTotalBytes) {
        *size = 0;
        return TRUE;
    }
    return b->ecb->ReadClient(b->ecb->ConnID, to, size);
}

typedef struct {
    ULONGLONG size;
    DWORD crc;
} SUM;

static void add(SUM *s, const char *bytes, size_t n) {
    DWORD crc = ~s->crc;
    size_t i;
    for (i = 0; i < n; i++)
        crc = crc_table[(crc ^ (BYTE)bytes[i]) & 0xff] ^ (crc >> 8);
    s->crc = ~crc;
    s->size += n;
}

/* ---- The report ---- */

typedef struct {
    char text[MAX_REPORT];
    int used;
} REPORT;

static void report(REPORT *r, const char *what, const SUM *s) {
    char line[MAX_WHAT + 64];
    int n = wsprintf(line, "%s: %I64u bytes, CRC-32 %08lx\n", what, s->size, s->crc);
    if (r->used + n >= MAX_REPORT)
        return; /* what does not fit is left out */
    lstrcpy(r->text + r->used, line);
    r->used += n;
}

/* ---- Forms ---- */

/* A form is read through a window: the parts of it that are certain are taken from the front, then it is filled up. */
typedef struct {
    BODY *body;
    SUM *total;
    char window[WINDOW];
    size_t used;
    char delimiter[MAX_BOUNDARY + 5]; /* CR LF - - boundary */
    size_t length;                    /* of the delimiter */
} FORM;

/* boundary finds the delimiter of a form in its content type. */
static BOOL boundary(FORM *f, const char *type) {
    const char *p;
    size_t n;
    if (_strnicmp(type, "multipart/form-data", 19) != 0)
        return FALSE;
    for (p = type; *p && _strnicmp(p, "boundary=", 9) != 0; p++)
        ;
    if (!*p)
        return FALSE;
    p += 9;
    if (*p == '"')
        n = strcspn(++p, "\"");
    else
        n = strcspn(p, "; \t");
    if (n == 0 || n > MAX_BOUNDARY)
        return FALSE;
    CopyMemory(f->delimiter, "\r\n--", 4);
    CopyMemory(f->delimiter + 4, p, n);
    f->length = n + 4;
    return TRUE;
}

/* fill reads more behind what is in the window. FALSE: the body has ended or broken off. */
static BOOL fill(FORM *f) {
    DWORD n = (DWORD)(WINDOW - f->used);
    if (n == 0 || !read_body(f->body, f->window + f->used, &n) || n == 0)
        return FALSE;
    add(f->total, f->window + f->used, n);
    f->used += n;
    return TRUE;
}

static void drop(FORM *f, size_t n) {
    f->used -= n;
    MoveMemory(f->window, f->window + n, f->used);
}

/* find answers where what begins in the window, or NULL. */
static char *find(FORM *f, const char *what, size_t n) {
    char *p = f->window, *end = f->window + f->used;
    for (; (size_t)(end - p) >= n; p++) {
        p = (char *)memchr(p, what[0], (size_t)(end - p) - n + 1);
        if (!p)
            return NULL;
        if (memcmp(p, what, n) == 0)
            return p;
    }
    return NULL;
}

/* content adds up what comes before the next delimiter, and takes both from the window. */
static BOOL content(FORM *f, SUM *s) {
    char *at;
    while (!(at = find(f, f->delimiter, f->length))) {
        size_t sure = f->used < f->length ? 0 : f->used - f->length + 1; /* the rest may be the delimiter's beginning */
        add(s, f->window, sure);
        drop(f, sure);
        if (!fill(f))
            return FALSE;
    }
    add(s, f->window, (size_t)(at - f->window));
    drop(f, (size_t)(at - f->window) + f->length);
    return TRUE;
}

/* headers takes the headers of a part from the window and makes a printable line of what its disposition says. */
static BOOL headers(FORM *f, char *what, size_t room) {
    static const char key[] = "form-data; ";
    char *end, *p;
    size_t n = 0;
    while (!(end = find(f, "\r\n\r\n", 4)))
        if (!fill(f))
            return FALSE;
    *end = '\0';
    for (p = f->window; *p && _strnicmp(p, key, sizeof key - 1) != 0; p++)
        ;
    for (p += *p ? sizeof key - 1 : 0; *p && *p != '\r' && n + 1 < room; p++)
        what[n++] = isprint((unsigned char)*p) ? *p : '?';
    what[n] = '\0';
    drop(f, (size_t)(end - f->window) + 4);
    return TRUE;
}

/* parts reads a form to its last delimiter. FALSE: it has none, or is no form. */
static BOOL parts(FORM *f, REPORT *r) {
    char what[MAX_WHAT];
    SUM part = {0, 0};
    CopyMemory(f->window, "\r\n", 2); /* the first delimiter may be the very beginning of the body */
    f->used = 2;
    if (!content(f, &part))
        return FALSE;
    for (;;) {
        while (f->used < 2)
            if (!fill(f))
                return FALSE;
        if (memcmp(f->window, "--", 2) == 0)
            return TRUE;
        if (!headers(f, what, sizeof what))
            return FALSE;
        ZeroMemory(&part, sizeof part);
        if (!content(f, &part))
            return FALSE;
        report(r, what, &part);
    }
}

/* rest reads what is left of the body. */
static BOOL rest(BODY *b, SUM *total) {
    char block[WINDOW];
    DWORD n;
    for (;;) {
        n = sizeof block;
        if (!read_body(b, block, &n))
            return FALSE;
        if (n == 0)
            return TRUE;
        add(total, block, n);
    }
}

/* ---- The request ---- */

static DWORD respond(EXTENSION_CONTROL_BLOCK *ecb, const char *status, const char *type, const char *text) {
    char head[128];
    DWORD size = (DWORD)lstrlen(text);
    HSE_SEND_HEADER_EX_INFO info;
    info.pszStatus = status;
    info.cchStatus = (DWORD)lstrlen(status);
    info.cchHeader = (DWORD)wsprintf(head, "Content-Type: %s\r\nContent-Length: %lu\r\n\r\n", type, size);
    info.pszHeader = head;
    info.fKeepConn = TRUE;
    if (!ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL) ||
        !ecb->WriteClient(ecb->ConnID, (LPVOID)text, &size, HSE_IO_SYNC))
        return HSE_STATUS_ERROR;
    return HSE_STATUS_SUCCESS;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb) {
    BODY body;
    SUM total = {0, 0};
    REPORT r;
    FORM f;

    if (lstrcmp(ecb->lpszMethod, "POST") != 0 && lstrcmp(ecb->lpszMethod, "PUT") != 0)
        return respond(ecb, "200 OK", "text/html",
                       "<!doctype html>\n<title>Upload</title>\n<form method=\"post\" enctype=\"multipart/form-data\">\n"
                       "<input type=\"file\" name=\"file\" multiple> <input type=\"submit\">\n</form>\n");
    body.ecb = ecb;
    body.taken = 0;
    r.used = 0;
    r.text[0] = '\0';
    f.body = &body;
    f.total = &total;
    if (boundary(&f, ecb->lpszContentType) && !parts(&f, &r))
        return respond(ecb, "400 Bad Request", "text/plain", "the form is not complete\n");
    if (!rest(&body, &total))
        return HSE_STATUS_ERROR; /* the client is gone */
    report(&r, "body", &total);
    return respond(ecb, "200 OK", "text/plain", r.text);
}
