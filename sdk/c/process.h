/* process.h: threads as the C library of Windows starts them. */
#ifndef ISAPID_PROCESS_H
#define ISAPID_PROCESS_H

#ifdef _WIN32
#ifdef _MSC_VER
#include <../ucrt/process.h>
#else
#pragma GCC system_header /* or include_next is warned about */
#include_next <process.h>
#endif
#else

#include "windows.h"

/* _beginthreadex answers the thread's handle, which must be closed, or 0. */
static inline uintptr_t _beginthreadex(void *security, unsigned int stack, unsigned int (*proc)(void *), void *param,
                                       unsigned int flags, unsigned int *id) {
    (void)security;
    return (uintptr_t)CreateThread(NULL, stack, proc, param, flags, id);
}

#define _getpid() ((int)GetCurrentProcessId())

#endif /* !_WIN32 */
#endif
