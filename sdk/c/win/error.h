/* Error numbers, and errno as the last error. Part of windows.h. */
#ifndef ISAPID_WIN_ERROR_H
#define ISAPID_WIN_ERROR_H

#include <errno.h>

#include "types.h"

#define NO_ERROR 0
#define ERROR_SUCCESS 0
#define ERROR_INVALID_FUNCTION 1
#define ERROR_FILE_NOT_FOUND 2
#define ERROR_PATH_NOT_FOUND 3
#define ERROR_TOO_MANY_OPEN_FILES 4
#define ERROR_ACCESS_DENIED 5
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_BAD_FORMAT 11
#define ERROR_INVALID_DATA 13
#define ERROR_OUTOFMEMORY 14
#define ERROR_NOT_READY 21
#define ERROR_BAD_LENGTH 24
#define ERROR_WRITE_FAULT 29
#define ERROR_READ_FAULT 30
#define ERROR_GEN_FAILURE 31
#define ERROR_SHARING_VIOLATION 32
#define ERROR_HANDLE_EOF 38
#define ERROR_HANDLE_DISK_FULL 39
#define ERROR_NOT_SUPPORTED 50
#define ERROR_NETNAME_DELETED 64
#define ERROR_FILE_EXISTS 80
#define ERROR_INVALID_PARAMETER 87
#define ERROR_BROKEN_PIPE 109
#define ERROR_DISK_FULL 112
#define ERROR_CALL_NOT_IMPLEMENTED 120
#define ERROR_SEM_TIMEOUT 121
#define ERROR_INSUFFICIENT_BUFFER 122
#define ERROR_INVALID_NAME 123
#define ERROR_MOD_NOT_FOUND 126
#define ERROR_PROC_NOT_FOUND 127
#define ERROR_NEGATIVE_SEEK 131
#define ERROR_DIR_NOT_EMPTY 145
#define ERROR_BUSY 170
#define ERROR_ALREADY_EXISTS 183
#define ERROR_FILENAME_EXCED_RANGE 206
#define ERROR_PIPE_NOT_CONNECTED 233
#define ERROR_NO_DATA 232
#define ERROR_MORE_DATA 234
#define ERROR_NO_MORE_ITEMS 259
#define ERROR_NOT_OWNER 288
#define ERROR_TOO_MANY_POSTS 298
#define ERROR_OPERATION_ABORTED 995
#define ERROR_IO_INCOMPLETE 996
#define ERROR_IO_PENDING 997
#define ERROR_NO_TOKEN 1008
#define ERROR_DLL_INIT_FAILED 1114
#define ERROR_OLD_WIN_VERSION 1150
#define ERROR_NOT_FOUND 1168
#define ERROR_CANCELLED 1223
#define ERROR_CONNECTION_INVALID 1229
#define ERROR_CONNECTION_ABORTED 1236
#define ERROR_INVALID_INDEX 1413
#define ERROR_TIMEOUT 1460

#define WSAEINTR 10004
#define WSAEBADF 10009
#define WSAEACCES 10013
#define WSAEFAULT 10014
#define WSAEINVAL 10022
#define WSAEMFILE 10024
#define WSAEWOULDBLOCK 10035
#define WSAEINPROGRESS 10036
#define WSAENOTSOCK 10038
#define WSAEMSGSIZE 10040
#define WSAENETDOWN 10050
#define WSAENETUNREACH 10051
#define WSAENETRESET 10052
#define WSAECONNABORTED 10053
#define WSAECONNRESET 10054
#define WSAENOBUFS 10055
#define WSAENOTCONN 10057
#define WSAESHUTDOWN 10058
#define WSAETIMEDOUT 10060
#define WSAECONNREFUSED 10061
#define WSAEDISCON 10101

static inline DWORD GetLastError(void) {
    return (DWORD)errno;
}

static inline void SetLastError(DWORD code) {
    errno = (int)code;
}

/* w32_fail turns errno, as a POSIX call left it, into the Windows number, and is FALSE. */
static inline BOOL w32_fail(void) {
    switch (errno) {
    case 0: break;
    case ENOENT: errno = ERROR_FILE_NOT_FOUND; break;
    case ENOTDIR: errno = ERROR_PATH_NOT_FOUND; break;
    case EMFILE:
    case ENFILE: errno = ERROR_TOO_MANY_OPEN_FILES; break;
    case EACCES:
    case EPERM:
    case EROFS:
    case EISDIR: errno = ERROR_ACCESS_DENIED; break;
    case EBADF: errno = ERROR_INVALID_HANDLE; break;
    case EAGAIN:
    case ENOMEM: errno = ERROR_NOT_ENOUGH_MEMORY; break;
    case EEXIST: errno = ERROR_FILE_EXISTS; break;
    case EINVAL: errno = ERROR_INVALID_PARAMETER; break;
    case ENOSPC: errno = ERROR_DISK_FULL; break;
    case EPIPE: errno = ERROR_BROKEN_PIPE; break;
    case EBUSY: errno = ERROR_BUSY; break;
    case ENAMETOOLONG: errno = ERROR_FILENAME_EXCED_RANGE; break;
    case ENOTEMPTY: errno = ERROR_DIR_NOT_EMPTY; break;
    default: errno = ERROR_GEN_FAILURE; break;
    }
    return FALSE;
}

/* w32_error sets the last error and is FALSE: return w32_error(ERROR_INVALID_HANDLE). */
static inline BOOL w32_error(DWORD code) {
    SetLastError(code);
    return FALSE;
}

#endif
