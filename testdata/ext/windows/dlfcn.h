/* dlfcn.h: as far as fixtures need it. */
#ifndef SHIM_DLFCN_H
#define SHIM_DLFCN_H

#include <windows.h>

typedef struct {
    const char *dli_fname; /* until the next call on this thread */
    void *dli_fbase;
} Dl_info;

static inline int dladdr(const void *address, Dl_info *info) {
    static __thread char name[MAX_PATH];
    HMODULE module;
    char *p;
    if (!GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, (LPCSTR)address, &module))
        return 0;
    if (!GetModuleFileNameA(module, name, sizeof name)) return 0;
    for (p = name; *p; p++)
        if (*p == '\\') *p = '/';
    info->dli_fname = name;
    info->dli_fbase = module;
    return 1;
}

#endif
