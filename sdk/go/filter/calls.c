/* Calls through the context's function pointers, which Go cannot make itself, and the one export that leaves an error
 * behind, which Go cannot do either. No policy here. */
#include "_cgo_export.h"

#ifdef _WIN32
/* Declared here instead of through <windows.h>, whose DWORD is another type than ours. */
__declspec(dllimport) unsigned long __stdcall GetLastError(void);
__declspec(dllimport) void __stdcall SetLastError(unsigned long);
#define LAST_ERROR ((DWORD)GetLastError())
#define LEAVE_ERROR(code) SetLastError(code)
#define EXPORT __declspec(dllexport)
#else
#include <errno.h>
#define LAST_ERROR ((DWORD)errno)
#define LEAVE_ERROR(code) (errno = (int)(code))
#define EXPORT __attribute__((visibility("default")))
#endif

enum { ERROR_INVALID_PARAMETER = 87 };

EXPORT DWORD HttpFilterProc(HTTP_FILTER_CONTEXT *pfc, DWORD notification, void *what);

DWORD HttpFilterProc(HTTP_FILTER_CONTEXT *pfc, DWORD notification, void *what)
{
	uint64_t r = isapiFilterNotify(pfc, notification, what);

	if (r >> 32)
		LEAVE_ERROR((DWORD)(r >> 32));
	return (DWORD)r;
}

static DWORD result(ISAPI_BOOL ok)
{
	DWORD code;

	if (ok)
		return 0;
	code = LAST_ERROR;
	return code != 0 ? code : ERROR_INVALID_PARAMETER;
}

DWORD filter_variable(HTTP_FILTER_CONTEXT *pfc, char *name, void *buf, DWORD *size)
{
	return result(pfc->GetServerVariable(pfc, name, buf, size));
}

DWORD filter_add_response_headers(HTTP_FILTER_CONTEXT *pfc, char *text)
{
	return result(pfc->AddResponseHeaders(pfc, text, 0));
}

DWORD filter_write(HTTP_FILTER_CONTEXT *pfc, void *buf, DWORD *bytes)
{
	return result(pfc->WriteClient(pfc, buf, bytes, 0));
}

DWORD filter_support(HTTP_FILTER_CONTEXT *pfc, DWORD code, void *data, uintptr_t ul1)
{
	return result(pfc->ServerSupportFunction(pfc, code, data, ul1, 0));
}

DWORD filter_send_header(HTTP_FILTER_CONTEXT *pfc, char *status, char *headers)
{
	return filter_support(pfc, SF_REQ_SEND_RESPONSE_HEADER, status, (uintptr_t)headers);
}

void *filter_alloc(HTTP_FILTER_CONTEXT *pfc, DWORD size)
{
	return pfc->AllocMem(pfc, size, 0);
}

DWORD filter_get_header(HTTP_FILTER_CONTEXT *pfc, HTTP_FILTER_PREPROC_HEADERS *h, char *name, void *buf, DWORD *size)
{
	return result(h->GetHeader(pfc, name, buf, size));
}

DWORD filter_set_header(HTTP_FILTER_CONTEXT *pfc, HTTP_FILTER_PREPROC_HEADERS *h, char *name, char *value)
{
	return result(h->SetHeader(pfc, name, value));
}

DWORD filter_add_header(HTTP_FILTER_CONTEXT *pfc, HTTP_FILTER_PREPROC_HEADERS *h, char *name, char *value)
{
	return result(h->AddHeader(pfc, name, value));
}
