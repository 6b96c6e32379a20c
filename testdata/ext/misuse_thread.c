/* Makes a thread in GetExtensionVersion. TerminateExtension ends it, unless it is built with LEAKS: then it lives on, and does nothing. */
#include <pthread.h>
#include <unistd.h>
#include "fixture.h"

static pthread_t worker;
static volatile int ending;

static void *work(void *p) {
    (void)p;
    while (!ending) usleep(1000);
#ifdef LEAKS
    for (;;) pause();
#endif
    return NULL;
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "thread");
    return pthread_create(&worker, NULL, work, NULL) == 0;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    ending = 1;
#ifndef LEAKS
    pthread_join(worker, NULL);
#endif
    return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    say(e, "ok");
    return HSE_STATUS_SUCCESS;
}
