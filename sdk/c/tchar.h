/* tchar.h: the names that once let a source be built for two kinds of characters. Here there is one: char. */
#ifndef ISAPID_TCHAR_H
#define ISAPID_TCHAR_H

#ifdef _WIN32
#ifdef _MSC_VER
#include <../ucrt/tchar.h>
#else
#pragma GCC system_header /* or include_next is warned about */
#include_next <tchar.h>
#endif
#else

#include "windows.h"

#define _tcslen strlen
#define _tcscpy strcpy
#define _tcsncpy strncpy
#define _tcscat strcat
#define _tcscmp strcmp
#define _tcsicmp _stricmp
#define _tcsncmp strncmp
#define _tcsnicmp _strnicmp
#define _tcschr strchr
#define _tcsrchr strrchr
#define _tcsstr strstr
#define _tcstok strtok
#define _tcstol strtol
#define _tcsdup _strdup
#define _tcslwr _strlwr
#define _tcsupr _strupr
#define _tcscpy_s strcpy_s
#define _tcscat_s strcat_s
#define _ttoi atoi
#define _ttol atol
#define _stprintf sprintf
#define _sntprintf _snprintf
#define _vsntprintf _vsnprintf
#define _stprintf_s sprintf_s
#define _tprintf printf
#define _ftprintf fprintf

#endif /* !_WIN32 */
#endif
