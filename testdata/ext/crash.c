/* Faults on request: ?how faults in HttpExtensionProc, ?sent-how after half a response, ?completion-how in a completion
 * callback, ?thread-how on a thread of its own with the request PENDING. Anything else answers ok. */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "fixture.h"
#ifndef _WIN32
#include <sys/mman.h>
#endif

static volatile int zero;
static const int constant = 1;

#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int overflow(volatile char *above) {
    volatile char here[4096];
    here[0] = above ? above[0] : 0;
    return overflow(here) + here[0];
}

#ifndef _WIN32
static void bus(void) {
    char name[] = "/tmp/isapid-bus-XXXXXX";
    int fd = mkstemp(name);
    volatile char *p;
    unlink(name);
    p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED) (void)p[0];
}

/* A fault while its signal is blocked. */
static void masked(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    *(volatile int *)0x10 = 1;
}
#endif

/* What faults on one system only. */
static void misuse_system(const char *how) {
#ifdef _WIN32
    if (!strcmp(how, "trap")) DebugBreak();
    if (!strcmp(how, "raise")) RaiseException(EXCEPTION_ACCESS_VIOLATION, 0, 0, NULL);
    if (!strcmp(how, "own-exception")) RaiseException(0xE0000001, 0, 0, NULL); /* not caught by who threw it */
    if (!strcmp(how, "quick_exit")) ExitProcess(5);
    if (!strcmp(how, "terminate-process")) TerminateProcess(GetCurrentProcess(), 6);
#else
    if (!strcmp(how, "bus")) bus();
    if (!strcmp(how, "trap")) raise(SIGTRAP);
    if (!strcmp(how, "raise")) raise(SIGSEGV);
    if (!strcmp(how, "quick_exit")) quick_exit(5);
    if (!strcmp(how, "masked")) masked();
#endif
}

/* The return address and what lies above it are overwritten, as by a text that is too long for its buffer. */
static void smash(void) {
    volatile char here[16];
    volatile char *p = here;
    int i;
    for (i = 0; i < 2000; i++) p[i + zero] = 'A';
}

/* A stack pointer that points nowhere: not even a handler can push there. */
static void no_stack(void) {
#if defined(__x86_64__)
    __asm__ volatile("mov $0x4141, %%rsp\n\tpush %%rax" ::: "memory");
#elif defined(__i386__)
    __asm__ volatile("mov $0x4141, %%esp\n\tpush %%eax" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov x9, #0x4140\n\tmov sp, x9\n\tstr x9, [sp]" ::: "memory");
#endif
}

static void misuse(const char *how) {
    if (!strcmp(how, "segv")) *(volatile int *)0x10 = 1;
    if (!strcmp(how, "wild")) *(volatile int *)(size_t)0x4141414141414141 = 1;
    if (!strcmp(how, "readonly")) *(volatile int *)&constant = 2;
    if (!strcmp(how, "fpe")) zero = 7 / zero;
    if (!strcmp(how, "ill")) __builtin_trap();
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "assert")) assert(zero == 1);
    if (!strcmp(how, "overflow")) zero = overflow(NULL);
    if (!strcmp(how, "smash")) smash();
    if (!strcmp(how, "no-stack")) no_stack();
    if (!strcmp(how, "null-call")) ((void (*)(void))(size_t)zero)();
    if (!strcmp(how, "wild-call")) ((void (*)(void))(size_t)(0x5151 + zero))();
    if (!strcmp(how, "free")) free((void *)((size_t)&zero + (size_t)zero));
    if (!strcmp(how, "exit")) exit(3);
    if (!strcmp(how, "_exit")) _exit(4);
    if (!strcmp(how, "pthread_exit")) pthread_exit(NULL);
    misuse_system(how);
}

static void *on_thread(void *how) {
    char text[32];
    snprintf(text, sizeof text, "%s", (char *)how);
    free(how);
    misuse(text);
    return NULL;
}

static void WINAPI completion(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)n, (void)error, (void)context;
    misuse(e->lpszQueryString + strlen("completion-"));
}

FIXTURE("crash")

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    static char text[] = "text";
    if (asked(e, "sent-")) {
        HSE_SEND_HEADER_EX_INFO h = {0};
        h.pszStatus = "200 OK";
        h.pszHeader = "Content-Type: text/plain\r\nContent-Length: 100\r\n\r\n";
        e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &h, NULL, NULL);
        put(e, "half", 4);
        misuse(e->lpszQueryString + strlen("sent-"));
    }
    if (asked(e, "thread-")) {
        pthread_t t;
        if (pthread_create(&t, NULL, on_thread, strdup(e->lpszQueryString + strlen("thread-"))) == 0) pthread_detach(t);
        return HSE_STATUS_PENDING;
    }
    if (asked(e, "completion-")) {
        DWORD n = 4;
        e->ServerSupportFunction(e->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)(size_t)completion, NULL, NULL);
        e->WriteClient(e->ConnID, text, &n, HSE_IO_ASYNC);
        return HSE_STATUS_PENDING;
    }
    misuse(e->lpszQueryString);
    say(e, "ok");
    return HSE_STATUS_SUCCESS;
}
