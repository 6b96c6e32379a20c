/* Critical sections and thread-local slots. Part of windows.h. */
#ifndef ISAPID_WIN_LOCK_H
#define ISAPID_WIN_LOCK_H

#include <pthread.h>

#include "error.h"

typedef struct _CRITICAL_SECTION {
    pthread_mutex_t mutex;
} CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION;

/* A critical section may be entered again by the thread that is in it. */
static inline void InitializeCriticalSection(LPCRITICAL_SECTION cs) {
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&cs->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
}

static inline BOOL InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION cs, DWORD spins) {
    (void)spins;
    InitializeCriticalSection(cs);
    return TRUE;
}

static inline void EnterCriticalSection(LPCRITICAL_SECTION cs) {
    pthread_mutex_lock(&cs->mutex);
}

static inline BOOL TryEnterCriticalSection(LPCRITICAL_SECTION cs) {
    return pthread_mutex_trylock(&cs->mutex) == 0;
}

static inline void LeaveCriticalSection(LPCRITICAL_SECTION cs) {
    pthread_mutex_unlock(&cs->mutex);
}

static inline void DeleteCriticalSection(LPCRITICAL_SECTION cs) {
    pthread_mutex_destroy(&cs->mutex);
}

#define TLS_OUT_OF_INDEXES 0xffffffffu

static inline DWORD TlsAlloc(void) {
    pthread_key_t key;
    int err = pthread_key_create(&key, NULL);
    if (err != 0) {
        errno = err;
        w32_fail();
        return TLS_OUT_OF_INDEXES;
    }
    return (DWORD)key;
}

static inline BOOL TlsSetValue(DWORD slot, LPVOID value) {
    return pthread_setspecific((pthread_key_t)slot, value) == 0 ? TRUE : w32_error(ERROR_INVALID_PARAMETER);
}

/* TlsGetValue answers NULL with the last error 0 when the slot is empty. */
static inline LPVOID TlsGetValue(DWORD slot) {
    SetLastError(NO_ERROR);
    return pthread_getspecific((pthread_key_t)slot);
}

static inline BOOL TlsFree(DWORD slot) {
    return pthread_key_delete((pthread_key_t)slot) == 0 ? TRUE : w32_error(ERROR_INVALID_PARAMETER);
}

#endif
