/* fcntl.h: files as bytes, not handed on to children. */
#ifndef SHIM_FCNTL_H
#define SHIM_FCNTL_H

#pragma GCC system_header /* or include_next is warned about */
#include_next <fcntl.h>
#include <io.h>

#define O_CLOEXEC (O_BINARY | O_NOINHERIT)

#endif
