/* 8-bit strings: the lstr family and the C library names only Windows has. Part of windows.h. */
#ifndef ISAPID_WIN_TEXT_H
#define ISAPID_WIN_TEXT_H

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "types.h"

static inline int lstrlenA(LPCSTR s) {
    return s ? (int)strlen(s) : 0;
}

static inline LPSTR lstrcpyA(LPSTR to, LPCSTR from) {
    return strcpy(to, from);
}

/* lstrcpynA copies at most n bytes, the last of which is always the terminating 0. */
static inline LPSTR lstrcpynA(LPSTR to, LPCSTR from, int n) {
    size_t len;
    if (n <= 0)
        return to;
    len = strlen(from);
    if (len > (size_t)n - 1)
        len = (size_t)n - 1;
    memmove(to, from, len);
    to[len] = '\0';
    return to;
}

static inline LPSTR lstrcatA(LPSTR to, LPCSTR from) {
    return strcat(to, from);
}

static inline int lstrcmpA(LPCSTR a, LPCSTR b) {
    return strcmp(a, b);
}

static inline int lstrcmpiA(LPCSTR a, LPCSTR b) {
    return strcasecmp(a, b);
}

#define lstrlen lstrlenA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA

static inline int _stricmp(const char *a, const char *b) {
    return strcasecmp(a, b);
}

static inline int _strnicmp(const char *a, const char *b, size_t n) {
    return strncasecmp(a, b, n);
}

static inline char *_strdup(const char *s) {
    size_t n = strlen(s) + 1;
    char *copy = (char *)malloc(n);
    return copy ? (char *)memcpy(copy, s, n) : NULL;
}

static inline char *_strlwr(char *s) {
    char *p;
    for (p = s; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return s;
}

static inline char *_strupr(char *s) {
    char *p;
    for (p = s; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return s;
}

/* _itoa writes value in a radix of 2 to 36; only radix 10 knows negative numbers. */
static inline char *_itoa(int value, char *to, int radix) {
    char digits[33];
    char *out = to;
    int n = 0;
    unsigned int rest = (unsigned int)value;
    if (radix < 2 || radix > 36) {
        *to = '\0';
        return to;
    }
    if (radix == 10 && value < 0) {
        *out++ = '-';
        rest = 0u - rest;
    }
    do {
        digits[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[rest % (unsigned int)radix];
        rest /= (unsigned int)radix;
    } while (rest);
    while (n)
        *out++ = digits[--n];
    *out = '\0';
    return to;
}

#define stricmp _stricmp
#define strcmpi _stricmp
#define strnicmp _strnicmp
#define strlwr _strlwr
#define strupr _strupr
#define itoa _itoa
#define _ltoa _itoa
#define _atoi64 atoll

#endif
