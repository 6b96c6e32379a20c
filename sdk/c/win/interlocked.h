/* Interlocked operations: full barriers, 32 bits. Part of windows.h. */
#ifndef ISAPID_WIN_INTERLOCKED_H
#define ISAPID_WIN_INTERLOCKED_H

#include "types.h"

static inline LONG InterlockedIncrement(LONG volatile *p) {
    return __atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedDecrement(LONG volatile *p) {
    return __atomic_sub_fetch(p, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedExchange(LONG volatile *p, LONG value) {
    return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);
}

/* InterlockedExchangeAdd answers what was there before. */
static inline LONG InterlockedExchangeAdd(LONG volatile *p, LONG n) {
    return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST);
}

/* InterlockedCompareExchange stores value if expected was there, and answers what was there. */
static inline LONG InterlockedCompareExchange(LONG volatile *p, LONG value, LONG expected) {
    __atomic_compare_exchange_n(p, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

static inline PVOID InterlockedExchangePointer(PVOID volatile *p, PVOID value) {
    return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);
}

static inline PVOID InterlockedCompareExchangePointer(PVOID volatile *p, PVOID value, PVOID expected) {
    __atomic_compare_exchange_n(p, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

/* Old C++ sources count in a plain long, which Windows takes for a LONG. */
#ifdef __cplusplus
static inline long InterlockedIncrement(long volatile *p) {
    return __atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST);
}

static inline long InterlockedDecrement(long volatile *p) {
    return __atomic_sub_fetch(p, 1, __ATOMIC_SEQ_CST);
}

static inline long InterlockedExchange(long volatile *p, long value) {
    return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);
}

static inline long InterlockedExchangeAdd(long volatile *p, long n) {
    return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST);
}
#endif

#endif
