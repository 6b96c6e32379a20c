/* Harms the process it runs in, or the server behind it, in a request: ?how chooses. Each function says of which bug in real
 * extensions it is made. ?inside answers how many requests began and are not over, itself not counted; anything else answers
 * fine. Nothing here harms the machine: what is made without end is capped, and the cap is a number in the query. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "fixture.h"
#ifndef _WIN32
#include <sys/socket.h>
#endif

FIXTURE("havoc")

static volatile int yes = 1;
static volatile size_t nowhere = 0x10;

/* A loop whose end depends on a counter that overflowed. */
static void spin(void) {
    while (yes) {}
}

/* A function that takes a lock calls another one that takes it. */
static void deadlock(void) {
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&m);
    pthread_mutex_lock(&m);
}

static void *sleeper(void *p) {
    for (;;) pause();
    return p;
}

/* A worker thread for each request, waiting for an event that nobody signals. count=, at most 1000. */
static void leak_threads(EXTENSION_CONTROL_BLOCK *e) {
    unsigned long long n = number(e, "count", 1);
    if (n > 1000) n = 1000;
    while (n-- > 0) {
        pthread_t t;
        if (pthread_create(&t, NULL, sleeper, NULL) != 0) break;
        pthread_detach(t);
    }
}

/* A handle that is never closed on the path of an error. count=, at most 65536. */
static void leak_descriptors(EXTENSION_CONTROL_BLOCK *e) {
    unsigned long long n = number(e, "count", 65536);
    if (n > 65536) n = 65536;
#ifdef _WIN32
    while (n-- > 0 && CreateFileA("NUL", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL) != INVALID_HANDLE_VALUE) {}
#else
    while (n-- > 0 && open("/dev/null", O_RDONLY) >= 0) {}
#endif
}

/* A cache without a limit. bytes=, 2 GiB unless told. */
static unsigned long long leak_memory(EXTENSION_CONTROL_BLOCK *e) {
    static void *volatile last; /* or the compiler leaves the whole business out */
    unsigned long long cap = number(e, "bytes", 2048ull << 20), got = 0;
    const size_t piece = 16u << 20;
    while (got < cap && (last = malloc(piece)) != NULL) {
        memset(last, 'm', piece);
        got += piece;
    }
    return got;
}

/* A text that is too long for its place on the heap: what the allocator keeps behind it is overwritten. */
static void smash_heap(void) {
    char *volatile a[8];
    int i;
    for (i = 0; i < 8; i++) a[i] = malloc(2000);
    for (i = 0; i < 8; i++)
        if (a[i]) {
            volatile char *p = a[i];
            int k;
            for (k = 0; k < 2000 + 32 * yes; k++) p[k] = 'A';
        }
    for (i = 0; i < 8; i++) free(a[i]);
}

/* A buffer mapped on its own is freed with the wrong address. The page lies deep in a stack, where only the function that had
 * a large array there comes by again. The stack of the first thread would grow back over the hole: there it may only not be used. */
static void unmap_stack(void) {
    volatile char large[256 << 10];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), at = ((size_t)large + sizeof large / 2) & ~(page - 1);
    large[0] = 0;
#ifdef _WIN32
    mprotect((void *)at, page, PROT_NONE);
#else
    if (syscall(SYS_gettid) == getpid()) mprotect((void *)at, page, PROT_NONE);
    else munmap((void *)at, page);
#endif
    *(volatile char *)at = 1;
}

#ifndef _WIN32
static void swallow(int sig) {
    (void)sig;
}

/* A runtime of another language, or a reporter of crashes, puts its handlers over those of the host. */
static void steal_signals(void (*handler)(int)) {
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = handler;
    sigaction(SIGSEGV, &sa, NULL);
    *(volatile int *)nowhere = 1;
}

/* Written for a program that becomes a daemon. */
static void close_all(void) {
    int fd;
    for (fd = 3; fd < 1024; fd++) close(fd);
}

/* A command is run by fork, the exec fails, and the child goes on as if it were the parent. It lives a minute at most. */
static void fork_and_stay(void) {
    if (fork() == 0) {
        struct sigevent kill_me;
        struct itimerspec minute;
        timer_t t;
        memset(&kill_me, 0, sizeof kill_me);
        memset(&minute, 0, sizeof minute);
        kill_me.sigev_notify = SIGEV_SIGNAL;
        kill_me.sigev_signo = SIGKILL;
        minute.it_value.tv_sec = 60;
        if (timer_create(CLOCK_MONOTONIC, &kill_me, &t) != 0 || timer_settime(t, 0, &minute, NULL) != 0) _exit(1);
    }
}

static void fill(char *p, size_t n) {
    unsigned long long x = 0x9E3779B97F4A7C15ull; /* the same noise each time */
    size_t i;
    for (i = 0; i < n; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        p[i] = (char)x;
    }
}

/* The descriptor on which the process talks to the one that started it, a local socket: bugs meet it by chance. Where there is none,
 * the one that programs open first. */
static int wire(void) {
    enum { FIRST = 3 };
    int fd;
    for (fd = FIRST; fd < 64; fd++) {
        struct sockaddr_storage a;
        socklen_t n = sizeof a;
        if (getsockname(fd, (struct sockaddr *)&a, &n) == 0 && a.ss_family == AF_UNIX) return fd;
    }
    return FIRST;
}

/* Data is written to a descriptor that was closed and is somebody else's now. what: noise; the beginning of a message whose length
 * says more, which what comes next is taken for; the end. */
static void write_to_wire(const char *what) {
    const int fd = wire();
    char noise[4096];
    ssize_t n = 0;
    fill(noise, sizeof noise);
    if (!strcmp(what, "noise")) n = write(fd, noise, sizeof noise);
    if (!strcmp(what, "half")) n = write(fd, "\0\0\1\0\20\0\0\0\0\0\0\0\0\0\0\0half", 20);
    if (!strcmp(what, "close")) n = close(fd);
    if (!strcmp(what, "null")) n = dup2(open("/dev/null", O_RDWR), fd); /* "nothing is to be read or written by this program" */
    (void)n;
}

#endif

/* Traces that were left switched on. bytes=, 100 MB unless told. */
static void flood(EXTENSION_CONTROL_BLOCK *e, int fd) {
    char text[64 << 10];
    long long left = (long long)number(e, "bytes", 100000000);
    size_t i;
    for (i = 0; i < sizeof text; i++) text[i] = i % 80 == 79 ? '\n' : 't';
    while (left > 0) {
        long long n = write(fd, text, sizeof text);
        if (n < 0 && errno != EINTR) break;
        if (n > 0) left -= n;
    }
}

#ifndef _WIN32
/* A peer that has hung up, and no MSG_NOSIGNAL. */
static void broken_pipe(void) {
    int ends[2];
    if (pipe(ends) != 0) return;
    close(ends[0]);
    if (write(ends[1], "x", 1) < 0) errno = 0;
    close(ends[1]);
}
#endif

/* Numbers are to be printed as the users of this one application want them. */
static void change_locale(void) {
    setlocale(LC_ALL, "");
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) setlocale(LC_NUMERIC, "C.UTF-8");
}

static void done(EXTENSION_CONTROL_BLOCK *e) {
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static void *late(void *p) {
    EXTENSION_CONTROL_BLOCK *e = p;
    const struct timespec pause = {0, 1000000};
    int i;
    say(e, "fine");
    done(e);
    for (i = 0; i < 100; i++) {
        char text[64];
        DWORD n = sizeof text;
        e->GetServerVariable(e->ConnID, (LPSTR)"URL", text, &n);
        put(e, "late", 4);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static LONG inside = -1;

#ifdef _WIN32

/* A reporter of crashes that answers wrongly: the fault is tried again, for ever. */
static LONG WINAPI again(EXCEPTION_POINTERS *p) {
    (void)p;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static LONG WINAPI end(EXCEPTION_POINTERS *p) {
    (void)p;
    return EXCEPTION_EXECUTE_HANDLER;
}

/* A runtime of another language, or a reporter of crashes, puts its handler over that of the host. */
static void steal_handler(LPTOP_LEVEL_EXCEPTION_FILTER handler) {
    SetUnhandledExceptionFilter(handler);
    *(volatile int *)nowhere = 1;
}

/* Handles are closed that belong to others: a number was kept too long. */
static void close_all(void) {
    ULONG_PTR h;
    for (h = 4; h < 4096; h += 4) CloseHandle((HANDLE)h);
}

/* Data is written to the output of the process, on which a host may speak. */
static void write_to_wire(const char *what) {
    HANDLE out = GetStdHandle(STD_OUTPUT_HANDLE);
    DWORD n;
    if (!strcmp(what, "noise")) WriteFile(out, "noise", 5, &n, NULL);
    if (!strcmp(what, "half")) WriteFile(out, "\0\0\1\0\20\0\0\0\0\0\0\0\0\0\0\0half", 20, &n, NULL);
    if (!strcmp(what, "close")) CloseHandle(out), CloseHandle(GetStdHandle(STD_INPUT_HANDLE));
    if (!strcmp(what, "null")) SetStdHandle(STD_OUTPUT_HANDLE, CreateFileA("NUL", GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL));
}

static void no_environment(void) {
    char *all = GetEnvironmentStringsA(), *p;
    for (p = all; *p; p += strlen(p) + 1) {
        char name[256], *equals;
        snprintf(name, sizeof name, "%s", p);
        if ((equals = strchr(name + 1, '=')) == NULL) continue;
        *equals = 0;
        SetEnvironmentVariableA(name, NULL);
    }
    FreeEnvironmentStringsA(all);
}

/* What is done by the means of one system. */
static BOOL harm_system(EXTENSION_CONTROL_BLOCK *e, const char *how) {
    (void)e;
    if (!strcmp(how, "thief")) steal_handler(end);
    else if (!strcmp(how, "swallow")) steal_handler(again);
    else if (!strcmp(how, "exit_group")) TerminateProcess(GetCurrentProcess(), 9);
    else if (!strcmp(how, "environment")) no_environment(); /* a safe environment for a command to run */
    else return FALSE;
    return TRUE;
}

#else

/* What is done by the means of one system. */
static BOOL harm_system(EXTENSION_CONTROL_BLOCK *e, const char *how) {
    if (!strcmp(how, "thief")) steal_signals(SIG_DFL);
    else if (!strcmp(how, "swallow")) steal_signals(swallow);
    else if (!strcmp(how, "fork")) fork_and_stay();
    else if (!strcmp(how, "exit_group")) syscall(SYS_exit_group, 9); /* a runtime that brings its own C library */
    else if (!strcmp(how, "exec")) execl("/bin/true", "true", (char *)NULL); /* the fork before it is missing */
    else if (!strcmp(how, "killgroup")) kill(0, SIGKILL); /* the end of the helpers it started */
    else if (!strcmp(how, "sigpipe")) broken_pipe();
    else if (!strcmp(how, "setuid")) note(e, "setuid %d", setuid(65534)); /* privileges are given up, by a program of its own */
    else if (!strcmp(how, "environment")) clearenv(); /* a safe environment for a command to run */
    else return FALSE;
    return TRUE;
}

#endif

/* What ends with a page that says fine, if it ends; FALSE if how is none of it. */
static BOOL harm(EXTENSION_CONTROL_BLOCK *e, const char *how) {
    if (!strcmp(how, "spin")) spin();
    else if (!strcmp(how, "deadlock")) deadlock();
    else if (!strcmp(how, "threads")) leak_threads(e);
    else if (!strcmp(how, "descriptors")) leak_descriptors(e);
    else if (!strcmp(how, "heap")) smash_heap();
    else if (!strcmp(how, "munmap")) unmap_stack();
    else if (!strcmp(how, "closeall")) close_all();
    else if (!strcmp(how, "kill")) kill(getpid(), SIGKILL); /* a watchdog of the extension's own; also the kernel, out of memory */
    else if (!strncmp(how, "wire-", 5)) write_to_wire(how + 5);
    else if (!strcmp(how, "stdout")) flood(e, 1);
    else if (!strcmp(how, "stderr")) flood(e, 2);
    else if (!strcmp(how, "directory")) note(e, "chdir %d", chdir("/")); /* relative names are to be found */
    else if (!strcmp(how, "locale")) change_locale();
    else if (strcmp(how, "unread") != 0) return harm_system(e, how); /* an upload that is refused without a look */
    return TRUE;
}

static DWORD answer(EXTENSION_CONTROL_BLOCK *e) {
    char how[32] = "";
    sscanf(e->lpszQueryString, "%31[^&]", how);
    if (!strcmp(how, "inside")) {
        sayf(e, "%ld", (long)inside);
    } else if (!strcmp(how, "memory")) {
        unsigned long long got = leak_memory(e);
        sayf(e, "fine: %llu MiB", got >> 20);
    } else if (!strcmp(how, "never")) { /* the thread that was to call DONE ended by an error */
        InterlockedIncrement(&inside);
        return HSE_STATUS_PENDING;
    } else if (!strcmp(how, "late")) { /* a thread is not told that its request was given up */
        pthread_t t;
        if (pthread_create(&t, NULL, late, e) != 0) return HSE_STATUS_ERROR;
        pthread_detach(t);
        return HSE_STATUS_PENDING;
    } else if (!strcmp(how, "twice")) { /* both the worker and its cleanup end the session */
        say(e, "fine");
        done(e);
        done(e);
        return HSE_STATUS_PENDING;
    } else if (!strcmp(how, "afterend")) { /* a footer that is always written */
        say(e, "fine");
        done(e);
        put(e, "after the end", 13);
    } else if (!strcmp(how, "toolong")) { /* a length counted before the text was translated */
        say(e, "fine");
        put(e, "beyond Content-Length", 21);
    } else if (!strcmp(how, "status")) { /* a function that returns a BOOL, or nothing */
        say(e, "fine");
        return 0xDEAD;
    } else {
        harm(e, how);
        say(e, "fine");
    }
    return HSE_STATUS_SUCCESS;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    DWORD status;
    InterlockedIncrement(&inside);
    status = answer(e);
    InterlockedDecrement(&inside);
    return status;
}
