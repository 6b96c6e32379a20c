/* httpext.h: the interface between a web server and an ISAPI extension.
 *
 * An extension is a library that exports GetExtensionVersion and HttpExtensionProc, and TerminateExtension if it has
 * something to tidy up. The names, numbers and layouts are those every ISAPI source and server uses; on Windows this
 * header steps aside for the one of the Windows SDK.
 *
 * Calls that answer BOOL are FALSE on failure, and GetLastError() says why.
 */
#ifndef ISAPID_HTTPEXT_H
#define ISAPID_HTTPEXT_H

#ifdef _WIN32
#include <windows.h>
#ifdef _MSC_VER
#include <../um/httpext.h>
#else
#pragma GCC system_header /* or include_next is warned about */
#include_next <httpext.h>
#ifndef HSE_REQ_SEND_URL_EX /* MinGW-w64 leaves these two out */
#define HSE_REQ_SEND_URL_EX 1004
#define HSE_REQ_EXTENSION_TRIGGER 1020
#endif
#endif
#else

#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The interface an extension was written for: major number in the high word. */
#define HSE_VERSION_MAJOR 6
#define HSE_VERSION_MINOR 0
#define HSE_VERSION MAKELONG(HSE_VERSION_MINOR, HSE_VERSION_MAJOR)

#define HSE_LOG_BUFFER_LEN 80
#define HSE_MAX_EXT_DLL_NAME_LEN 256

/* What HttpExtensionProc returns. After PENDING the request goes on until HSE_REQ_DONE_WITH_SESSION, from any thread. */
#define HSE_STATUS_SUCCESS 1
#define HSE_STATUS_SUCCESS_AND_KEEP_CONN 2
#define HSE_STATUS_PENDING 3
#define HSE_STATUS_ERROR 4

/* What TerminateExtension is told: FALSE may answer ADVISORY, nothing can answer MUST. */
#define HSE_TERM_ADVISORY_UNLOAD 0x1
#define HSE_TERM_MUST_UNLOAD 0x2

/* ---- Requests to ServerSupportFunction ---- */

#define HSE_REQ_BASE 0
#define HSE_REQ_SEND_URL_REDIRECT_RESP (HSE_REQ_BASE + 1)
#define HSE_REQ_SEND_URL (HSE_REQ_BASE + 2)
#define HSE_REQ_SEND_RESPONSE_HEADER (HSE_REQ_BASE + 3)
#define HSE_REQ_DONE_WITH_SESSION (HSE_REQ_BASE + 4)

#define HSE_REQ_END_RESERVED 1000
#define HSE_REQ_MAP_URL_TO_PATH (HSE_REQ_END_RESERVED + 1)
#define HSE_REQ_GET_SSPI_INFO (HSE_REQ_END_RESERVED + 2)
#define HSE_APPEND_LOG_PARAMETER (HSE_REQ_END_RESERVED + 3)
#define HSE_REQ_SEND_URL_EX (HSE_REQ_END_RESERVED + 4)
#define HSE_REQ_IO_COMPLETION (HSE_REQ_END_RESERVED + 5)
#define HSE_REQ_TRANSMIT_FILE (HSE_REQ_END_RESERVED + 6)
#define HSE_REQ_REFRESH_ISAPI_ACL (HSE_REQ_END_RESERVED + 7)
#define HSE_REQ_IS_KEEP_CONN (HSE_REQ_END_RESERVED + 8)
#define HSE_REQ_ASYNC_READ_CLIENT (HSE_REQ_END_RESERVED + 10)
#define HSE_REQ_GET_IMPERSONATION_TOKEN (HSE_REQ_END_RESERVED + 11)
#define HSE_REQ_MAP_URL_TO_PATH_EX (HSE_REQ_END_RESERVED + 12)
#define HSE_REQ_ABORTIVE_CLOSE (HSE_REQ_END_RESERVED + 14)
#define HSE_REQ_GET_CERT_INFO_EX (HSE_REQ_END_RESERVED + 15)
#define HSE_REQ_SEND_RESPONSE_HEADER_EX (HSE_REQ_END_RESERVED + 16)
#define HSE_REQ_CLOSE_CONNECTION (HSE_REQ_END_RESERVED + 17)
#define HSE_REQ_IS_CONNECTED (HSE_REQ_END_RESERVED + 18)
#define HSE_REQ_EXTENSION_TRIGGER (HSE_REQ_END_RESERVED + 20)
#define HSE_REQ_MAP_UNICODE_URL_TO_PATH (HSE_REQ_END_RESERVED + 23)
#define HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX (HSE_REQ_END_RESERVED + 24)
#define HSE_REQ_EXEC_UNICODE_URL (HSE_REQ_END_RESERVED + 25)
#define HSE_REQ_EXEC_URL (HSE_REQ_END_RESERVED + 26)
#define HSE_REQ_GET_EXEC_URL_STATUS (HSE_REQ_END_RESERVED + 27)
#define HSE_REQ_SEND_CUSTOM_ERROR (HSE_REQ_END_RESERVED + 28)
#define HSE_REQ_IS_IN_PROCESS (HSE_REQ_END_RESERVED + 30)
#define HSE_REQ_REPORT_UNHEALTHY (HSE_REQ_END_RESERVED + 32)
#define HSE_REQ_NORMALIZE_URL (HSE_REQ_END_RESERVED + 33)
#define HSE_REQ_VECTOR_SEND (HSE_REQ_END_RESERVED + 37)
#define HSE_REQ_GET_ANONYMOUS_TOKEN (HSE_REQ_END_RESERVED + 38)
#define HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK (HSE_REQ_END_RESERVED + 40)
#define HSE_REQ_GET_UNICODE_ANONYMOUS_TOKEN (HSE_REQ_END_RESERVED + 41)
#define HSE_REQ_GET_TRACE_INFO (HSE_REQ_END_RESERVED + 42)
#define HSE_REQ_SET_FLUSH_FLAG (HSE_REQ_END_RESERVED + 43)
#define HSE_REQ_GET_TRACE_INFO_EX (HSE_REQ_END_RESERVED + 44)
#define HSE_REQ_RAISE_TRACE_EVENT (HSE_REQ_END_RESERVED + 45)
#define HSE_REQ_GET_CONFIG_OBJECT (HSE_REQ_END_RESERVED + 46)
#define HSE_REQ_GET_WORKER_PROCESS_SETTINGS (HSE_REQ_END_RESERVED + 47)
#define HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK (HSE_REQ_END_RESERVED + 48)
#define HSE_REQ_CANCEL_IO (HSE_REQ_END_RESERVED + 49)
#define HSE_REQ_GET_CHANNEL_BINDING_TOKEN (HSE_REQ_END_RESERVED + 50)

/* ---- Flags ---- */

/* Of writes. The four below SEND_HEADERS concern TRANSMIT_FILE and VECTOR_SEND only, as noted. */
#define HSE_IO_SYNC 0x0001
#define HSE_IO_ASYNC 0x0002
#define HSE_IO_DISCONNECT_AFTER_SEND 0x0004
#define HSE_IO_SEND_HEADERS 0x0008
#define HSE_IO_FINAL_SEND 0x0010             /* VECTOR_SEND */
#define HSE_IO_CACHE_RESPONSE 0x0020         /* VECTOR_SEND */
#define HSE_IO_TRY_SKIP_CUSTOM_ERRORS 0x0040 /* VECTOR_SEND */
#define HSE_IO_NODELAY 0x1000

/* Of a mapped URL, HSE_URL_MAPEX_INFO.dwFlags. */
#define HSE_URL_FLAGS_READ 0x001
#define HSE_URL_FLAGS_WRITE 0x002
#define HSE_URL_FLAGS_EXECUTE 0x004
#define HSE_URL_FLAGS_SSL 0x008
#define HSE_URL_FLAGS_DONT_CACHE 0x010
#define HSE_URL_FLAGS_NEGO_CERT 0x020
#define HSE_URL_FLAGS_REQUIRE_CERT 0x040
#define HSE_URL_FLAGS_MAP_CERT 0x080
#define HSE_URL_FLAGS_SSL128 0x100
#define HSE_URL_FLAGS_SCRIPT 0x200
#define HSE_URL_FLAGS_MASK 0x3ff

/* Of EXEC_URL. */
#define HSE_EXEC_URL_NO_HEADERS 0x02
#define HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR 0x04
#define HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE 0x10
#define HSE_EXEC_URL_DISABLE_CUSTOM_ERROR 0x20
#define HSE_EXEC_URL_SSI_CMD 0x40
#define HSE_EXEC_URL_HTTP_CACHE_ELIGIBLE 0x80

/* What IS_IN_PROCESS stores. */
#define HSE_APP_FLAG_IN_PROCESS 0
#define HSE_APP_FLAG_ISOLATED_OOP 1
#define HSE_APP_FLAG_POOLED_OOP 2

/* ---- The control block ---- */

/* HCONN names a request in every call to the server. */
typedef LPVOID HCONN;

typedef struct _HSE_VERSION_INFO {
    DWORD dwExtensionVersion;
    CHAR lpszExtensionDesc[HSE_MAX_EXT_DLL_NAME_LEN];
} HSE_VERSION_INFO, *LPHSE_VERSION_INFO;

/* One request. It is valid until HttpExtensionProc returns, or until DONE_WITH_SESSION after HSE_STATUS_PENDING. */
typedef struct _EXTENSION_CONTROL_BLOCK {
    DWORD cbSize;
    DWORD dwVersion;                      /* of the server */
    HCONN ConnID;                         /* hand it back in each call */
    DWORD dwHttpStatusCode;               /* out: for the log */
    CHAR lpszLogData[HSE_LOG_BUFFER_LEN]; /* out: appended to the log line */
    LPSTR lpszMethod;
    LPSTR lpszQueryString; /* what follows '?', not decoded */
    LPSTR lpszPathInfo;    /* decoded */
    LPSTR lpszPathTranslated;
    DWORD cbTotalBytes; /* of the body; 0xffffffff: not known, read to the end */
    DWORD cbAvailable;  /* of them in lpbData; ReadClient gives the rest */
    LPBYTE lpbData;
    LPSTR lpszContentType;

    /* size: in the room at buffer, out the bytes stored with the terminating 0, or those needed (error 122). */
    BOOL(WINAPI *GetServerVariable)(HCONN conn, LPSTR name, LPVOID buffer, LPDWORD size);
    /* size: in what to send, out what was sent. flags: HSE_IO_SYNC or HSE_IO_ASYNC. */
    BOOL(WINAPI *WriteClient)(HCONN conn, LPVOID buffer, LPDWORD size, DWORD flags);
    /* size: in the room at buffer, out the bytes read; 0 is the end of the body. */
    BOOL(WINAPI *ReadClient)(HCONN conn, LPVOID buffer, LPDWORD size);
    /* request: HSE_REQ_*, which says what the other arguments are. */
    BOOL(WINAPI *ServerSupportFunction)(HCONN conn, DWORD request, LPVOID buffer, LPDWORD size, LPDWORD type);
} EXTENSION_CONTROL_BLOCK, *LPEXTENSION_CONTROL_BLOCK;

/* Called once for each asynchronous operation that was accepted, from any thread, perhaps before the call that
 * started it has returned. */
typedef void(WINAPI *PFN_HSE_IO_COMPLETION)(EXTENSION_CONTROL_BLOCK *ecb, PVOID context, DWORD cbIO, DWORD error);

/* ---- Arguments of requests ---- */

/* HSE_REQ_SEND_RESPONSE_HEADER_EX */
typedef struct _HSE_SEND_HEADER_EX_INFO {
    LPCSTR pszStatus; /* "200 OK" */
    LPCSTR pszHeader; /* "Name: value\r\n", ended by "\r\n" */
    DWORD cchStatus;
    DWORD cchHeader;
    BOOL fKeepConn;
} HSE_SEND_HEADER_EX_INFO, *LPHSE_SEND_HEADER_EX_INFO;

/* HSE_REQ_TRANSMIT_FILE */
typedef struct _HSE_TF_INFO {
    PFN_HSE_IO_COMPLETION pfnHseIO; /* NULL: the one set by IO_COMPLETION */
    PVOID pContext;
    HANDLE hFile; /* stays yours, open until completion; NULL: head and tail only */
    LPCSTR pszStatusCode;
    DWORD BytesToWrite; /* 0: to the end of the file */
    DWORD Offset;
    PVOID pHead; /* with HSE_IO_SEND_HEADERS the headers, else bytes to send first */
    DWORD HeadLength;
    PVOID pTail;
    DWORD TailLength;
    DWORD dwFlags; /* HSE_IO_* */
} HSE_TF_INFO, *LPHSE_TF_INFO;

/* HSE_REQ_VECTOR_SEND */
#define HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER 0
#define HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE 1

typedef struct _HSE_VECTOR_ELEMENT {
    DWORD ElementType;
    PVOID pvContext;    /* the bytes, or the file's HANDLE */
    ULONGLONG cbOffset; /* in the file */
    ULONGLONG cbSize;   /* of a file 0: to its end */
} HSE_VECTOR_ELEMENT, *LPHSE_VECTOR_ELEMENT;

typedef struct _HSE_RESPONSE_VECTOR {
    DWORD dwFlags;   /* HSE_IO_* */
    LPSTR pszStatus; /* both with HSE_IO_SEND_HEADERS, both NULL without */
    LPSTR pszHeaders;
    DWORD nElementCount;
    LPHSE_VECTOR_ELEMENT lpElementArray;
} HSE_RESPONSE_VECTOR, *LPHSE_RESPONSE_VECTOR;

/* HSE_REQ_MAP_URL_TO_PATH_EX and its UNICODE twin */
typedef struct _HSE_URL_MAPEX_INFO {
    CHAR lpszPath[MAX_PATH];
    DWORD dwFlags; /* HSE_URL_FLAGS_* */
    DWORD cchMatchingPath;
    DWORD cchMatchingURL;
    DWORD dwReserved1;
    DWORD dwReserved2;
} HSE_URL_MAPEX_INFO, *LPHSE_URL_MAPEX_INFO;

typedef struct _HSE_UNICODE_URL_MAPEX_INFO {
    WCHAR lpszPath[MAX_PATH];
    DWORD dwFlags;
    DWORD cchMatchingPath;
    DWORD cchMatchingURL;
} HSE_UNICODE_URL_MAPEX_INFO, *LPHSE_UNICODE_URL_MAPEX_INFO;

/* HSE_REQ_EXEC_URL: a NULL member is inherited from the request that runs. */
typedef struct _HSE_EXEC_URL_USER_INFO {
    HANDLE hImpersonationToken;
    LPSTR pszCustomUserName;
    LPSTR pszCustomAuthType;
} HSE_EXEC_URL_USER_INFO, *LPHSE_EXEC_URL_USER_INFO;

typedef struct _HSE_EXEC_URL_ENTITY_INFO {
    DWORD cbAvailable;
    LPVOID lpbData;
} HSE_EXEC_URL_ENTITY_INFO, *LPHSE_EXEC_URL_ENTITY_INFO;

typedef struct _HSE_EXEC_URL_INFO {
    LPSTR pszUrl;
    LPSTR pszMethod;
    LPSTR pszChildHeaders;
    LPHSE_EXEC_URL_USER_INFO pUserInfo;
    LPHSE_EXEC_URL_ENTITY_INFO pEntity;
    DWORD dwExecUrlFlags; /* HSE_EXEC_URL_* */
} HSE_EXEC_URL_INFO, *LPHSE_EXEC_URL_INFO;

typedef struct _HSE_EXEC_UNICODE_URL_USER_INFO {
    HANDLE hImpersonationToken;
    LPWSTR pszCustomUserName;
    LPSTR pszCustomAuthType;
} HSE_EXEC_UNICODE_URL_USER_INFO, *LPHSE_EXEC_UNICODE_URL_USER_INFO;

typedef struct _HSE_EXEC_UNICODE_URL_INFO {
    LPWSTR pszUrl;
    LPSTR pszMethod;
    LPSTR pszChildHeaders;
    LPHSE_EXEC_UNICODE_URL_USER_INFO pUserInfo;
    LPHSE_EXEC_URL_ENTITY_INFO pEntity;
    DWORD dwExecUrlFlags;
} HSE_EXEC_UNICODE_URL_INFO, *LPHSE_EXEC_UNICODE_URL_INFO;

/* HSE_REQ_GET_EXEC_URL_STATUS */
typedef struct _HSE_EXEC_URL_STATUS {
    USHORT uHttpStatusCode;
    USHORT uHttpSubStatus;
    DWORD dwWin32Error;
} HSE_EXEC_URL_STATUS, *LPHSE_EXEC_URL_STATUS;

/* HSE_REQ_SEND_CUSTOM_ERROR */
typedef struct _HSE_CUSTOM_ERROR_INFO {
    CHAR *pszStatus;
    USHORT uHttpSubError;
    BOOL fAsync;
} HSE_CUSTOM_ERROR_INFO, *LPHSE_CUSTOM_ERROR_INFO;

/* HSE_REQ_GET_CERT_INFO_EX: set pbCertEncoded and cbAllocated, the room there. */
typedef LPVOID HCERTSTORE;
typedef struct _CERT_INFO CERT_INFO, *PCERT_INFO;

typedef struct _CERT_CONTEXT {
    DWORD dwCertEncodingType;
    BYTE *pbCertEncoded;
    DWORD cbCertEncoded;
    PCERT_INFO pCertInfo;
    HCERTSTORE hCertStore;
} CERT_CONTEXT, *PCERT_CONTEXT;
typedef const CERT_CONTEXT *PCCERT_CONTEXT;

typedef struct _CERT_CONTEXT_EX {
    CERT_CONTEXT CertContext;
    DWORD cbAllocated;
    DWORD dwCertificateFlags;
} CERT_CONTEXT_EX;

/* HSE_REQ_GET_TRACE_INFO */
typedef struct _HSE_TRACE_INFO {
    BOOL fTraceRequest;
    BYTE TraceContextId[16];
    DWORD dwReserved1;
    DWORD dwReserved2;
} HSE_TRACE_INFO, *LPHSE_TRACE_INFO;

/* HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK, HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK */
typedef HRESULT(WINAPI *PFN_HSE_CACHE_INVALIDATION_CALLBACK)(WCHAR *url);
typedef HRESULT(WINAPI *PFN_HSE_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK)(LPCWSTR dll, LPCWSTR init, DWORD id,
                                                                               PVOID *custom);

/* ---- What an extension exports ---- */

#define ISAPID_EXPORT __attribute__((visibility("default")))

ISAPID_EXPORT BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *info);
ISAPID_EXPORT DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb);
ISAPID_EXPORT BOOL WINAPI TerminateExtension(DWORD flags);

typedef BOOL(WINAPI *PFN_GETEXTENSIONVERSION)(HSE_VERSION_INFO *info);
typedef DWORD(WINAPI *PFN_HTTPEXTENSIONPROC)(EXTENSION_CONTROL_BLOCK *ecb);
typedef BOOL(WINAPI *PFN_TERMINATEEXTENSION)(DWORD flags);

#ifdef __cplusplus
}
#endif

#endif /* !_WIN32 */

/* Beyond the common set: the descriptor of the client's socket. buffer is an int*, where the descriptor is stored; it
 * stays the server's. Not available over TLS or in a worker. */
#define HSE_REQ_GET_FILE_DESCRIPTOR 2001

/* Beyond the common set: adds to a counter of the extension's own, which operators see among the metrics of the server as
 * isapid_ext_<name>_total. buffer is an HSE_COUNTER_INFO*. A name, and the name of a label, is [a-z][a-z0-9_]*; see the guide for
 * authors for the limits. */
#define HSE_REQ_COUNTER 2002

typedef struct _HSE_COUNTER_INFO {
    double dDelta; /* not negative */
    LPCSTR pszName;
    const LPCSTR *ppszLabels; /* name, value, name, value ... */
    DWORD cLabels;            /* pairs of them, 4 at most */
    DWORD dwReserved;         /* 0 */
} HSE_COUNTER_INFO, *LPHSE_COUNTER_INFO;

#endif
