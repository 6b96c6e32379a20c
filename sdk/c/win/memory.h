/* Memory: filling, copying, and the Heap, Global and Local families, which are all one heap. Part of windows.h. */
#ifndef ISAPID_WIN_MEMORY_H
#define ISAPID_WIN_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define ZeroMemory(to, n) memset((to), 0, (n))
#define FillMemory(to, n, byte) memset((to), (byte), (n))
#define CopyMemory(to, from, n) memcpy((to), (from), (n))
#define MoveMemory(to, from, n) memmove((to), (from), (n))
#define RtlZeroMemory ZeroMemory

#define HEAP_NO_SERIALIZE 0x1
#define HEAP_GROWABLE 0x2
#define HEAP_GENERATE_EXCEPTIONS 0x4
#define HEAP_ZERO_MEMORY 0x8
#define GMEM_FIXED 0x0
#define GMEM_MOVEABLE 0x2
#define GMEM_ZEROINIT 0x40
#define GPTR (GMEM_FIXED | GMEM_ZEROINIT)
#define GHND (GMEM_MOVEABLE | GMEM_ZEROINIT)
#define LMEM_FIXED 0x0
#define LMEM_MOVEABLE 0x2
#define LMEM_ZEROINIT 0x40
#define LPTR (LMEM_FIXED | LMEM_ZEROINIT)
#define LHND (LMEM_MOVEABLE | LMEM_ZEROINIT)

/* A block is preceded by its size, because HeapSize must know it and HeapReAlloc must zero what is new. 16 bytes keep
 * the alignment malloc gives. */
#define W32_BLOCK 16

static inline void *w32_realloc(void *block, size_t size, BOOL zero) {
    char *base = block ? (char *)block - W32_BLOCK : NULL;
    size_t old = 0;
    if (base)
        memcpy(&old, base, sizeof old);
    if (size > (size_t)-1 - W32_BLOCK || !(base = (char *)realloc(base, size + W32_BLOCK))) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    memcpy(base, &size, sizeof size);
    if (zero && size > old)
        memset(base + W32_BLOCK + old, 0, size - old);
    return base + W32_BLOCK;
}

static inline size_t w32_block_size(const void *block) {
    size_t size;
    memcpy(&size, (const char *)block - W32_BLOCK, sizeof size);
    return size;
}

static inline void w32_free(void *block) {
    if (block)
        free((char *)block - W32_BLOCK);
}

static inline HANDLE GetProcessHeap(void) {
    return (HANDLE)(intptr_t)1;
}

/* HeapCreate gives the process heap: HeapDestroy therefore frees nothing, free your blocks yourself. */
static inline HANDLE HeapCreate(DWORD options, SIZE_T initial, SIZE_T maximum) {
    (void)options, (void)initial, (void)maximum;
    return GetProcessHeap();
}

static inline BOOL HeapDestroy(HANDLE heap) {
    (void)heap;
    return TRUE;
}

static inline LPVOID HeapAlloc(HANDLE heap, DWORD flags, SIZE_T size) {
    (void)heap;
    return w32_realloc(NULL, size, (flags & HEAP_ZERO_MEMORY) != 0);
}

static inline LPVOID HeapReAlloc(HANDLE heap, DWORD flags, LPVOID block, SIZE_T size) {
    (void)heap;
    return w32_realloc(block, size, (flags & HEAP_ZERO_MEMORY) != 0);
}

static inline SIZE_T HeapSize(HANDLE heap, DWORD flags, LPCVOID block) {
    (void)heap, (void)flags;
    return w32_block_size(block);
}

static inline BOOL HeapFree(HANDLE heap, DWORD flags, LPVOID block) {
    (void)heap, (void)flags;
    w32_free(block);
    return TRUE;
}

static inline HGLOBAL GlobalAlloc(UINT flags, SIZE_T size) {
    return w32_realloc(NULL, size, (flags & GMEM_ZEROINIT) != 0);
}

static inline HGLOBAL GlobalReAlloc(HGLOBAL block, SIZE_T size, UINT flags) {
    return w32_realloc(block, size, (flags & GMEM_ZEROINIT) != 0);
}

static inline SIZE_T GlobalSize(HGLOBAL block) {
    return w32_block_size(block);
}

static inline LPVOID GlobalLock(HGLOBAL block) {
    return block;
}

static inline BOOL GlobalUnlock(HGLOBAL block) {
    (void)block;
    return w32_error(NO_ERROR);
}

/* GlobalFree answers NULL: it always succeeds. */
static inline HGLOBAL GlobalFree(HGLOBAL block) {
    w32_free(block);
    return NULL;
}

static inline HLOCAL LocalAlloc(UINT flags, SIZE_T size) {
    return w32_realloc(NULL, size, (flags & LMEM_ZEROINIT) != 0);
}

static inline HLOCAL LocalReAlloc(HLOCAL block, SIZE_T size, UINT flags) {
    return w32_realloc(block, size, (flags & LMEM_ZEROINIT) != 0);
}

static inline HLOCAL LocalFree(HLOCAL block) {
    w32_free(block);
    return NULL;
}

#define LocalSize GlobalSize
#define LocalLock GlobalLock
#define LocalUnlock GlobalUnlock

#endif
