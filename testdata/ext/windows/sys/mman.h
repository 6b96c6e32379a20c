/* sys/mman.h: private anonymous memory only, as far as fixtures need it. */
#ifndef SHIM_MMAN_H
#define SHIM_MMAN_H

#include <windows.h>

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_PRIVATE 1
#define MAP_ANONYMOUS 2
#define MAP_FAILED ((void *)-1)

static inline DWORD shim_protection(int prot) {
    return prot & PROT_WRITE ? PAGE_READWRITE : prot & PROT_READ ? PAGE_READONLY : PAGE_NOACCESS;
}

static inline void *mmap(void *at, size_t size, int prot, int flags, int fd, long long offset) {
    void *p = VirtualAlloc(at, size, MEM_RESERVE | MEM_COMMIT, shim_protection(prot));
    (void)flags, (void)fd, (void)offset;
    return p ? p : MAP_FAILED;
}

static inline int mprotect(void *at, size_t size, int prot) {
    DWORD old;
    return VirtualProtect(at, size, shim_protection(prot), &old) ? 0 : -1;
}

/* The whole of what mmap gave is released; a part only loses its memory, which is as bad to touch. */
static inline int munmap(void *at, size_t size) {
    MEMORY_BASIC_INFORMATION info;
    if (VirtualQuery(at, &info, sizeof info) && info.AllocationBase == at && info.RegionSize <= ((size + 4095) & ~(size_t)4095))
        return VirtualFree(at, 0, MEM_RELEASE) ? 0 : -1;
    return VirtualFree(at, size, MEM_DECOMMIT) ? 0 : -1;
}

#endif
