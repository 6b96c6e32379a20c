/* Four callbacks, then a page: the request the benchmarks measure. */
#include <stdio.h>
#include <string.h>
#include "httpext.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
	v->dwExtensionVersion = MAKELONG(HSE_VERSION_MINOR, HSE_VERSION_MAJOR);
	strcpy(v->lpszExtensionDesc, "hello");
	return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	char method[32], url[512], page[1024], head[128];
	DWORD n = sizeof method, len;
	HSE_SEND_HEADER_EX_INFO h;
	if (!e->GetServerVariable(e->ConnID, (LPSTR)"REQUEST_METHOD", method, &n)) method[0] = 0;
	n = sizeof url;
	if (!e->GetServerVariable(e->ConnID, (LPSTR)"URL", url, &n)) url[0] = 0;
	len = (DWORD)snprintf(page, sizeof page, "<html><body>hello from %s %s</body></html>\n", method, url);
	snprintf(head, sizeof head, "Content-Type: text/html\r\nContent-Length: %u\r\n\r\n", (unsigned)len);
	memset(&h, 0, sizeof h);
	h.pszStatus = "200 OK";
	h.pszHeader = head;
	h.fKeepConn = TRUE;
	e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL);
	e->WriteClient(e->ConnID, page, &len, HSE_IO_SYNC);
	return HSE_STATUS_SUCCESS;
}
