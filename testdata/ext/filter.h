/* filter.h: what the filter fixtures share. */
#ifndef FILTER_H
#define FILTER_H

#include "fixture.h"
#include "httpfilt.h"
#include <fcntl.h>
#include <unistd.h>

#define BOTH_PORTS (SF_NOTIFY_SECURE_PORT | SF_NOTIFY_NONSECURE_PORT)

/* FILTER(name, flags) is a GetFilterVersion that succeeds and registers for flags. */
#define FILTER(name, flags)                                                                                            \
    BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {                                                             \
        v->dwFilterVersion = HTTP_FILTER_REVISION;                                                                     \
        snprintf(v->lpszFilterDesc, sizeof v->lpszFilterDesc, "%s", name);                                             \
        v->dwFlags = (flags);                                                                                          \
        return TRUE;                                                                                                   \
    }

/* event_name is the name of a notification without SF_NOTIFY_. */
static inline const char *event_name(DWORD notification) {
    switch (notification) {
    case SF_NOTIFY_READ_RAW_DATA: return "READ_RAW_DATA";
    case SF_NOTIFY_PREPROC_HEADERS: return "PREPROC_HEADERS";
    case SF_NOTIFY_URL_MAP: return "URL_MAP";
    case SF_NOTIFY_AUTHENTICATION: return "AUTHENTICATION";
    case SF_NOTIFY_AUTH_COMPLETE: return "AUTH_COMPLETE";
    case SF_NOTIFY_ACCESS_DENIED: return "ACCESS_DENIED";
    case SF_NOTIFY_SEND_RESPONSE: return "SEND_RESPONSE";
    case SF_NOTIFY_SEND_RAW_DATA: return "SEND_RAW_DATA";
    case SF_NOTIFY_END_OF_REQUEST: return "END_OF_REQUEST";
    case SF_NOTIFY_LOG: return "LOG";
    case SF_NOTIFY_END_OF_NET_SESSION: return "END_OF_NET_SESSION";
    default: return "?";
    }
}

/* trace_file is the file that FILTER_TRACE names. A library of C on Windows has the environment only as it was when it began. */
static inline const char *trace_file(char *room, size_t size) {
#ifdef _WIN32
    DWORD n = GetEnvironmentVariableA("FILTER_TRACE", room, (DWORD)size);
    return n > 0 && n < size ? room : NULL;
#else
    (void)room, (void)size;
    return getenv("FILTER_TRACE");
#endif
}

/* trace appends a line to the file that FILTER_TRACE names, in one write: filters of several processes may share it. */
static inline void trace(const char *format, ...) {
    char line[4096], room[1024];
    const char *file = trace_file(room, sizeof room);
    int fd, n;
    va_list args;
    if (file == NULL || (fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0) return;
    va_start(args, format);
    n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (n > (int)sizeof line - 2) n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(fd, line, (size_t)n) != n) abort();
    close(fd);
}

/* filter_var gets a server variable; buf is "" if there is none. The answer is 0 or the error. */
static inline unsigned filter_var(HTTP_FILTER_CONTEXT *c, const char *name, char *buf, DWORD size) {
    unsigned error = outcome(c->GetServerVariable(c, (LPSTR)name, buf, &size));
    if (error) buf[0] = 0;
    return error;
}

/* get_header is filter_var for the functions of PREPROC_HEADERS, AUTH_COMPLETE and SEND_RESPONSE, which begin alike. */
static inline unsigned get_header(HTTP_FILTER_CONTEXT *c, HTTP_FILTER_PREPROC_HEADERS *h, const char *name, char *buf, DWORD size) {
    unsigned error = outcome(h->GetHeader(c, (LPSTR)name, buf, &size));
    if (error) buf[0] = 0;
    return error;
}

/* filter_write sends n bytes. */
static inline BOOL filter_write(HTTP_FILTER_CONTEXT *c, const void *data, size_t n) {
    DWORD size = (DWORD)n;
    return c->WriteClient(c, (LPVOID)data, &size, 0) && size == n;
}

/* filter_page sends a whole response of known length; head is more header lines, each with its line end. */
static inline BOOL filter_page(HTTP_FILTER_CONTEXT *c, const char *status, const char *head, const char *text) {
    char all[2048];
    snprintf(all, sizeof all, "Content-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n", strlen(text), head);
    return c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, (PVOID)status, (ULONG_PTR)all, 0) &&
           filter_write(c, text, strlen(text));
}

/* filter_copy is a copy of a text that lives as long as the connection; NULL if there is no memory. */
static inline char *filter_copy(HTTP_FILTER_CONTEXT *c, const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = c->AllocMem(c, (DWORD)n, 0);
    return copy ? memcpy(copy, text, n) : NULL;
}

#endif
