/* sys/file.h: locks of whole files. */
#ifndef SHIM_FILE_H
#define SHIM_FILE_H

#include <windows.h>
#include <io.h>

#define LOCK_EX 1
#define LOCK_NB 2

static inline int flock(int fd, int how) {
    OVERLAPPED whole = {0};
    DWORD flags = (how & LOCK_EX ? LOCKFILE_EXCLUSIVE_LOCK : 0) | (how & LOCK_NB ? LOCKFILE_FAIL_IMMEDIATELY : 0);
    return LockFileEx((HANDLE)_get_osfhandle(fd), flags, 0, 1, 0, &whole) ? 0 : -1;
}

#endif
