/* Faults where its file name says: a copy called version-segv.so faults with misuse("segv") in GetExtensionVersion; the other
 * places are constructor, destructor, attach, detach (of DllMain) and terminate. Its requests are answered ok. */
#include <dlfcn.h>
#include <unistd.h>
#include "fixture.h"

static int here; /* for dladdr: an object of this image */

/* at faults if the image is called place-how.so. */
static void at(const char *place) {
    Dl_info self;
    const char *name;
    size_t n = strlen(place);
    if (!dladdr(&here, &self)) return;
    name = strrchr(self.dli_fname, '/');
    name = name ? name + 1 : self.dli_fname;
    if (strncmp(name, place, n) != 0 || name[n] != '-') return;
    name += n + 1;
    if (!strcmp(name, "segv" LIBRARY)) *(volatile int *)0x10 = 1;
    if (!strcmp(name, "abort" LIBRARY)) abort();
    if (!strcmp(name, "exit" LIBRARY)) exit(3);
    if (!strcmp(name, "sleep" LIBRARY)) sleep(3600);
    if (!strcmp(name, "pause" LIBRARY)) usleep(300000);
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
    memset(v->lpszExtensionDesc, 'd', sizeof v->lpszExtensionDesc); /* no NUL */
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    at("terminate");
    return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    say(e, "ok");
    return HSE_STATUS_SUCCESS;
}
