/* file.h: files that are handed to the server. */
#ifndef FILE_H
#define FILE_H

#include "fixture.h"
#include <fcntl.h>
#include <unistd.h>

#ifdef _WIN32

/* file_open opens a file or a folder to read; INVALID_HANDLE_VALUE if that fails. */
static inline HANDLE file_open(const char *path) {
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    return CreateFileA(path, GENERIC_READ, share, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
}

/* file_close closes a real handle. */
static inline void file_close(HANDLE h) {
    if ((intptr_t)h > 0 && (intptr_t)h < 1 << 28) CloseHandle(h);
}

/* file_pipe makes a pipe with a text in it, whose writer is gone. */
static inline HANDLE file_pipe(const char *text) {
    HANDLE r, w;
    DWORD n;
    if (!CreatePipe(&r, &w, NULL, 0)) return INVALID_HANDLE_VALUE;
    if (!WriteFile(w, text, (DWORD)strlen(text), &n, NULL)) abort();
    CloseHandle(w);
    return r;
}

#else

static inline HANDLE file_open(const char *path) {
    return (HANDLE)(intptr_t)open(path, O_RDONLY | O_CLOEXEC);
}

static inline void file_close(HANDLE h) {
    if ((intptr_t)h > 0) close((int)(intptr_t)h);
}

static inline HANDLE file_pipe(const char *text) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return INVALID_HANDLE_VALUE;
    if (write(ends[1], text, strlen(text)) != (ssize_t)strlen(text)) abort();
    close(ends[1]);
    return (HANDLE)(intptr_t)ends[0];
}

#endif
#endif
