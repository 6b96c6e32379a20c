/* httpfilt.h: the interface between a web server and an ISAPI filter.
 *
 * A filter is a library that exports GetFilterVersion and HttpFilterProc, and TerminateFilter if it has something to tidy
 * up. It sees requests at the points it registers for, and can change or answer them there. A library may be filter and
 * extension at once: it includes httpext.h too. The names, numbers and layouts are those every ISAPI source and server
 * uses; on Windows this header steps aside for the one of the Windows SDK.
 *
 * Calls that answer BOOL are FALSE on failure, and GetLastError() says why.
 */
#ifndef ISAPID_HTTPFILT_H
#define ISAPID_HTTPFILT_H

#ifdef _WIN32
#include <windows.h>
#ifdef _MSC_VER
#include <../um/httpfilt.h>
#else
#pragma GCC system_header /* or include_next is warned about */
#include_next <httpfilt.h>
#endif
#else

#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The interface a filter was written for: major number in the high word. */
#define HTTP_FILTER_REVISION MAKELONG(0, 6)

/* Bytes of texts, with the terminating 0. */
#define SF_MAX_USERNAME 257
#define SF_MAX_PASSWORD 257
#define SF_MAX_AUTH_TYPE 33
#define SF_MAX_FILTER_DESC_LEN 257

/* ---- Notifications: HTTP_FILTER_VERSION.dwFlags, and the second argument of HttpFilterProc ---- */

/* Which connections. A filter that names neither gets both. */
#define SF_NOTIFY_SECURE_PORT 0x00000001
#define SF_NOTIFY_NONSECURE_PORT 0x00000002

/* The events, in the order of a request, and what the third argument points to. */
#define SF_NOTIFY_READ_RAW_DATA 0x00008000      /* HTTP_FILTER_RAW_DATA, for each block of bytes that was read */
#define SF_NOTIFY_PREPROC_HEADERS 0x00004000    /* HTTP_FILTER_PREPROC_HEADERS: nothing is decided yet */
#define SF_NOTIFY_URL_MAP 0x00001000            /* HTTP_FILTER_URL_MAP_EX, for each path that is mapped to a file */
#define SF_NOTIFY_AUTHENTICATION 0x00002000     /* HTTP_FILTER_AUTHENT: before the name and password are looked at */
#define SF_NOTIFY_AUTH_COMPLETE 0x04000000      /* HTTP_FILTER_AUTH_COMPLETE_INFO: it is known who asks */
#define SF_NOTIFY_ACCESS_DENIED 0x00000800      /* HTTP_FILTER_ACCESS_DENIED: 401 is about to be the answer */
#define SF_NOTIFY_SEND_RESPONSE 0x00000040      /* HTTP_FILTER_SEND_RESPONSE: status and headers are about to go out */
#define SF_NOTIFY_SEND_RAW_DATA 0x00000400      /* HTTP_FILTER_RAW_DATA, for each block of bytes to be sent */
#define SF_NOTIFY_END_OF_REQUEST 0x00000080     /* NULL */
#define SF_NOTIFY_LOG 0x00000200                /* HTTP_FILTER_LOG */
#define SF_NOTIFY_END_OF_NET_SESSION 0x00000100 /* NULL: the connection ends, and pFilterContext with it */

/* One of these says when it is this filter's turn: HIGH first, of SEND_RAW_DATA last. */
#define SF_NOTIFY_ORDER_HIGH 0x00080000
#define SF_NOTIFY_ORDER_MEDIUM 0x00040000
#define SF_NOTIFY_ORDER_LOW 0x00020000
#define SF_NOTIFY_ORDER_DEFAULT SF_NOTIFY_ORDER_LOW
#define SF_NOTIFY_ORDER_MASK (SF_NOTIFY_ORDER_HIGH | SF_NOTIFY_ORDER_MEDIUM | SF_NOTIFY_ORDER_LOW)

/* What HttpFilterProc returns. */
enum SF_STATUS_TYPE {
    SF_STATUS_REQ_FINISHED = 0x08000000, /* the filter has answered; the connection is closed */
    SF_STATUS_REQ_FINISHED_KEEP_CONN,    /* the filter has answered */
    SF_STATUS_REQ_NEXT_NOTIFICATION,     /* go on: what to return when there is nothing to say */
    SF_STATUS_REQ_HANDLED_NOTIFICATION,  /* go on, but show this event to no other filter */
    SF_STATUS_REQ_ERROR,                 /* end the request because of what SetLastError was told */
    SF_STATUS_REQ_READ_NEXT              /* READ_RAW_DATA: come again with more bytes */
};

/* ---- Requests to ServerSupportFunction ---- */

enum SF_REQ_TYPE {
    SF_REQ_SEND_RESPONSE_HEADER,  /* pData: the status or NULL; ul1: header lines, ended by "\r\n", or 0. WriteClient follows */
    SF_REQ_ADD_HEADERS_ON_DENIAL, /* pData: header lines for the answer if access is denied */
    SF_REQ_SET_NEXT_READ_SIZE,    /* ul1: bytes to read before READ_RAW_DATA comes again */
    SF_REQ_SET_PROXY_INFO,        /* ul1: bit 0 marks a request to a proxy */
    SF_REQ_GET_CONNID,            /* pData: a DWORD, where 0 is stored; numbers of connections are no more */
    SF_REQ_SET_CERTIFICATE_INFO,  /* of filters that do TLS themselves */
    SF_REQ_GET_PROPERTY,          /* ul1: SF_PROPERTY_*; pData: where to store it */
    SF_REQ_NORMALIZE_URL,         /* pData: a URL, changed in place */
    SF_REQ_DISABLE_NOTIFICATIONS  /* ul1: the events (SF_NOTIFY_*) of this request that the filter does not want */
};

enum SF_PROPERTY_IIS {
    SF_PROPERTY_SSL_CTXT,
    SF_PROPERTY_INSTANCE_NUM_ID /* a DWORD, the number of the site */
};

/* ---- The context ---- */

/* One connection, as one filter sees it, from its first event to END_OF_NET_SESSION. The functions may be called inside
 * HttpFilterProc, with the context it was given. */
typedef struct _HTTP_FILTER_CONTEXT {
    DWORD cbSize;
    DWORD Revision; /* of the server */
    PVOID ServerContext;
    DWORD ulReserved;
    BOOL fIsSecurePort;
    PVOID pFilterContext; /* the filter's own: NULL at first, then what it stored here, also in later requests */

    /* size: in the room at buffer, out the bytes stored with the terminating 0, or those needed (error 122). */
    BOOL(WINAPI *GetServerVariable)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR name, LPVOID buffer, LPDWORD size);
    /* headers: lines "Name: value\r\n" for the response to come. */
    BOOL(WINAPI *AddResponseHeaders)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR headers, DWORD reserved);
    /* size: in what to send, out what was sent. */
    BOOL(WINAPI *WriteClient)(struct _HTTP_FILTER_CONTEXT *pfc, LPVOID buffer, LPDWORD size, DWORD reserved);
    /* Memory that is freed when the connection ends, or NULL. */
    VOID *(WINAPI *AllocMem)(struct _HTTP_FILTER_CONTEXT *pfc, DWORD size, DWORD reserved);
    BOOL(WINAPI *ServerSupportFunction)(struct _HTTP_FILTER_CONTEXT *pfc, enum SF_REQ_TYPE request, PVOID pData,
                                        ULONG_PTR ul1, ULONG_PTR ul2);
} HTTP_FILTER_CONTEXT, *PHTTP_FILTER_CONTEXT;

/* ---- What events point to ---- */

/* READ_RAW_DATA, SEND_RAW_DATA: may be changed where it lies, or be put elsewhere, in memory of AllocMem for instance. */
typedef struct _HTTP_FILTER_RAW_DATA {
    PVOID pvInData;
    DWORD cbInData;   /* bytes there are */
    DWORD cbInBuffer; /* bytes there is room for */
    DWORD dwReserved;
} HTTP_FILTER_RAW_DATA, *PHTTP_FILTER_RAW_DATA;

/* PREPROC_HEADERS: the request's headers, "User-Agent:" with the colon, and "method", "url" (with the query) and
 * "version" without. SetHeader with "" removes one. SEND_RESPONSE: those of the response, and "status". */
typedef struct _HTTP_FILTER_PREPROC_HEADERS {
    BOOL(WINAPI *GetHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR name, LPVOID buffer, LPDWORD size);
    BOOL(WINAPI *SetHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR name, LPSTR value);
    BOOL(WINAPI *AddHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR name, LPSTR value);
    DWORD HttpStatus; /* SEND_RESPONSE */
    DWORD dwReserved;
} HTTP_FILTER_PREPROC_HEADERS, *PHTTP_FILTER_PREPROC_HEADERS;

typedef HTTP_FILTER_PREPROC_HEADERS HTTP_FILTER_SEND_RESPONSE, *PHTTP_FILTER_SEND_RESPONSE;

/* AUTH_COMPLETE: the request's headers once more; what the functions answer lies where PREPROC_HEADERS has it. */
typedef struct _HTTP_FILTER_AUTH_COMPLETE_INFO {
    BOOL(WINAPI *GetHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR name, LPVOID buffer, LPDWORD size);
    BOOL(WINAPI *SetHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR name, LPSTR value);
    BOOL(WINAPI *AddHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR name, LPSTR value);
    BOOL(WINAPI *GetUserToken)(struct _HTTP_FILTER_CONTEXT *pfc, HANDLE *token);
    DWORD HttpStatus;
    BOOL fResetAuth; /* set it to have the user authenticated again after the URL was changed */
    DWORD dwReserved;
} HTTP_FILTER_AUTH_COMPLETE_INFO, *PHTTP_FILTER_AUTH_COMPLETE_INFO;

/* AUTHENTICATION: both texts may be overwritten where they lie; they are "" when the client named nobody. */
typedef struct _HTTP_FILTER_AUTHENT {
    CHAR *pszUser;
    DWORD cbUserBuff; /* room, at least SF_MAX_USERNAME */
    CHAR *pszPassword;
    DWORD cbPasswordBuff;
} HTTP_FILTER_AUTHENT, *PHTTP_FILTER_AUTHENT;

/* URL_MAP: the path may be overwritten where it lies. */
typedef struct _HTTP_FILTER_URL_MAP {
    const CHAR *pszURL;
    CHAR *pszPhysicalPath;
    DWORD cbPathBuff; /* room */
} HTTP_FILTER_URL_MAP, *PHTTP_FILTER_URL_MAP;

typedef struct _HTTP_FILTER_URL_MAP_EX {
    const CHAR *pszURL;
    CHAR *pszPhysicalPath;
    DWORD cbPathBuff;
    DWORD dwFlags;
    DWORD cchMatchingPath;
    DWORD cchMatchingURL;
    const CHAR *pszScriptMapEntry; /* NULL if none matched */
} HTTP_FILTER_URL_MAP_EX, *PHTTP_FILTER_URL_MAP_EX;

/* ACCESS_DENIED: why, one of the first four, BY_CONFIG perhaps with it. */
#define SF_DENIED_LOGON 0x00000001       /* the name or password is not good, or missing */
#define SF_DENIED_RESOURCE 0x00000002    /* the file may not be read */
#define SF_DENIED_FILTER 0x00000004      /* a filter said so */
#define SF_DENIED_APPLICATION 0x00000008 /* an extension said so */
#define SF_DENIED_BY_CONFIG 0x00010000   /* the server's configuration said so */

typedef struct _HTTP_FILTER_ACCESS_DENIED {
    const CHAR *pszURL;
    const CHAR *pszPhysicalPath;
    DWORD dwReason;
} HTTP_FILTER_ACCESS_DENIED, *PHTTP_FILTER_ACCESS_DENIED;

/* LOG: pointers may be replaced, by memory of AllocMem for instance; the texts may not be written to. */
typedef struct _HTTP_FILTER_LOG {
    const CHAR *pszClientHostName;
    const CHAR *pszClientUserName;
    const CHAR *pszServerName;
    const CHAR *pszOperation; /* the method */
    const CHAR *pszTarget;    /* the path */
    const CHAR *pszParameters;
    DWORD dwHttpStatus;
    DWORD dwWin32Status;
    DWORD dwBytesSent;
    DWORD dwBytesRecvd;
    DWORD msTimeForProcessing;
} HTTP_FILTER_LOG, *PHTTP_FILTER_LOG;

/* ---- What a filter exports ---- */

typedef struct _HTTP_FILTER_VERSION {
    DWORD dwServerFilterVersion;                 /* in: the server's HTTP_FILTER_REVISION */
    DWORD dwFilterVersion;                       /* out: the filter's */
    CHAR lpszFilterDesc[SF_MAX_FILTER_DESC_LEN]; /* out */
    DWORD dwFlags;                               /* out: SF_NOTIFY_* */
} HTTP_FILTER_VERSION, *PHTTP_FILTER_VERSION;

#define ISAPID_EXPORT __attribute__((visibility("default")))

ISAPID_EXPORT BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *version); /* FALSE: do not load me */
ISAPID_EXPORT DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *pfc, DWORD notification, VOID *what);
ISAPID_EXPORT BOOL WINAPI TerminateFilter(DWORD flags);

#ifdef __cplusplus
}
#endif

#endif /* !_WIN32 */

/* Beyond the common set: the descriptor of the client's socket. pData is an int*, where the descriptor is stored; it stays
 * the server's. Not available over TLS or in a worker. */
#define SF_REQ_GET_FILE_DESCRIPTOR ((enum SF_REQ_TYPE)2001)

#endif
