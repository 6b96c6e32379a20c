/* Tells about the threads it runs on: ?hold=file leaves a mark in the file's folder and is inside until the file exists, then
 * answers how many were inside at most; ?id answers the thread, ?completion that of a completion callback, ?load that of
 * GetExtensionVersion; ?deep=n uses n KiB of stack. */
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "fixture.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int inside, most, entered;
static long loader;

static long thread_id(void) {
    return syscall(SYS_gettid);
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "threads");
    loader = thread_id();
    return TRUE;
}

static int deep(int kib) {
    volatile char room[1024];
    room[0] = (char)kib;
    return kib > 1 ? deep(kib - 1) + room[0] : room[0];
}

static void WINAPI completion(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)context, (void)n, (void)error;
    note(e, "%ld", thread_id());
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static void hold(const EXTENSION_CONTROL_BLOCK *e) {
    char *gate = param(e, "hold", NULL), mark[512];
    pthread_mutex_lock(&lock);
    if (++inside > most) most = inside;
    snprintf(mark, sizeof mark, "%s-%d", gate, ++entered);
    pthread_mutex_unlock(&lock);
    leave(mark, 1);
    while (access(gate, F_OK) != 0) usleep(1000);
    pthread_mutex_lock(&lock);
    inside--;
    pthread_mutex_unlock(&lock);
    free(gate);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (asked(e, "hold")) {
        hold(e);
        sayf(e, "%d", most);
    } else if (asked(e, "id")) {
        sayf(e, "%ld", thread_id());
    } else if (asked(e, "load")) {
        sayf(e, "%ld", loader);
    } else if (asked(e, "completion")) {
        static DWORD n = 1;
        e->ServerSupportFunction(e->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)(size_t)completion, NULL, NULL);
        if (e->WriteClient(e->ConnID, (LPVOID)"x", &n, HSE_IO_ASYNC)) return HSE_STATUS_PENDING;
    } else if (asked(e, "deep")) {
        deep((int)number(e, "deep", 1));
        say(e, "deep");
    }
    return HSE_STATUS_SUCCESS;
}
