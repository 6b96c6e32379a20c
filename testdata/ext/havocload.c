/* Harms the process where its file name says, outside of a request; its requests are answered fine. A copy called
 *
 *   constructor-thread.so   a thread that the constructor makes crashes after the load
 *   version-hang.so         GetExtensionVersion does not return
 *   terminate-deadlock.so   TerminateExtension does not return
 *   unload-atexit.so        an atexit handler, which runs when the image is unloaded, does not return
 *   unload-thread.so        a thread of its own runs on when the image is unloaded
 */
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include "fixture.h"

static int here; /* for dladdr: an object of this image */
static volatile size_t nowhere = 0x10;

/* called tells whether the image has this name. */
static BOOL called(const char *name) {
    Dl_info self;
    const char *slash;
    size_t n = strlen(name);
    if (!dladdr(&here, &self)) return FALSE;
    slash = strrchr(self.dli_fname, '/');
    slash = slash ? slash + 1 : self.dli_fname;
    return strncmp(slash, name, n) == 0 && !strcmp(slash + n, LIBRARY);
}

static void rest(long ms) {
    struct timespec t;
    t.tv_sec = ms / 1000;
    t.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&t, NULL);
}

static void start(void *(*run)(void *)) {
    pthread_t t;
    if (pthread_create(&t, NULL, run, NULL) == 0) pthread_detach(t);
}

/* A thread in the background that reads its configuration, which is not there. */
static void *crash(void *p) {
    rest(100);
    *(volatile int *)nowhere = 1;
    return p;
}

/* A thread that refreshes a cache, which nobody ends. */
static void *refresh(void *p) {
    for (;;) rest(20);
    return p;
}

/* A log that is flushed at the end, through a connection that is gone. */
static void flush_log(void) {
    for (;;) pause();
}

__attribute__((constructor)) static void constructor(void) {
    if (called("constructor-thread")) start(crash);
    if (called("unload-atexit")) atexit(flush_log);
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    while (called("version-hang")) pause(); /* a licence server that does not answer */
    if (called("unload-thread")) start(refresh);
    v->dwExtensionVersion = HSE_VERSION;
    snprintf(v->lpszExtensionDesc, sizeof v->lpszExtensionDesc, "%s", "havocload");
    return TRUE;
}

/* A thread is to be waited for that holds the lock it is told by. */
BOOL WINAPI TerminateExtension(DWORD flags) {
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    (void)flags;
    if (called("terminate-deadlock")) {
        pthread_mutex_lock(&m);
        pthread_mutex_lock(&m);
    }
    return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    say(e, "fine");
    return HSE_STATUS_SUCCESS;
}
