/* The layout test: the package does not build where a struct differs from what ISAPI hosts expect. It runs wherever
 * an author builds, with the author's compiler, which a Go test would not. */
#include <stddef.h>

#include "abi.h"

#define AT(type, field, at64, at32) \
	_Static_assert(offsetof(type, field) == (sizeof(void *) == 8 ? at64 : at32), #type "." #field)
#define SIZE(type, size64, size32) _Static_assert(sizeof(type) == (sizeof(void *) == 8 ? size64 : size32), #type)

SIZE(HTTP_FILTER_VERSION, 272, 272);
AT(HTTP_FILTER_VERSION, dwFilterVersion, 4, 4);
AT(HTTP_FILTER_VERSION, lpszFilterDesc, 8, 8);
AT(HTTP_FILTER_VERSION, dwFlags, 268, 268);

SIZE(HTTP_FILTER_CONTEXT, 72, 44);
AT(HTTP_FILTER_CONTEXT, Revision, 4, 4);
AT(HTTP_FILTER_CONTEXT, ServerContext, 8, 8);
AT(HTTP_FILTER_CONTEXT, ulReserved, 16, 12);
AT(HTTP_FILTER_CONTEXT, fIsSecurePort, 20, 16);
AT(HTTP_FILTER_CONTEXT, pFilterContext, 24, 20);
AT(HTTP_FILTER_CONTEXT, GetServerVariable, 32, 24);
AT(HTTP_FILTER_CONTEXT, AddResponseHeaders, 40, 28);
AT(HTTP_FILTER_CONTEXT, WriteClient, 48, 32);
AT(HTTP_FILTER_CONTEXT, AllocMem, 56, 36);
AT(HTTP_FILTER_CONTEXT, ServerSupportFunction, 64, 40);

SIZE(HTTP_FILTER_PREPROC_HEADERS, 32, 20);
AT(HTTP_FILTER_PREPROC_HEADERS, SetHeader, 8, 4);
AT(HTTP_FILTER_PREPROC_HEADERS, AddHeader, 16, 8);
AT(HTTP_FILTER_PREPROC_HEADERS, HttpStatus, 24, 12);

SIZE(HTTP_FILTER_AUTH_COMPLETE_INFO, 48, 28);
AT(HTTP_FILTER_AUTH_COMPLETE_INFO, SetHeader, 8, 4);
AT(HTTP_FILTER_AUTH_COMPLETE_INFO, AddHeader, 16, 8);
AT(HTTP_FILTER_AUTH_COMPLETE_INFO, GetUserToken, 24, 12);
AT(HTTP_FILTER_AUTH_COMPLETE_INFO, HttpStatus, 32, 16);
AT(HTTP_FILTER_AUTH_COMPLETE_INFO, fResetAuth, 36, 20);

SIZE(HTTP_FILTER_RAW_DATA, 24, 16);
AT(HTTP_FILTER_RAW_DATA, cbInData, 8, 4);
AT(HTTP_FILTER_RAW_DATA, cbInBuffer, 12, 8);

SIZE(HTTP_FILTER_AUTHENT, 32, 16);
AT(HTTP_FILTER_AUTHENT, cbUserBuff, 8, 4);
AT(HTTP_FILTER_AUTHENT, pszPassword, 16, 8);
AT(HTTP_FILTER_AUTHENT, cbPasswordBuff, 24, 12);

SIZE(HTTP_FILTER_URL_MAP, 24, 12);
AT(HTTP_FILTER_URL_MAP, pszPhysicalPath, 8, 4);
AT(HTTP_FILTER_URL_MAP, cbPathBuff, 16, 8);

SIZE(HTTP_FILTER_ACCESS_DENIED, 24, 12);
AT(HTTP_FILTER_ACCESS_DENIED, pszPhysicalPath, 8, 4);
AT(HTTP_FILTER_ACCESS_DENIED, dwReason, 16, 8);

SIZE(HTTP_FILTER_LOG, 72, 44);
AT(HTTP_FILTER_LOG, pszClientUserName, 8, 4);
AT(HTTP_FILTER_LOG, pszServerName, 16, 8);
AT(HTTP_FILTER_LOG, pszOperation, 24, 12);
AT(HTTP_FILTER_LOG, pszTarget, 32, 16);
AT(HTTP_FILTER_LOG, pszParameters, 40, 20);
AT(HTTP_FILTER_LOG, dwHttpStatus, 48, 24);
AT(HTTP_FILTER_LOG, dwWin32Status, 52, 28);
AT(HTTP_FILTER_LOG, dwBytesSent, 56, 32);
AT(HTTP_FILTER_LOG, dwBytesRecvd, 60, 36);
AT(HTTP_FILTER_LOG, msTimeForProcessing, 64, 40);
