/* Objects one can wait for: events, mutexes, semaphores and threads. Part of windows.h.
 *
 * A HANDLE is either a small number, a file descriptor, or the address of one of these. No object lives below
 * W32_FIRST_OBJECT and no descriptor is that large. Names of objects are ignored: nothing is shared between processes.
 */
#ifndef ISAPID_WIN_OBJECT_H
#define ISAPID_WIN_OBJECT_H

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

#define WAIT_OBJECT_0 0u
#define WAIT_ABANDONED 0x80u
#define WAIT_TIMEOUT 258u
#define WAIT_FAILED 0xffffffffu
#define STILL_ACTIVE 259u

#define W32_FIRST_OBJECT 0x400000

enum { W32_AUTO_EVENT, W32_MANUAL_EVENT, W32_MUTEX, W32_SEMAPHORE, W32_THREAD };

typedef struct w32_object {
    int kind;
    int refs; /* atomic: the handle's, and the running thread's */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock: */
    LONG count; /* 0: waiting blocks. A mutex counts down while it is held */
    LONG limit;
    pthread_t thread; /* of a thread, or the owner of a mutex that is held */
    DWORD id;
    DWORD exit_code;
    BOOL joined;
} w32_object;

static inline BOOL w32_is_object(HANDLE h) {
    return (uintptr_t)h >= W32_FIRST_OBJECT && h != INVALID_HANDLE_VALUE;
}

static inline w32_object *w32_object_new(int kind, LONG count, LONG limit) {
    pthread_condattr_t attr;
    w32_object *o = (w32_object *)calloc(1, sizeof *o);
    if (!o) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    o->kind = kind;
    o->refs = 1;
    o->count = count;
    o->limit = limit;
    pthread_mutex_init(&o->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&o->changed, &attr);
    pthread_condattr_destroy(&attr);
    return o;
}

static inline void w32_object_release(w32_object *o) {
    if (__atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

/* w32_take takes what the waiter waited for, if it can be had. The caller holds the lock. */
static inline BOOL w32_take(w32_object *o) {
    if (o->kind == W32_MUTEX) {
        if (o->count <= 0 && !pthread_equal(o->thread, pthread_self()))
            return FALSE;
        o->thread = pthread_self();
        o->count--;
        return TRUE;
    }
    if (o->count <= 0)
        return FALSE;
    if (o->kind == W32_AUTO_EVENT || o->kind == W32_SEMAPHORE)
        o->count--;
    if (o->kind == W32_THREAD && !o->joined) {
        /* Only a joined thread has certainly left the code of this library, which may be unloaded next. */
        pthread_join(o->thread, NULL);
        o->joined = TRUE;
    }
    return TRUE;
}

/* WaitForSingleObject waits for milliseconds, or for ever with INFINITE. */
static inline DWORD WaitForSingleObject(HANDLE h, DWORD milliseconds) {
    w32_object *o = (w32_object *)h;
    struct timespec end;
    BOOL taken;
    int err = 0;
    if (!w32_is_object(h)) {
        SetLastError(ERROR_INVALID_HANDLE);
        return WAIT_FAILED;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(milliseconds / 1000u);
    end.tv_nsec += (long)(milliseconds % 1000u) * 1000000L;
    if (end.tv_nsec >= 1000000000L) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&o->lock);
    while (!(taken = w32_take(o)) && err == 0) {
        if (milliseconds == INFINITE)
            err = pthread_cond_wait(&o->changed, &o->lock);
        else
            err = pthread_cond_timedwait(&o->changed, &o->lock, &end);
    }
    pthread_mutex_unlock(&o->lock);
    return taken ? WAIT_OBJECT_0 : WAIT_TIMEOUT;
}

/* w32_object_set stores a count and wakes the waiters. */
static inline BOOL w32_object_set(HANDLE h, LONG count) {
    w32_object *o = (w32_object *)h;
    if (!w32_is_object(h) || (o->kind != W32_AUTO_EVENT && o->kind != W32_MANUAL_EVENT))
        return w32_error(ERROR_INVALID_HANDLE);
    pthread_mutex_lock(&o->lock);
    o->count = count;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    return TRUE;
}

static inline HANDLE CreateEventA(LPSECURITY_ATTRIBUTES sa, BOOL manual, BOOL set, LPCSTR name) {
    (void)sa, (void)name;
    return w32_object_new(manual ? W32_MANUAL_EVENT : W32_AUTO_EVENT, set ? 1 : 0, 1);
}

static inline BOOL SetEvent(HANDLE h) {
    return w32_object_set(h, 1);
}

static inline BOOL ResetEvent(HANDLE h) {
    return w32_object_set(h, 0);
}

static inline HANDLE CreateSemaphoreA(LPSECURITY_ATTRIBUTES sa, LONG count, LONG limit, LPCSTR name) {
    (void)sa, (void)name;
    if (limit < 1 || count < 0 || count > limit) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    return w32_object_new(W32_SEMAPHORE, count, limit);
}

static inline BOOL ReleaseSemaphore(HANDLE h, LONG n, LPLONG before) {
    w32_object *o = (w32_object *)h;
    BOOL ok;
    if (!w32_is_object(h) || o->kind != W32_SEMAPHORE)
        return w32_error(ERROR_INVALID_HANDLE);
    pthread_mutex_lock(&o->lock);
    ok = n > 0 && n <= o->limit - o->count;
    if (ok) {
        if (before)
            *before = o->count;
        o->count += n;
        pthread_cond_broadcast(&o->changed);
    }
    pthread_mutex_unlock(&o->lock);
    return ok ? TRUE : w32_error(ERROR_TOO_MANY_POSTS);
}

static inline HANDLE CreateMutexA(LPSECURITY_ATTRIBUTES sa, BOOL owned, LPCSTR name) {
    w32_object *o = w32_object_new(W32_MUTEX, 1, 1);
    (void)sa, (void)name;
    if (o && owned)
        w32_take(o);
    return o;
}

static inline BOOL ReleaseMutex(HANDLE h) {
    w32_object *o = (w32_object *)h;
    BOOL ok;
    if (!w32_is_object(h) || o->kind != W32_MUTEX)
        return w32_error(ERROR_INVALID_HANDLE);
    pthread_mutex_lock(&o->lock);
    ok = o->count < 1 && pthread_equal(o->thread, pthread_self());
    if (ok && ++o->count == 1)
        pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->lock);
    return ok ? TRUE : w32_error(ERROR_NOT_OWNER);
}

/* CloseHandle ends a handle of any kind. A thread goes on without it; nobody may be waiting for the object. */
static inline BOOL CloseHandle(HANDLE h) {
    w32_object *o = (w32_object *)h;
    if (!w32_is_object(h)) {
        if ((intptr_t)h <= 2)
            return w32_error(ERROR_INVALID_HANDLE);
        return close((int)(intptr_t)h) == 0 ? TRUE : w32_fail();
    }
    if (o->kind == W32_THREAD && !o->joined)
        pthread_detach(o->thread);
    w32_object_release(o);
    return TRUE;
}

#define CreateEvent CreateEventA
#define CreateSemaphore CreateSemaphoreA
#define CreateMutex CreateMutexA

#endif
