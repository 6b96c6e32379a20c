/* The part of the ISAPI extension ABI this package speaks: the names are ISAPI's own, the layouts are checked in
 * layout.c. Self-contained, so that "go get" of the package is all an author needs. */
#ifndef ISAPI_GO_ABI_H
#define ISAPI_GO_ABI_H

#include <stdint.h>

#if defined(_WIN32) && !defined(_WIN64)
#error "32-bit Windows calls extensions with stdcall, which functions exported by Go do not have: build for amd64"
#endif

typedef uint32_t DWORD;
typedef int32_t ISAPI_BOOL;
typedef void *HCONN;

enum {
	HSE_LOG_BUFFER_LEN = 80,
	HSE_MAX_EXT_DLL_NAME_LEN = 256,

	HSE_STATUS_SUCCESS = 1,
	HSE_STATUS_ERROR = 4,

	HSE_REQ_MAP_URL_TO_PATH = 1001,
	HSE_APPEND_LOG_PARAMETER = 1003,
	HSE_REQ_SEND_RESPONSE_HEADER_EX = 1016,
	HSE_REQ_CLOSE_CONNECTION = 1017,
	HSE_REQ_SET_FLUSH_FLAG = 1043,
	HSE_REQ_COUNTER = 2002
};

typedef struct {
	DWORD dwExtensionVersion;
	char lpszExtensionDesc[HSE_MAX_EXT_DLL_NAME_LEN];
} HSE_VERSION_INFO;

typedef struct {
	DWORD cbSize;
	DWORD dwVersion;
	HCONN ConnID;
	DWORD dwHttpStatusCode;
	char lpszLogData[HSE_LOG_BUFFER_LEN];
	char *lpszMethod;
	char *lpszQueryString;
	char *lpszPathInfo;
	char *lpszPathTranslated;
	DWORD cbTotalBytes;
	DWORD cbAvailable;
	uint8_t *lpbData;
	char *lpszContentType;
	ISAPI_BOOL (*GetServerVariable)(HCONN, char *name, void *buf, DWORD *size);
	ISAPI_BOOL (*WriteClient)(HCONN, void *buf, DWORD *bytes, DWORD flags);
	ISAPI_BOOL (*ReadClient)(HCONN, void *buf, DWORD *size);
	ISAPI_BOOL (*ServerSupportFunction)(HCONN, DWORD code, void *buf, DWORD *size, DWORD *type);
} EXTENSION_CONTROL_BLOCK;

typedef struct {
	const char *pszStatus;
	const char *pszHeader;
	DWORD cchStatus;
	DWORD cchHeader;
	ISAPI_BOOL fKeepConn;
} HSE_SEND_HEADER_EX_INFO;

typedef struct {
	double dDelta;
	const char *pszName;
	const char *const *ppszLabels;
	DWORD cLabels;
	DWORD dwReserved;
} HSE_COUNTER_INFO;

/* The calls below return 0 or the error the host left in GetLastError (errno on Unix); a host that says no without a
 * reason counts as ERROR_INVALID_PARAMETER (87). */
DWORD isapi_variable(EXTENSION_CONTROL_BLOCK *ecb, char *name, void *buf, DWORD *size);
DWORD isapi_write(EXTENSION_CONTROL_BLOCK *ecb, void *buf, DWORD *bytes);
DWORD isapi_read(EXTENSION_CONTROL_BLOCK *ecb, void *buf, DWORD *size);
DWORD isapi_send_header(EXTENSION_CONTROL_BLOCK *ecb, char *status, DWORD status_len, char *header, DWORD header_len,
                        ISAPI_BOOL keep);
DWORD isapi_support(EXTENSION_CONTROL_BLOCK *ecb, DWORD code, void *buf, DWORD *size);
DWORD isapi_set_flush(EXTENSION_CONTROL_BLOCK *ecb);
/* labels are count pairs of texts, 4 at most, one behind the other, each with its NUL. */
DWORD isapi_count(EXTENSION_CONTROL_BLOCK *ecb, const char *name, double delta, const char *labels, DWORD count);

#endif
