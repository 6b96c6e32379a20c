/* The checked string functions of newer Windows sources. Part of windows.h.
 *
 * Where the text does not fit, Windows ends the process. Here the target becomes empty and the answer is ERANGE (or -1),
 * except for the truncating forms.
 */
#ifndef ISAPID_WIN_SECURE_H
#define ISAPID_WIN_SECURE_H

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "format.h"

#define _TRUNCATE ((size_t)-1)
#define _countof(array) (sizeof(array) / sizeof((array)[0]))

typedef int errno_t;

/* strncpy_s copies at most n characters of from; with _TRUNCATE as many as fit. */
static inline errno_t strncpy_s(char *to, size_t size, const char *from, size_t n) {
    const char *end;
    size_t len;
    if (!to || size == 0)
        return EINVAL;
    end = (const char *)memchr(from, '\0', n == _TRUNCATE ? size : n);
    len = end ? (size_t)(end - from) : n;
    if (len >= size) {
        if (n != _TRUNCATE) {
            *to = '\0';
            return ERANGE;
        }
        len = size - 1;
    }
    memmove(to, from, len);
    to[len] = '\0';
    return 0;
}

static inline errno_t strcpy_s(char *to, size_t size, const char *from) {
    return strncpy_s(to, size, from, strlen(from));
}

static inline errno_t strcat_s(char *to, size_t size, const char *from) {
    char *end = (char *)memchr(to, '\0', size);
    if (end && strcpy_s(end, size - (size_t)(end - to), from) == 0)
        return 0;
    if (size > 0)
        *to = '\0';
    return end ? ERANGE : EINVAL;
}

static inline int vsprintf_s(char *to, size_t size, const char *format, va_list args) {
    int n = _vsnprintf(to, size, format, args);
    if (n < 0 && size > 0)
        *to = '\0';
    return n;
}

static inline int sprintf_s(char *to, size_t size, const char *format, ...) {
    va_list args;
    int n;
    va_start(args, format);
    n = vsprintf_s(to, size, format, args);
    va_end(args);
    return n;
}

/* _snprintf_s keeps what fits of count characters, and answers -1 when that was not all. */
static inline int _snprintf_s(char *to, size_t size, size_t count, const char *format, ...) {
    va_list args;
    int n;
    va_start(args, format);
    n = _vsnprintf(to, count < size ? count + 1 : size, format, args);
    va_end(args);
    return n;
}

/* C++ sources leave the size of an array to the compiler. */
#ifdef __cplusplus
extern "C++" {
template <size_t N> inline errno_t strcpy_s(char (&to)[N], const char *from) {
    return strcpy_s(to, N, from);
}
template <size_t N> inline errno_t strncpy_s(char (&to)[N], const char *from, size_t n) {
    return strncpy_s(to, N, from, n);
}
template <size_t N> inline errno_t strcat_s(char (&to)[N], const char *from) {
    return strcat_s(to, N, from);
}
template <size_t N, typename... Args> inline int sprintf_s(char (&to)[N], const char *format, Args... args) {
    return sprintf_s(static_cast<char *>(to), N, format, args...);
}
}
#endif

#endif
