/* Time. Part of windows.h. */
#ifndef ISAPID_WIN_CLOCK_H
#define ISAPID_WIN_CLOCK_H

#include <errno.h>
#include <time.h>

#include "types.h"

typedef struct _SYSTEMTIME {
    WORD wYear;
    WORD wMonth;     /* 1 to 12 */
    WORD wDayOfWeek; /* 0 is Sunday */
    WORD wDay;
    WORD wHour;
    WORD wMinute;
    WORD wSecond;
    WORD wMilliseconds;
} SYSTEMTIME, *PSYSTEMTIME, *LPSYSTEMTIME;

static inline void w32_systemtime(LPSYSTEMTIME to, BOOL local) {
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    if (local)
        localtime_r(&now.tv_sec, &tm);
    else
        gmtime_r(&now.tv_sec, &tm);
    to->wYear = (WORD)(tm.tm_year + 1900);
    to->wMonth = (WORD)(tm.tm_mon + 1);
    to->wDayOfWeek = (WORD)tm.tm_wday;
    to->wDay = (WORD)tm.tm_mday;
    to->wHour = (WORD)tm.tm_hour;
    to->wMinute = (WORD)tm.tm_min;
    to->wSecond = (WORD)tm.tm_sec;
    to->wMilliseconds = (WORD)(now.tv_nsec / 1000000);
}

static inline void GetLocalTime(LPSYSTEMTIME to) {
    w32_systemtime(to, TRUE);
}

static inline void GetSystemTime(LPSYSTEMTIME to) {
    w32_systemtime(to, FALSE);
}

/* Milliseconds of a clock that is never set back. */
static inline ULONGLONG GetTickCount64(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (ULONGLONG)now.tv_sec * 1000u + (ULONGLONG)now.tv_nsec / 1000000u;
}

/* The same in 32 bits: it starts again at 0 every 49.7 days. */
static inline DWORD GetTickCount(void) {
    return (DWORD)GetTickCount64();
}

static inline BOOL QueryPerformanceFrequency(LARGE_INTEGER *to) {
    to->QuadPart = 1000000000;
    return TRUE;
}

static inline BOOL QueryPerformanceCounter(LARGE_INTEGER *to) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    to->QuadPart = (LONGLONG)now.tv_sec * 1000000000 + now.tv_nsec;
    return TRUE;
}

/* Sleep waits for milliseconds, or for ever. It leaves the last error alone. */
static inline void Sleep(DWORD milliseconds) {
    int saved = errno;
    struct timespec left;
    do {
        left.tv_sec = (time_t)(milliseconds / 1000u);
        left.tv_nsec = (long)(milliseconds % 1000u) * 1000000L;
        while (nanosleep(&left, &left) != 0 && errno == EINTR) {
        }
    } while (milliseconds == INFINITE);
    errno = saved;
}

#endif
