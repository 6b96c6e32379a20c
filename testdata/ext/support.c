/* Makes calls of ServerSupportFunction that the query string spells: CODE/BUFFER/SIZE/TYPE, several with '&' between them.
 * An argument is
 *
 *   n        NULL
 *   g        a pointer to nowhere
 *   v123     a number where a pointer should be
 *   sTEXT    text, percent-encoded; shown as it is after the call
 *   wTEXT    the same as UTF-16
 *   o12      12 bytes of 0xEE; shown in hexadecimal
 *   d12      a DWORD; shown
 *   k2048    a CERT_CONTEXT_EX with room for so many bytes; flags and certificate are shown
 *   e404%20Gone,3,0   an HSE_CUSTOM_ERROR_INFO
 *
 * A first word such as 5-1000 calls a range of codes and shows those that do not fail with 87. Each call makes a line: error (0:
 * TRUE), then what is shown. The log data has the errors, for calls that are the response themselves. */
#include "fixture.h"

FIXTURE("support")

enum { ROOM = 1 << 16, SPARE = 1 << 20 };

static char page[1 << 19];
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER; /* guards page */

static void show(const char *format, ...) {
    size_t n = strlen(page);
    va_list args;
    va_start(args, format);
    vsnprintf(page + n, sizeof page - n, format, args);
    va_end(args);
}

static void hex(const unsigned char *p, size_t n) {
    show(" ");
    while (n--) show("%02x", *p++);
}

static void decode(char *to, const char *from) {
    unsigned c;
    for (; *from; from++) {
        c = (unsigned char)*from;
        if (c == '%' && sscanf(from + 1, "%2x", &c) == 1) from += 2;
        *to++ = (char)c;
    }
    *to = 0;
}

struct argument {
    char kind, *memory;
    unsigned long long number;
};

static void *make(struct argument *a, const char *text) {
    size_t i;
    a->kind = *text++;
    a->number = strtoull(text, NULL, 0);
    a->memory = calloc(1, ROOM + SPARE);
    switch (a->kind) {
    case 'g': return (void *)(size_t)0x7dead0000;
    case 'v': return (void *)(size_t)a->number;
    case 's': decode(a->memory, text); break;
    case 'w':
        decode(a->memory + ROOM, text);
        for (i = 0; a->memory[ROOM + i]; i++) ((WCHAR *)a->memory)[i] = (unsigned char)a->memory[ROOM + i];
        break;
    case 'o': memset(a->memory, 0xEE, a->number); break;
    case 'd': *(DWORD *)a->memory = (DWORD)a->number; break;
    case 'k': {
        CERT_CONTEXT_EX *c = (CERT_CONTEXT_EX *)a->memory;
        c->CertContext.pbCertEncoded = a->number ? (BYTE *)a->memory + ROOM : NULL;
        c->cbAllocated = (DWORD)a->number;
        break;
    }
    case 'e': {
        HSE_CUSTOM_ERROR_INFO *info = (HSE_CUSTOM_ERROR_INFO *)a->memory;
        char *comma;
        decode(a->memory + ROOM, text);
        info->pszStatus = a->memory + ROOM;
        if ((comma = strchr(info->pszStatus, ',')) != NULL) {
            *comma = 0;
            info->uHttpSubError = (USHORT)strtoul(comma + 1, &comma, 10);
            info->fAsync = *comma == ',' && comma[1] == '1';
        }
        break;
    }
    default: return NULL;
    }
    return a->memory;
}

static void shown(const struct argument *a) {
    const CERT_CONTEXT_EX *c = (const CERT_CONTEXT_EX *)a->memory;
    size_t i;
    switch (a->kind) {
    case 's': show(" %s", a->memory); break;
    case 'w':
        show(" ");
        for (i = 0; ((WCHAR *)a->memory)[i]; i++) show("%c", ((WCHAR *)a->memory)[i]);
        break;
    case 'o': hex((unsigned char *)a->memory, a->number); break;
    case 'd': show(" %u", (unsigned)*(DWORD *)a->memory); break;
    case 'k':
        show(" %u %u %u", (unsigned)c->CertContext.cbCertEncoded, (unsigned)c->CertContext.dwCertEncodingType,
             (unsigned)c->dwCertificateFlags);
        if (c->cbAllocated >= c->CertContext.cbCertEncoded) hex((unsigned char *)a->memory + ROOM, c->CertContext.cbCertEncoded);
        break;
    }
}

static void call(EXTENSION_CONTROL_BLOCK *e, char *text) {
    struct argument a[3];
    void *p[3];
    char *next, *rest = NULL, *word = strtok_r(text, "/", &rest);
    unsigned long long from = strtoull(word, &next, 10), to = *next == '-' ? strtoull(next + 1, NULL, 10) : from, code; /* beyond the last */
    int i;
    for (i = 0; i < 3; i++) {
        word = strtok_r(NULL, "/", &rest);
        p[i] = make(&a[i], word ? word : "n");
    }
    for (code = from; code <= to; code++) {
        BOOL ok;
        unsigned err;
        SetLastError(4711);
        ok = e->ServerSupportFunction(e->ConnID, (DWORD)code, p[0], (LPDWORD)p[1], (LPDWORD)p[2]);
        err = outcome(ok);
        if (from != to) {
            if (err != 87) show("%lu: %u\n", (unsigned long)code, err);
            continue;
        }
        note(e, "%u ", err);
        show("%u", err);
        for (i = 0; i < 3; i++) shown(&a[i]);
        show("\n");
    }
    for (i = 0; i < 3; i++) free(a[i].memory);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char *query = strdup(e->lpszQueryString), *rest = NULL, *word;
    pthread_mutex_lock(&one);
    page[0] = 0;
    for (word = strtok_r(query, "&", &rest); word; word = strtok_r(NULL, "&", &rest)) call(e, word);
    free(query);
    query = strdup(page);
    pthread_mutex_unlock(&one);
    say(e, query);
    free(query);
    return HSE_STATUS_SUCCESS;
}
