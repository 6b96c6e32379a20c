/* Faults on request: ?segv ?bus ?fpe ?ill ?abort ?overflow ?null-call ?exit ?_exit ?thread; anything else answers. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "httpext.h"

static volatile int zero;

#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int overflow(volatile char *above) {
	volatile char here[4096];
	here[0] = above ? above[0] : 0;
	return overflow(here) + here[0];
}

static void *die(void *p) {
	*(volatile int *)0 = 1;
	return p;
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
	v->dwExtensionVersion = MAKELONG(HSE_VERSION_MINOR, HSE_VERSION_MAJOR);
	strcpy(v->lpszExtensionDesc, "crash");
	return TRUE;
}

static void fault(const char *how) {
	if (!strcmp(how, "segv")) *(volatile int *)0x10 = 1;
	if (!strcmp(how, "wild")) *(volatile int *)0x4141414141414141 = 1;
	if (!strcmp(how, "bus")) {
		char name[] = "/tmp/isapid-bus-XXXXXX";
		int fd = mkstemp(name);
		volatile char *p;
		unlink(name);
		p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
		if (p != MAP_FAILED) (void)p[0];
	}
	if (!strcmp(how, "fpe")) zero = 7 / zero;
	if (!strcmp(how, "ill")) __builtin_trap();
	if (!strcmp(how, "abort")) abort();
	if (!strcmp(how, "raise")) raise(SIGSEGV);
	if (!strcmp(how, "overflow")) zero = overflow(NULL);
	if (!strcmp(how, "null-call")) ((void (*)(void))(size_t)zero)();
	if (!strcmp(how, "exit")) exit(3);
	if (!strcmp(how, "_exit")) _exit(4);
	if (!strcmp(how, "thread")) {
		pthread_t t;
		pthread_create(&t, NULL, die, NULL);
		pthread_detach(t);
	}
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	DWORD n = 2;
	fault(e->lpszQueryString);
	if (!strcmp(e->lpszQueryString, "thread")) return HSE_STATUS_PENDING;
	e->WriteClient(e->ConnID, "ok", &n, HSE_IO_SYNC);
	return HSE_STATUS_SUCCESS;
}
