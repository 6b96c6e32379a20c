/* signal.h: a process may kill itself, and only itself. */
#ifndef SHIM_SIGNAL_H
#define SHIM_SIGNAL_H

#pragma GCC system_header /* or include_next is warned about */
#include_next <signal.h>
#include <windows.h>

#define SIGKILL 9

static inline int kill(int pid, int signal) {
    if (pid != (int)GetCurrentProcessId() || signal != SIGKILL) return -1;
    return TerminateProcess(GetCurrentProcess(), SIGKILL) ? 0 : -1;
}

#endif
