/* The hello page behind FastCGI: what a C program does that moved away from ISAPI. A thread for every connection that nginx
 * keeps open, because libfcgi serves one connection after the other. argv: the Unix socket. */
#include <fcgiapp.h>
#include <pthread.h>
#include <stdio.h>

#define THREADS 64

static int sock;

static void *serve(void *unused) {
	FCGX_Request r;
	FCGX_InitRequest(&r, sock, 0);
	while (FCGX_Accept_r(&r) == 0) {
		char page[1024];
		const char *method = FCGX_GetParam("REQUEST_METHOD", r.envp), *url = FCGX_GetParam("SCRIPT_NAME", r.envp);
		int len = snprintf(page, sizeof page, "<html><body>hello from %s %s</body></html>\n", method ? method : "", url ? url : "");
		FCGX_FPrintF(r.out, "Content-Type: text/html\r\nContent-Length: %d\r\n\r\n", len);
		FCGX_PutStr(page, len, r.out);
		FCGX_Finish_r(&r);
	}
	return unused;
}

int main(int argc, char **argv) {
	pthread_t t[THREADS];
	int i;
	if (argc < 2 || FCGX_Init() != 0 || (sock = FCGX_OpenSocket(argv[1], 128)) < 0) return 1;
	for (i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, serve, NULL);
	for (i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
	return 0;
}
