/* Forks, and lets the child go on where it is: it returns from what was called as if it were the parent. In a request:
 *
 *   proc         from HttpExtensionProc
 *   raw          the same by system call, as a runtime that brings no C library does
 *   completion   from a completion callback
 *   told         answers what became of the child that was forked before the first request
 *   end=FILE     what becomes of the child that is forked at the end is left in this file
 *
 * Outside of one if the image is called constructor.so, version.so, attach.so, terminate.so, detach.so or destructor.so. The
 * parent waits for the child and says how it ended; a child that lives on is killed after a while. In requests the child calls
 * back first, and what came of that is told too. */
#include <dlfcn.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fixture.h"

static char told[128], end_file[512];
static int here; /* for dladdr: an object of this image */

/* What a child can do with its control block, into a pipe. */
static void call_back(EXTENSION_CONTROL_BLOCK *e, int to) {
    char text[128], name[64];
    DWORD size = sizeof name, n = 1;
    unsigned get = outcome(e->GetServerVariable(e->ConnID, (LPSTR)"URL", name, &size));
    unsigned put = outcome(e->WriteClient(e->ConnID, (LPVOID)"x", &n, HSE_IO_SYNC));
    unsigned read = outcome(e->ReadClient(e->ConnID, name, &n));
    unsigned keep = outcome(e->ServerSupportFunction(e->ConnID, HSE_REQ_IS_KEEP_CONN, &n, NULL, NULL));
    int length = snprintf(text, sizeof text, "callbacks %u %u %u %u, ", get, put, read, keep);
    if (write(to, text, (size_t)length) != length) _exit(1);
}

/* forked answers TRUE in the child. */
static BOOL forked(BOOL raw, EXTENSION_CONTROL_BLOCK *e) {
    int ends[2], status = 0, patience = 5000;
    ssize_t n;
    pid_t child;
    if (pipe(ends) != 0) return FALSE;
    child = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    if (child == 0) {
        if (e) call_back(e, ends[1]);
        return TRUE;
    }
    close(ends[1]);
    n = e ? read(ends[0], told, sizeof told - 40) : 0;
    close(ends[0]);
    while (waitpid(child, &status, WNOHANG) == 0 && patience-- > 0) usleep(1000);
    if (patience < 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    sprintf(told + (n > 0 ? n : 0), patience < 0 ? "lived on" : WIFEXITED(status) ? "exit %d" : "signal %d",
            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return FALSE;
}

/* at forks if the image is called place.so. */
static void at(const char *place) {
    Dl_info self;
    const char *name;
    size_t n = strlen(place);
    if (!dladdr(&here, &self)) return;
    name = strrchr(self.dli_fname, '/');
    name = name ? name + 1 : self.dli_fname;
    if (strncmp(name, place, n) != 0 || strcmp(name + n, ".so") != 0 || forked(FALSE, NULL)) return;
    if (end_file[0]) {
        FILE *f = fopen(end_file, "w");
        if (f) fputs(told, f), fclose(f);
    }
}

__attribute__((constructor)) static void constructor(void) {
    at("constructor");
}

__attribute__((destructor)) static void destructor(void) {
    at("destructor");
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved) {
    (void)module, (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) at("attach");
    if (reason == DLL_PROCESS_DETACH) at("detach");
    return TRUE;
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    at("version");
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "fork");
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    at("terminate");
    return TRUE;
}

static void WINAPI completion(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)context, (void)n, (void)error;
    if (forked(FALSE, e)) return;
    note(e, "%s", told);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (asked(e, "completion")) {
        static DWORD n = 1;
        e->ServerSupportFunction(e->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)(size_t)completion, NULL, NULL);
        return e->WriteClient(e->ConnID, (LPVOID) "x", &n, HSE_IO_ASYNC) ? HSE_STATUS_PENDING : HSE_STATUS_ERROR;
    }
    if (asked(e, "end=")) {
        char *file = param(e, "end", NULL);
        snprintf(end_file, sizeof end_file, "%s", file);
        free(file);
    } else if (!asked(e, "told") && forked(asked(e, "raw"), e)) {
        return HSE_STATUS_SUCCESS;
    }
    note(e, "%s", told);
    say(e, "fine");
    return HSE_STATUS_SUCCESS;
}
