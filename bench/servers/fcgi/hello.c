/* The hello page behind FastCGI: what a C program does that moved away from ISAPI. argv: the Unix socket. */
#include <fcgiapp.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
	FCGX_Request r;
	int sock;
	if (argc < 2 || FCGX_Init() != 0 || (sock = FCGX_OpenSocket(argv[1], 128)) < 0) return 1;
	FCGX_InitRequest(&r, sock, 0);
	while (FCGX_Accept_r(&r) == 0) {
		char page[1024];
		const char *method = FCGX_GetParam("REQUEST_METHOD", r.envp), *url = FCGX_GetParam("SCRIPT_NAME", r.envp);
		int len = snprintf(page, sizeof page, "<html><body>hello from %s %s</body></html>\n", method ? method : "", url ? url : "");
		FCGX_FPrintF(r.out, "Content-Type: text/html\r\nContent-Length: %d\r\n\r\n", len);
		FCGX_PutStr(page, len, r.out);
		FCGX_Finish_r(&r);
	}
	return 0;
}
