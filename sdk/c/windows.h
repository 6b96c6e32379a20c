/* windows.h: what ISAPI sources use of the Win32 API, on POSIX systems.
 *
 * Extensions were written against Windows. This header gives them the type names and the few dozen functions they
 * really call, as small inline functions over POSIX, so that the source compiles unchanged. It is no emulation of
 * Windows: what cannot be had honestly is left out, and the compiler says so.
 *
 * Three rules hold everywhere:
 *   - GetLastError() is errno. The host stores Windows error numbers there, and so do the functions below.
 *   - A file HANDLE is the descriptor, cast. It is never 0; INVALID_HANDLE_VALUE is -1.
 *   - LONG and DWORD have 32 bits, WCHAR has 16. The compiler's own long and wchar_t may be wider.
 *
 * C99 and C++11. Link with -pthread. Include it before the system's headers, or compile with -D_GNU_SOURCE, when you
 * ask for strict ISO C (-std=c99).
 */
#ifndef ISAPID_WINDOWS_H
#define ISAPID_WINDOWS_H

#ifdef _WIN32
#ifdef _MSC_VER
#include <../um/windows.h>
#else
#pragma GCC system_header /* or include_next is warned about */
#include_next <windows.h>
#endif
#else

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <limits.h>
#if defined(__GLIBC__) && !defined(__USE_XOPEN2K8)
#error "windows.h needs POSIX: include it before the system's headers, or compile with -D_GNU_SOURCE"
#endif

#include "win/types.h"
#include "win/error.h"
#include "win/text.h"
#include "win/format.h"
#include "win/secure.h"
#include "win/memory.h"
#include "win/lock.h"
#include "win/interlocked.h"
#include "win/clock.h"
#include "win/object.h"
#include "win/thread.h"
#include "win/file.h"
#include "win/module.h"

#endif /* !_WIN32 */
#endif
