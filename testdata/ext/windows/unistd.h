/* unistd.h: what MinGW-w64 leaves out. */
#ifndef SHIM_UNISTD_H
#define SHIM_UNISTD_H

#pragma GCC system_header /* or include_next is warned about */
#include_next <unistd.h>
#include <windows.h>

#define _SC_PAGESIZE 1
#define sysconf(name) 4096L

static inline int pause(void) {
    Sleep(INFINITE);
    return -1;
}

#endif
