/* The part of the ISAPI filter ABI this package speaks: the names are ISAPI's own, the layouts are checked in layout.c.
 * Self-contained, so that "go get" of the package is all an author needs. */
#ifndef ISAPI_GO_FILTER_ABI_H
#define ISAPI_GO_FILTER_ABI_H

#include <stdint.h>

#if defined(_WIN32) && !defined(_WIN64)
#error "32-bit Windows calls filters with stdcall, which functions exported by Go do not have: build for amd64"
#endif

typedef uint32_t DWORD;
typedef int32_t ISAPI_BOOL;

enum { SF_MAX_FILTER_DESC_LEN = 257 };

enum {
	SF_REQ_SEND_RESPONSE_HEADER = 0,
	SF_REQ_ADD_HEADERS_ON_DENIAL = 1,
	SF_REQ_SET_NEXT_READ_SIZE = 2,
	SF_REQ_DISABLE_NOTIFICATIONS = 8
};

typedef struct {
	DWORD dwServerFilterVersion;
	DWORD dwFilterVersion;
	char lpszFilterDesc[SF_MAX_FILTER_DESC_LEN];
	DWORD dwFlags;
} HTTP_FILTER_VERSION;

typedef struct HTTP_FILTER_CONTEXT {
	DWORD cbSize;
	DWORD Revision;
	void *ServerContext;
	DWORD ulReserved;
	ISAPI_BOOL fIsSecurePort;
	uintptr_t pFilterContext; /* a handle of Go's */
	ISAPI_BOOL (*GetServerVariable)(struct HTTP_FILTER_CONTEXT *, char *name, void *buf, DWORD *size);
	ISAPI_BOOL (*AddResponseHeaders)(struct HTTP_FILTER_CONTEXT *, char *text, DWORD reserved);
	ISAPI_BOOL (*WriteClient)(struct HTTP_FILTER_CONTEXT *, void *buf, DWORD *bytes, DWORD reserved);
	void *(*AllocMem)(struct HTTP_FILTER_CONTEXT *, DWORD size, DWORD reserved);
	ISAPI_BOOL (*ServerSupportFunction)(struct HTTP_FILTER_CONTEXT *, DWORD code, void *data, uintptr_t ul1, uintptr_t ul2);
} HTTP_FILTER_CONTEXT;

/* SEND_RESPONSE too, and the beginning of AUTH_COMPLETE. */
typedef struct {
	ISAPI_BOOL (*GetHeader)(HTTP_FILTER_CONTEXT *, char *name, void *buf, DWORD *size);
	ISAPI_BOOL (*SetHeader)(HTTP_FILTER_CONTEXT *, char *name, char *value);
	ISAPI_BOOL (*AddHeader)(HTTP_FILTER_CONTEXT *, char *name, char *value);
	DWORD HttpStatus;
	DWORD dwReserved;
} HTTP_FILTER_PREPROC_HEADERS;

typedef struct {
	ISAPI_BOOL (*GetHeader)(HTTP_FILTER_CONTEXT *, char *name, void *buf, DWORD *size);
	ISAPI_BOOL (*SetHeader)(HTTP_FILTER_CONTEXT *, char *name, char *value);
	ISAPI_BOOL (*AddHeader)(HTTP_FILTER_CONTEXT *, char *name, char *value);
	ISAPI_BOOL (*GetUserToken)(HTTP_FILTER_CONTEXT *, void **token);
	DWORD HttpStatus;
	ISAPI_BOOL fResetAuth;
	DWORD dwReserved;
} HTTP_FILTER_AUTH_COMPLETE_INFO;

typedef struct {
	void *pvInData;
	DWORD cbInData;
	DWORD cbInBuffer;
	DWORD dwReserved;
} HTTP_FILTER_RAW_DATA;

typedef struct {
	char *pszUser;
	DWORD cbUserBuff;
	char *pszPassword;
	DWORD cbPasswordBuff;
} HTTP_FILTER_AUTHENT;

typedef struct {
	const char *pszURL;
	char *pszPhysicalPath;
	DWORD cbPathBuff;
} HTTP_FILTER_URL_MAP;

typedef struct {
	const char *pszURL;
	const char *pszPhysicalPath;
	DWORD dwReason;
} HTTP_FILTER_ACCESS_DENIED;

typedef struct {
	const char *pszClientHostName;
	const char *pszClientUserName;
	const char *pszServerName;
	const char *pszOperation;
	const char *pszTarget;
	const char *pszParameters;
	DWORD dwHttpStatus;
	DWORD dwWin32Status;
	DWORD dwBytesSent;
	DWORD dwBytesRecvd;
	DWORD msTimeForProcessing;
} HTTP_FILTER_LOG;

/* The calls below return 0 or the error the host left in GetLastError (errno on Unix); a host that says no without a
 * reason counts as ERROR_INVALID_PARAMETER (87). */
DWORD filter_variable(HTTP_FILTER_CONTEXT *pfc, char *name, void *buf, DWORD *size);
DWORD filter_add_response_headers(HTTP_FILTER_CONTEXT *pfc, char *text);
DWORD filter_write(HTTP_FILTER_CONTEXT *pfc, void *buf, DWORD *bytes);
DWORD filter_support(HTTP_FILTER_CONTEXT *pfc, DWORD code, void *data, uintptr_t ul1);
DWORD filter_send_header(HTTP_FILTER_CONTEXT *pfc, char *status, char *headers);
void *filter_alloc(HTTP_FILTER_CONTEXT *pfc, DWORD size);
DWORD filter_get_header(HTTP_FILTER_CONTEXT *pfc, HTTP_FILTER_PREPROC_HEADERS *h, char *name, void *buf, DWORD *size);
DWORD filter_set_header(HTTP_FILTER_CONTEXT *pfc, HTTP_FILTER_PREPROC_HEADERS *h, char *name, char *value);
DWORD filter_add_header(HTTP_FILTER_CONTEXT *pfc, HTTP_FILTER_PREPROC_HEADERS *h, char *name, char *value);

#endif
