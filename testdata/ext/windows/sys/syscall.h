/* sys/syscall.h: the id of the thread, and nothing else. */
#ifndef SHIM_SYSCALL_H
#define SHIM_SYSCALL_H

#include <windows.h>

#define SYS_gettid 1
#define syscall(number) ((long)GetCurrentThreadId())

#endif
