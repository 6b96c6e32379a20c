/* Threads. Part of windows.h.
 *
 * Wait for your threads in TerminateExtension: the library is unloaded after it.
 */
#ifndef ISAPID_WIN_THREAD_H
#define ISAPID_WIN_THREAD_H

#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "object.h"

#define CREATE_SUSPENDED 0x4
#define STACK_SIZE_PARAM_IS_A_RESERVATION 0x10000
#define THREAD_PRIORITY_NORMAL 0

typedef DWORD (*LPTHREAD_START_ROUTINE)(LPVOID);
typedef LPTHREAD_START_ROUTINE PTHREAD_START_ROUTINE;

static inline DWORD GetCurrentProcessId(void) {
    return (DWORD)getpid();
}

static inline DWORD GetCurrentThreadId(void) {
#ifdef __linux__
    return (DWORD)syscall(SYS_gettid);
#else
    return (DWORD)(uintptr_t)pthread_self();
#endif
}

typedef struct w32_start {
    w32_object *object;
    LPTHREAD_START_ROUTINE proc;
    LPVOID param;
} w32_start;

static inline void *w32_thread_main(void *p) {
    w32_start start = *(w32_start *)p;
    w32_object *o = start.object;
    DWORD code;
    free(p);
    pthread_mutex_lock(&o->lock);
    o->id = GetCurrentThreadId();
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    code = start.proc(start.param);
    pthread_mutex_lock(&o->lock);
    o->exit_code = code;
    o->count = 1;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    w32_object_release(o);
    return NULL;
}

/* w32_thread_start starts start in a thread with a stack of at least stack bytes (0: the system's default). */
static inline int w32_thread_start(w32_start *start, size_t stack) {
    pthread_attr_t attr;
    int err;
    pthread_attr_init(&attr);
    if (stack > 0)
        pthread_attr_setstacksize(&attr, (stack < 65536 ? 65536 : stack + 4095) & ~(size_t)4095);
    err = pthread_create(&start->object->thread, &attr, w32_thread_main, start);
    pthread_attr_destroy(&attr);
    return err;
}

/* CreateThread runs proc(param) in a new thread. The handle must be closed. CREATE_SUSPENDED cannot be had. */
static inline HANDLE CreateThread(LPSECURITY_ATTRIBUTES sa, SIZE_T stack, LPTHREAD_START_ROUTINE proc, LPVOID param,
                                  DWORD flags, LPDWORD id) {
    w32_start *start;
    w32_object *o;
    int err;
    (void)sa;
    if (flags & CREATE_SUSPENDED) {
        SetLastError(ERROR_NOT_SUPPORTED);
        return NULL;
    }
    o = w32_object_new(W32_THREAD, 0, 1);
    if (!o)
        return NULL;
    start = (w32_start *)malloc(sizeof *start);
    if (!start) {
        w32_object_release(o);
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    start->object = o;
    start->proc = proc;
    start->param = param;
    o->refs = 2;
    o->exit_code = STILL_ACTIVE;
    pthread_mutex_lock(&o->lock);
    err = w32_thread_start(start, stack);
    while (err == 0 && o->id == 0)
        pthread_cond_wait(&o->changed, &o->lock);
    pthread_mutex_unlock(&o->lock);
    if (err != 0) {
        free(start);
        o->refs = 1;
        w32_object_release(o);
        errno = err;
        w32_fail();
        return NULL;
    }
    if (id)
        *id = o->id;
    return o;
}

static inline BOOL GetExitCodeThread(HANDLE h, LPDWORD code) {
    w32_object *o = (w32_object *)h;
    if (!w32_is_object(h) || o->kind != W32_THREAD)
        return w32_error(ERROR_INVALID_HANDLE);
    pthread_mutex_lock(&o->lock);
    *code = o->exit_code;
    pthread_mutex_unlock(&o->lock);
    return TRUE;
}

#endif
