/* Calls through the control block's function pointers, which Go cannot make itself. No policy here. */
#include "abi.h"

#ifdef _WIN32
/* Declared here instead of through <windows.h>, whose DWORD is another type than ours. */
__declspec(dllimport) unsigned long __stdcall GetLastError(void);
#define LAST_ERROR ((DWORD)GetLastError())
#else
#include <errno.h>
#define LAST_ERROR ((DWORD)errno)
#endif

enum { ERROR_INVALID_PARAMETER = 87 };

static DWORD result(ISAPI_BOOL ok)
{
	DWORD code;

	if (ok)
		return 0;
	code = LAST_ERROR;
	return code != 0 ? code : ERROR_INVALID_PARAMETER;
}

DWORD isapi_variable(EXTENSION_CONTROL_BLOCK *ecb, char *name, void *buf, DWORD *size)
{
	return result(ecb->GetServerVariable(ecb->ConnID, name, buf, size));
}

DWORD isapi_write(EXTENSION_CONTROL_BLOCK *ecb, void *buf, DWORD *bytes)
{
	return result(ecb->WriteClient(ecb->ConnID, buf, bytes, 0));
}

DWORD isapi_read(EXTENSION_CONTROL_BLOCK *ecb, void *buf, DWORD *size)
{
	return result(ecb->ReadClient(ecb->ConnID, buf, size));
}

DWORD isapi_send_header(EXTENSION_CONTROL_BLOCK *ecb, char *status, DWORD status_len, char *header, DWORD header_len,
                        ISAPI_BOOL keep)
{
	HSE_SEND_HEADER_EX_INFO info = {status, header, status_len, header_len, keep};

	return isapi_support(ecb, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, 0);
}

DWORD isapi_support(EXTENSION_CONTROL_BLOCK *ecb, DWORD code, void *buf, DWORD *size)
{
	return result(ecb->ServerSupportFunction(ecb->ConnID, code, buf, size, 0));
}

DWORD isapi_set_flush(EXTENSION_CONTROL_BLOCK *ecb)
{
	/* This code takes its BOOL as the pointer value itself. */
	return isapi_support(ecb, HSE_REQ_SET_FLUSH_FLAG, (void *)(intptr_t)1, 0);
}

DWORD isapi_count(EXTENSION_CONTROL_BLOCK *ecb, const char *name, double delta, const char *labels, DWORD count)
{
	const char *texts[8];
	HSE_COUNTER_INFO info = {delta, name, texts, count, 0};
	DWORD i;

	for (i = 0; i < 2 * count; i++) {
		texts[i] = labels;
		while (*labels++)
			;
	}
	return isapi_support(ecb, HSE_REQ_COUNTER, &info, 0);
}
