/* Libraries. Part of windows.h. */
#ifndef ISAPID_WIN_MODULE_H
#define ISAPID_WIN_MODULE_H

#include <dlfcn.h>
#include <string.h>

#include "error.h"
#include "file.h"

#define DLL_PROCESS_DETACH 0
#define DLL_PROCESS_ATTACH 1
#define DLL_THREAD_ATTACH 2
#define DLL_THREAD_DETACH 3

#ifdef __cplusplus
extern "C" {
#endif

/* DllMain is optional. The host calls it, if it is exported, with DLL_PROCESS_ATTACH after loading (FALSE refuses) and
 * with DLL_PROCESS_DETACH before unloading; it also tells of the threads it makes for the library alone, all but the one
 * on which it does that. Nobody tells of threads that others make. */
__attribute__((visibility("default"))) BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved);

/* dladdr, also where the C library's header hides it. */
typedef struct w32_dl_info {
    const char *file;
    void *base;
    const char *symbol;
    void *address;
} w32_dl_info;
#ifdef __APPLE__
int w32_dladdr(const void *address, w32_dl_info *info) __asm__("_dladdr");
#else
int w32_dladdr(const void *address, w32_dl_info *info) __asm__("dladdr");
#endif

#ifdef __cplusplus
}
#endif

/* GetModuleFileNameA stores the path a library was loaded from: the one module points into, else the one that calls.
 * It answers the length, cut to size-1. */
static inline DWORD GetModuleFileNameA(HMODULE module, LPSTR to, DWORD size) {
    static const char here = 0;
    w32_dl_info info;
    size_t n;
    memset(&info, 0, sizeof info);
    if ((!module || !w32_dladdr(module, &info) || !info.file) && !w32_dladdr(&here, &info)) {
        SetLastError(ERROR_MOD_NOT_FOUND);
        return 0;
    }
    n = strlen(info.file);
    if (size == 0 || n >= size) {
        SetLastError(ERROR_INSUFFICIENT_BUFFER);
        if (size == 0)
            return 0;
        n = size - 1;
        memcpy(to, info.file, n);
        to[n] = '\0';
        return size;
    }
    memcpy(to, info.file, n + 1);
    SetLastError(NO_ERROR);
    return (DWORD)n;
}

/* LoadLibraryA loads a library; a bare name is searched for as dlopen(3) says. */
static inline HMODULE LoadLibraryA(LPCSTR path) {
    char name[PATH_MAX];
    HMODULE module = w32_path(name, path) ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!module)
        SetLastError(ERROR_MOD_NOT_FOUND);
    return module;
}

static inline FARPROC GetProcAddress(HMODULE module, LPCSTR name) {
    void *address = dlsym(module, name);
    FARPROC proc = NULL;
    if (address)
        memcpy(&proc, &address, sizeof proc);
    else
        SetLastError(ERROR_PROC_NOT_FOUND);
    return proc;
}

static inline BOOL FreeLibrary(HMODULE module) {
    return dlclose(module) == 0 ? TRUE : w32_error(ERROR_INVALID_HANDLE);
}

static inline BOOL DisableThreadLibraryCalls(HMODULE module) {
    (void)module;
    return TRUE;
}

#define GetModuleFileName GetModuleFileNameA
#define LoadLibrary LoadLibraryA

#endif
