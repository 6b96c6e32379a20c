/* fixture.h: what the fixtures share. Each is one behaviour, so only what is the same in all of them is here. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "httpext.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <pthread.h> /* elsewhere our windows.h has it */
#define LIBRARY ".dll"
#define ISAPID_EXPORT /* all is exported, unless something says what is */
#else
#define LIBRARY ".so"
#endif

/* FIXTURE(name) is a GetExtensionVersion that succeeds and gives that name as the description. */
#define FIXTURE(name)                                                                                                  \
    BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {                                                             \
        v->dwExtensionVersion = HSE_VERSION;                                                                           \
        snprintf(v->lpszExtensionDesc, sizeof v->lpszExtensionDesc, "%s", name);                                       \
        return TRUE;                                                                                                   \
    }

/* The last error of a call that answered ok; 0 for TRUE. Use it before anything else is called. */
static inline unsigned outcome(BOOL ok) {
    return ok ? 0 : (unsigned)GetLastError();
}

/* put writes n bytes and answers whether they were taken. */
static inline BOOL put(EXTENSION_CONTROL_BLOCK *e, const void *data, size_t n) {
    DWORD size = (DWORD)n;
    return e->WriteClient(e->ConnID, (LPVOID)data, &size, HSE_IO_SYNC);
}

/* say answers with a text/plain response of known length. */
static inline BOOL say(EXTENSION_CONTROL_BLOCK *e, const char *text) {
    char head[96];
    HSE_SEND_HEADER_EX_INFO h = {0};
    snprintf(head, sizeof head, "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", strlen(text));
    h.pszStatus = "200 OK";
    h.pszHeader = head;
    h.fKeepConn = TRUE;
    return e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL) &&
           put(e, text, strlen(text));
}

/* sayf is say with a format; at most 4095 bytes. */
static inline BOOL sayf(EXTENSION_CONTROL_BLOCK *e, const char *format, ...) {
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return say(e, text);
}

/* asked tells whether the query string begins with a word. */
static inline BOOL asked(const EXTENSION_CONTROL_BLOCK *e, const char *word) {
    return strncmp(e->lpszQueryString, word, strlen(word)) == 0;
}

/* note appends to the log data, which the tests read as the result of the request. */
static inline void note(EXTENSION_CONTROL_BLOCK *e, const char *format, ...) {
    size_t n = strnlen(e->lpszLogData, sizeof e->lpszLogData);
    va_list args;
    va_start(args, format);
    vsnprintf(e->lpszLogData + n, sizeof e->lpszLogData - n, format, args);
    va_end(args);
}

/* param_at finds the value of the i-th name=value in the query string, percent-decoded, in memory to free; NULL if it is not
 * there. size, if not NULL, gets its length: it may hold NULs. */
static inline char *param_at(const EXTENSION_CONTROL_BLOCK *e, const char *name, int i, size_t *size) {
    const char *p = e->lpszQueryString;
    size_t n = strlen(name), len = 0;
    char *value;
    while (strncmp(p, name, n) != 0 || p[n] != '=' || i-- > 0) {
        if ((p = strchr(p, '&')) == NULL) return NULL;
        p++;
    }
    p += n + 1;
    value = malloc(strlen(p) + 1);
    while (*p && *p != '&') {
        unsigned c = (unsigned char)*p++;
        if (c == '%' && sscanf(p, "%2x", &c) == 1) p += 2;
        value[len++] = (char)c;
    }
    value[len] = 0;
    if (size) *size = len;
    return value;
}

static inline char *param(const EXTENSION_CONTROL_BLOCK *e, const char *name, size_t *size) {
    return param_at(e, name, 0, size);
}

/* number is param as a number, decimal or 0x; otherwise if it is not there. */
static inline unsigned long long number(const EXTENSION_CONTROL_BLOCK *e, const char *name, unsigned long long otherwise) {
    char *value = param(e, name, NULL);
    if (value) otherwise = strtoull(value, NULL, 0);
    free(value);
    return otherwise;
}

/* leave writes a number to a new file, for requests whose end nobody is there to see. */
static inline void leave(const char *path, unsigned n) {
    char part[512];
    FILE *f;
    snprintf(part, sizeof part, "%s.part", path);
    if ((f = fopen(part, "w")) == NULL) return;
    fprintf(f, "%u", n);
    if (fclose(f) == 0) rename(part, path);
}

/* report is note, and appends to the file named by told= too, for requests that leave no log behind. */
static inline void report(EXTENSION_CONTROL_BLOCK *e, const char *format, ...) {
    char text[80], *name = param(e, "told", NULL);
    FILE *f = name ? fopen(name, "a") : NULL;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    note(e, "%s", text);
    if (f) {
        fputs(text, f);
        fclose(f);
    }
    free(name);
}

#endif
