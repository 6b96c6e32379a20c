/* Files. Part of windows.h.
 *
 * A file HANDLE is the descriptor: what TRANSMIT_FILE and VECTOR_SEND take. Paths may use either slash.
 */
#ifndef ISAPID_WIN_FILE_H
#define ISAPID_WIN_FILE_H

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

#define GENERIC_READ 0x80000000u
#define GENERIC_WRITE 0x40000000u
#define FILE_APPEND_DATA 0x4u
#define FILE_SHARE_READ 0x1u
#define FILE_SHARE_WRITE 0x2u
#define FILE_SHARE_DELETE 0x4u
#define CREATE_NEW 1u
#define CREATE_ALWAYS 2u
#define OPEN_EXISTING 3u
#define OPEN_ALWAYS 4u
#define TRUNCATE_EXISTING 5u
#define FILE_ATTRIBUTE_READONLY 0x1u
#define FILE_ATTRIBUTE_DIRECTORY 0x10u
#define FILE_ATTRIBUTE_NORMAL 0x80u
#define FILE_ATTRIBUTE_TEMPORARY 0x100u
#define FILE_FLAG_DELETE_ON_CLOSE 0x04000000u
#define FILE_FLAG_SEQUENTIAL_SCAN 0x08000000u
#define FILE_FLAG_RANDOM_ACCESS 0x10000000u
#define FILE_FLAG_NO_BUFFERING 0x20000000u
#define FILE_FLAG_OVERLAPPED 0x40000000u
#define FILE_FLAG_WRITE_THROUGH 0x80000000u
#define FILE_BEGIN 0u
#define FILE_CURRENT 1u
#define FILE_END 2u
#define INVALID_FILE_SIZE 0xffffffffu
#define INVALID_SET_FILE_POINTER 0xffffffffu
#define INVALID_FILE_ATTRIBUTES 0xffffffffu

static inline int w32_fd(HANDLE h) {
    return (int)(intptr_t)h;
}

/* w32_path copies path to to, which holds PATH_MAX bytes, with forward slashes. FALSE: it is too long. */
static inline BOOL w32_path(char *to, LPCSTR path) {
    size_t i, n = strlen(path);
    if (n >= PATH_MAX)
        return w32_error(ERROR_FILENAME_EXCED_RANGE);
    for (i = 0; i <= n; i++)
        to[i] = path[i] == '\\' ? '/' : path[i];
    return TRUE;
}

/* w32_open_flags are those of open(2), or -1. */
static inline int w32_open_flags(DWORD access, DWORD disposition) {
    int flags = O_CLOEXEC;
    if (access & (GENERIC_WRITE | FILE_APPEND_DATA))
        flags |= (access & GENERIC_READ) ? O_RDWR : O_WRONLY;
    if ((access & FILE_APPEND_DATA) && !(access & GENERIC_WRITE))
        flags |= O_APPEND;
    switch (disposition) {
    case CREATE_NEW: return flags | O_CREAT | O_EXCL;
    case CREATE_ALWAYS: return flags | O_CREAT | O_TRUNC;
    case OPEN_EXISTING: return flags;
    case OPEN_ALWAYS: return flags | O_CREAT;
    case TRUNCATE_EXISTING: return flags | O_TRUNC;
    default: return -1;
    }
}

/* CreateFileA opens or creates a file. Sharing is not enforced; FILE_FLAG_OVERLAPPED changes nothing. */
static inline HANDLE CreateFileA(LPCSTR path, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES sa, DWORD disposition,
                                 DWORD attributes, HANDLE like) {
    char name[PATH_MAX];
    int flags = w32_open_flags(access, disposition);
    int fd, high;
    (void)share, (void)sa, (void)like;
    if (flags < 0) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return INVALID_HANDLE_VALUE;
    }
    if (!w32_path(name, path))
        return INVALID_HANDLE_VALUE;
    fd = open(name, flags, 0666);
    if (fd >= 0 && fd <= 2) { /* the process was started without standard files */
        high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        close(fd);
        fd = high;
    }
    if (fd < 0) {
        w32_fail();
        return INVALID_HANDLE_VALUE;
    }
    if (attributes & FILE_FLAG_DELETE_ON_CLOSE)
        unlink(name); /* it goes when the last descriptor does */
    return (HANDLE)(intptr_t)fd;
}

/* ReadFile reads up to n bytes, at the offset in o if it is given. The end of the file is TRUE with 0 bytes. */
static inline BOOL ReadFile(HANDLE h, LPVOID to, DWORD n, LPDWORD done, LPOVERLAPPED o) {
    ssize_t got;
    do {
        if (o)
            got = pread(w32_fd(h), to, n, (off_t)(((ULONGLONG)o->OffsetHigh << 32) | o->Offset));
        else
            got = read(w32_fd(h), to, n);
    } while (got < 0 && errno == EINTR);
    if (done)
        *done = got < 0 ? 0 : (DWORD)got;
    return got >= 0 ? TRUE : w32_fail();
}

/* WriteFile writes all n bytes, at the offset in o if it is given. */
static inline BOOL WriteFile(HANDLE h, LPCVOID from, DWORD n, LPDWORD done, LPOVERLAPPED o) {
    const char *p = (const char *)from;
    DWORD put = 0;
    while (put < n) {
        ssize_t got;
        if (o)
            got = pwrite(w32_fd(h), p + put, n - put, (off_t)((((ULONGLONG)o->OffsetHigh << 32) | o->Offset) + put));
        else
            got = write(w32_fd(h), p + put, n - put);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        put += (DWORD)got;
    }
    if (done)
        *done = put;
    return put == n ? TRUE : w32_fail();
}

static inline BOOL GetFileSizeEx(HANDLE h, LARGE_INTEGER *size) {
    struct stat st;
    if (fstat(w32_fd(h), &st) != 0)
        return w32_fail();
    size->QuadPart = st.st_size;
    return TRUE;
}

/* GetFileSize answers the low half of the size; when that is INVALID_FILE_SIZE the last error tells. */
static inline DWORD GetFileSize(HANDLE h, LPDWORD high) {
    LARGE_INTEGER size;
    size.QuadPart = 0;
    if (!GetFileSizeEx(h, &size))
        return INVALID_FILE_SIZE;
    if (high)
        *high = (DWORD)((ULONGLONG)size.QuadPart >> 32);
    SetLastError(NO_ERROR);
    return (DWORD)size.QuadPart;
}

/* SetFilePointer moves by a 64-bit distance when high is given, else by a signed 32-bit one. */
static inline DWORD SetFilePointer(HANDLE h, LONG low, PLONG high, DWORD from) {
    LONGLONG to = high ? (LONGLONG)(((ULONGLONG)(DWORD)*high << 32) | (DWORD)low) : low;
    off_t at = lseek(w32_fd(h), (off_t)to, from == FILE_END ? SEEK_END : from == FILE_CURRENT ? SEEK_CUR : SEEK_SET);
    if (at < 0) {
        w32_fail();
        return INVALID_SET_FILE_POINTER;
    }
    if (high)
        *high = (LONG)((ULONGLONG)at >> 32);
    SetLastError(NO_ERROR);
    return (DWORD)at;
}

/* SetEndOfFile cuts or extends the file to where its pointer is. */
static inline BOOL SetEndOfFile(HANDLE h) {
    off_t at = lseek(w32_fd(h), 0, SEEK_CUR);
    return at >= 0 && ftruncate(w32_fd(h), at) == 0 ? TRUE : w32_fail();
}

static inline BOOL FlushFileBuffers(HANDLE h) {
    return fsync(w32_fd(h)) == 0 ? TRUE : w32_fail();
}

static inline BOOL DeleteFileA(LPCSTR path) {
    char name[PATH_MAX];
    return w32_path(name, path) && (unlink(name) == 0 || w32_fail());
}

static inline DWORD GetFileAttributesA(LPCSTR path) {
    char name[PATH_MAX];
    struct stat st;
    if (!w32_path(name, path))
        return INVALID_FILE_ATTRIBUTES;
    if (stat(name, &st) != 0) {
        w32_fail();
        return INVALID_FILE_ATTRIBUTES;
    }
    return S_ISDIR(st.st_mode) ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_NORMAL;
}

/* GetTempPathA answers the length of the folder's name, which ends in a slash, or the room it needs. */
static inline DWORD GetTempPathA(DWORD size, LPSTR to) {
    const char *dir = getenv("TMPDIR");
    size_t n;
    if (!dir || !*dir)
        dir = "/tmp";
    n = strlen(dir);
    if (n + 2 > size)
        return (DWORD)(n + 2);
    memcpy(to, dir, n);
    if (to[n - 1] != '/')
        to[n++] = '/';
    to[n] = '\0';
    return (DWORD)n;
}

/* GetTempFileNameA creates an empty file in dir and stores its name in to, of MAX_PATH bytes. 0: it failed. */
static inline UINT GetTempFileNameA(LPCSTR dir, LPCSTR prefix, UINT unique, LPSTR to) {
    int fd;
    (void)unique;
    if (snprintf(to, MAX_PATH, "%s/%.3sXXXXXX", dir, prefix) >= MAX_PATH) {
        SetLastError(ERROR_FILENAME_EXCED_RANGE);
        return 0;
    }
    if (!w32_path(to, to) || (fd = mkstemp(to)) < 0) {
        w32_fail();
        return 0;
    }
    close(fd);
    return 1;
}

#define CreateFile CreateFileA
#define DeleteFile DeleteFileA
#define GetFileAttributes GetFileAttributesA
#define GetTempPath GetTempPathA
#define GetTempFileName GetTempFileNameA

#endif
