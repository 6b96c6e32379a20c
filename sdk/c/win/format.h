/* wsprintf and its kin. Part of windows.h.
 *
 * Windows formats differ in one thing that matters: %ld and %lu take 32 bits, because LONG and DWORD are long there.
 * Handing such a format to printf reads 64 bits where the caller passed 32, so the format is translated first: "l"
 * goes, "I64" becomes "ll". A value of the compiler's own 64-bit long is thus cut to 32 bits, as it was on Windows;
 * write %I64d or %lld for longer ones.
 */
#ifndef ISAPID_WIN_FORMAT_H
#define ISAPID_WIN_FORMAT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* w32_printf_format writes the translation of format to out, which is large enough for it: it never grows. */
static inline void w32_printf_format(char *out, const char *format) {
    const char *p = format;
    while (*p) {
        if ((*out++ = *p++) != '%')
            continue;
        if (*p == '%') {
            *out++ = *p++;
            continue;
        }
        while (*p && strchr("-+ #0123456789.*", *p))
            *out++ = *p++;
        if (p[0] == 'I' && p[1] == '6' && p[2] == '4') {
            *out++ = 'l';
            *out++ = 'l';
            p += 3;
        } else if (p[0] == 'l' && p[1] == 'l') {
            *out++ = *p++;
            *out++ = *p++;
        } else if (p[0] == 'l') {
            p++;
        }
        if (*p)
            *out++ = *p++;
    }
    *out = '\0';
}

#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#endif

/* w32_vsnprintf is vsnprintf with a Windows format; -1 also when memory for the translation is missing. */
static inline int w32_vsnprintf(char *to, size_t size, const char *format, va_list args) {
    char small[512];
    size_t need = strlen(format) + 1;
    char *translated = need <= sizeof small ? small : (char *)malloc(need);
    int n;
    if (!translated)
        return -1;
    w32_printf_format(translated, format);
    n = vsnprintf(to, size, translated, args);
    if (translated != small)
        free(translated);
    return n;
}

#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif

/* wvsprintfA writes at most 1024 bytes, terminating 0 included, whatever the arguments: the limit Windows has. */
static inline int wvsprintfA(LPSTR to, LPCSTR format, va_list args) {
    int n = w32_vsnprintf(to, 1024, format, args);
    return n > 1023 ? 1023 : n;
}

static inline int wsprintfA(LPSTR to, LPCSTR format, ...) {
    va_list args;
    int n;
    va_start(args, format);
    n = wvsprintfA(to, format, args);
    va_end(args);
    return n;
}

/* _vsnprintf answers -1 when the text did not fit. Unlike the original it always terminates what it wrote. */
static inline int _vsnprintf(char *to, size_t size, const char *format, va_list args) {
    int n = w32_vsnprintf(to, size, format, args);
    return n >= 0 && (size_t)n < size ? n : -1;
}

static inline int _snprintf(char *to, size_t size, const char *format, ...) {
    va_list args;
    int n;
    va_start(args, format);
    n = _vsnprintf(to, size, format, args);
    va_end(args);
    return n;
}

#define wsprintf wsprintfA
#define wvsprintf wvsprintfA

/* OutputDebugStringA writes to standard error, which the host keeps in its log. */
static inline void OutputDebugStringA(LPCSTR text) {
    if (text)
        fputs(text, stderr);
}

#define OutputDebugString OutputDebugStringA

#endif
