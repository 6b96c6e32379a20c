/* The layout test: the package does not build where a struct differs from what ISAPI hosts expect. It runs wherever
 * an author builds, with the author's compiler, which a Go test would not. */
#include <stddef.h>

#include "abi.h"

#define AT(type, field, at64, at32) \
	_Static_assert(offsetof(type, field) == (sizeof(void *) == 8 ? at64 : at32), #type "." #field)
#define SIZE(type, size64, size32) _Static_assert(sizeof(type) == (sizeof(void *) == 8 ? size64 : size32), #type)

SIZE(HSE_VERSION_INFO, 260, 260);
AT(HSE_VERSION_INFO, lpszExtensionDesc, 4, 4);

SIZE(EXTENSION_CONTROL_BLOCK, 192, 144);
AT(EXTENSION_CONTROL_BLOCK, dwVersion, 4, 4);
AT(EXTENSION_CONTROL_BLOCK, ConnID, 8, 8);
AT(EXTENSION_CONTROL_BLOCK, dwHttpStatusCode, 16, 12);
AT(EXTENSION_CONTROL_BLOCK, lpszLogData, 20, 16);
AT(EXTENSION_CONTROL_BLOCK, lpszMethod, 104, 96);
AT(EXTENSION_CONTROL_BLOCK, lpszQueryString, 112, 100);
AT(EXTENSION_CONTROL_BLOCK, lpszPathInfo, 120, 104);
AT(EXTENSION_CONTROL_BLOCK, lpszPathTranslated, 128, 108);
AT(EXTENSION_CONTROL_BLOCK, cbTotalBytes, 136, 112);
AT(EXTENSION_CONTROL_BLOCK, cbAvailable, 140, 116);
AT(EXTENSION_CONTROL_BLOCK, lpbData, 144, 120);
AT(EXTENSION_CONTROL_BLOCK, lpszContentType, 152, 124);
AT(EXTENSION_CONTROL_BLOCK, GetServerVariable, 160, 128);
AT(EXTENSION_CONTROL_BLOCK, WriteClient, 168, 132);
AT(EXTENSION_CONTROL_BLOCK, ReadClient, 176, 136);
AT(EXTENSION_CONTROL_BLOCK, ServerSupportFunction, 184, 140);

SIZE(HSE_COUNTER_INFO, 32, 24);
AT(HSE_COUNTER_INFO, pszName, 8, 8);
AT(HSE_COUNTER_INFO, ppszLabels, 16, 12);
AT(HSE_COUNTER_INFO, cLabels, 24, 16);

SIZE(HSE_SEND_HEADER_EX_INFO, 32, 20);
AT(HSE_SEND_HEADER_EX_INFO, pszHeader, 8, 4);
AT(HSE_SEND_HEADER_EX_INFO, cchStatus, 16, 8);
AT(HSE_SEND_HEADER_EX_INFO, cchHeader, 20, 12);
AT(HSE_SEND_HEADER_EX_INFO, fKeepConn, 24, 16);
