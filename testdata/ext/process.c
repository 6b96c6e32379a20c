/* Behaves as a process may, for tests of those who watch it:
 *
 *   ?pid          answers its number
 *   ?hold=file    is inside until the file exists, then answers its number
 *   ?hang         never returns
 *   ?grow=n       keeps n MiB more
 *   ?segv         faults
 *   ?kill         is killed with SIGKILL
 *   ?unhealthy    reports itself unhealthy
 *
 * The body of a request, if it has one, follows the number.
 *
 * GetExtensionVersion kills it while the file that PROCESS_SICK names exists; TerminateExtension leaves the file that
 * PROCESS_ENDED names. */
#include <signal.h>
#include <unistd.h>
#include "fixture.h"

static volatile size_t nowhere = 0x10;

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    const char *sick = getenv("PROCESS_SICK");
    if (sick && access(sick, F_OK) == 0) kill(getpid(), SIGKILL);
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "process");
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    const char *ended = getenv("PROCESS_ENDED");
    (void)flags;
    if (ended) leave(ended, (unsigned)getpid());
    return TRUE;
}

static char *volatile kept;

static void grow(size_t n) {
    char *p = malloc(n);
    if (p) kept = memset(p, 1, n);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char *gate = param(e, "hold", NULL);
    if (gate) {
        while (access(gate, F_OK) != 0) usleep(1000);
        free(gate);
    }
    if (asked(e, "hang")) {
        for (;;) pause();
    }
    if (asked(e, "grow")) grow((size_t)number(e, "grow", 1) << 20);
    if (asked(e, "segv")) *(volatile int *)nowhere = 1;
    if (asked(e, "kill")) kill(getpid(), SIGKILL);
    if (asked(e, "unhealthy")) {
        char why[] = "tired";
        e->ServerSupportFunction(e->ConnID, HSE_REQ_REPORT_UNHEALTHY, why, NULL, NULL);
    }
    if (e->cbAvailable > 0) {
        sayf(e, "%ld %.*s", (long)getpid(), (int)e->cbAvailable, (const char *)e->lpbData);
    } else {
        sayf(e, "%ld", (long)getpid());
    }
    return HSE_STATUS_SUCCESS;
}
