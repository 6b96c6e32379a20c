/* Passes what it should not: ?pointers tries every callback with bad pointers and sizes and answers what is wrong with the
 * results; ?scribble overwrites its control block, then answers; ?storm calls back from 50 threads at once; ?mask, ?locale,
 * ?fork and ?log change the process or its own records. */
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fixture.h"
#ifndef _WIN32
#include <sys/wait.h>
#endif

FIXTURE("hostile")

static char wrong[3000];

/* expect notes a call that did not fail as it should. */
static void expect(const char *what, size_t i, BOOL ok) {
    unsigned error = outcome(ok);
    size_t n = strlen(wrong);
    if (ok || error == 0) snprintf(wrong + n, sizeof wrong - n, "%s with pointer %zu: ok=%d error=%u\n", what, i, ok, error);
}

/* A page and the unmapped one after it; the last byte of the page is pages + size - 1. */
static char *edge(size_t *size) {
    *size = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 2 * *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) abort();
    mprotect(p + *size, *size, PROT_NONE);
    return p;
}

static void pointers(EXTENSION_CONTROL_BLOCK *e) {
    static const DWORD codes[] = {1, 2, 3, 1001, 1003, 1004, 1006, 1008, 1012, 1015, 1016, 1018, 1023, 1024, 1025, 1026, 1027, 1028,
                                  1030, 1033, 1037, 1042, 1044, 1045};
    size_t page, i, c;
    char *end = edge(&page) + page, buf[64];
    memset(end - page, 'x', page); /* a text that no NUL ends */
    void *bad[] = {(void *)1, (void *)0x10, (void *)(size_t)-1, (void *)(size_t)-4096, (void *)(size_t)0x4141414141414141, end};
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        DWORD n = sizeof buf;
        expect("GetServerVariable name", i, e->GetServerVariable(e->ConnID, bad[i], buf, &n));
        expect("GetServerVariable buffer", i, (n = 4000, e->GetServerVariable(e->ConnID, (LPSTR)"URL", bad[i], &n)));
        expect("GetServerVariable size", i, e->GetServerVariable(e->ConnID, (LPSTR)"URL", buf, bad[i]));
        expect("WriteClient buffer", i, (n = 16, e->WriteClient(e->ConnID, bad[i], &n, HSE_IO_SYNC)));
        expect("WriteClient size", i, e->WriteClient(e->ConnID, buf, bad[i], HSE_IO_SYNC));
        expect("ReadClient size", i, e->ReadClient(e->ConnID, buf, bad[i]));
        expect("ReadClient buffer", i, (n = 16, e->ReadClient(e->ConnID, bad[i], &n)));
        for (c = 0; c < sizeof codes / sizeof *codes; c++) {
            char what[32];
            snprintf(what, sizeof what, "code %u", (unsigned)codes[c]);
            n = sizeof buf;
            expect(what, i, e->ServerSupportFunction(e->ConnID, codes[c], bad[i], &n, bad[i]));
        }
        expect("header text", i, e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, (LPVOID)"200 OK", NULL, bad[i]));
    }
    DWORD sizes[] = {0x80000000, 0xFFFFFFFF, 0x7FFFFFFF};
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        DWORD n = sizes[i];
        expect("WriteClient length", i, e->WriteClient(e->ConnID, end - 16, &n, HSE_IO_SYNC));
        n = sizes[i];
        expect("WriteClient NULL", i, e->WriteClient(e->ConnID, NULL, &n, HSE_IO_SYNC));
    }
    expect("name that runs into the next page", 0, (sizes[0] = 64, e->GetServerVariable(e->ConnID, end - 8, buf, &sizes[0])));
    expect("read-only buffer", 0, (sizes[0] = 64, e->GetServerVariable(e->ConnID, (LPSTR)"URL", (LPVOID)(size_t)pointers, &sizes[0])));
    expect("buffer over the edge", 0, (sizes[0] = 64, e->GetServerVariable(e->ConnID, (LPSTR)"SERVER_SOFTWARE", end - 3, &sizes[0])));
    /* What looks odd but is right: a misaligned size at the very end of a page. */
    DWORD *size = (DWORD *)(void *)(end - sizeof(DWORD)), *odd = (DWORD *)(void *)(end - 7);
    DWORD want = sizeof buf;
    memcpy(odd, &want, sizeof want);
    if (!e->GetServerVariable(e->ConnID, (LPSTR)"REQUEST_METHOD", buf, odd) || strcmp(buf, "POST")) strcat(wrong, "misaligned size refused\n");
    memcpy(size, &want, sizeof want);
    if (!e->GetServerVariable(e->ConnID, (LPSTR)"REQUEST_METHOD", buf, size) || strcmp(buf, "POST")) strcat(wrong, "size at the edge refused\n");
    strcpy(end - 15, "REQUEST_METHOD");
    want = sizeof buf;
    if (!e->GetServerVariable(e->ConnID, end - 15, buf, &want)) strcat(wrong, "name at the edge refused\n");
    munmap(end - page, 2 * page);
}

struct storm {
    EXTENSION_CONTROL_BLOCK *e;
    int bad;
};

static void *storm(void *p) {
    struct storm *s = p;
    int i;
    for (i = 0; i < 200; i++) {
        char buf[64];
        DWORD n = sizeof buf;
        if (!s->e->GetServerVariable(s->e->ConnID, (LPSTR)"REQUEST_METHOD", buf, &n) || strcmp(buf, "GET")) s->bad++;
        n = 1;
        if (!s->e->WriteClient(s->e->ConnID, (LPVOID)"x", &n, HSE_IO_SYNC)) s->bad++;
        n = sizeof buf;
        if (!s->e->ReadClient(s->e->ConnID, buf, &n) || n != 0) s->bad++;
        if (!s->e->ServerSupportFunction(s->e->ConnID, HSE_REQ_IS_CONNECTED, &n, NULL, NULL) || n != 1) s->bad++;
    }
    return NULL;
}

static void storms(EXTENSION_CONTROL_BLOCK *e) {
    pthread_t t[50];
    struct storm s[50];
    int i, bad = 0;
    e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, NULL, NULL, (LPDWORD)(void *)"Content-Type: text/plain\r\n\r\n");
    for (i = 0; i < 50; i++) {
        s[i].e = e, s[i].bad = 0;
        if (pthread_create(&t[i], NULL, storm, &s[i])) abort();
    }
    for (i = 0; i < 50; i++) pthread_join(t[i], NULL), bad += s[i].bad;
    note(e, "%d bad", bad);
}

static void scribble(EXTENSION_CONTROL_BLOCK *e) {
    EXTENSION_CONTROL_BLOCK copy = *e;
    memset(e, 0xA5, sizeof *e);
    e->dwHttpStatusCode = 99999;
    e->lpbData = (LPBYTE)1;
    sayf(&copy, "survived");
}

/* A child has no server behind it: its callbacks fail and it ends as it likes. */
#ifndef _WIN32
static int forks(EXTENSION_CONTROL_BLOCK *e, const char *how) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        DWORD n = 1;
        if (e->WriteClient(e->ConnID, (LPVOID)"x", &n, HSE_IO_SYNC)) _exit(99);
        if (!strcmp(how, "crash")) *(volatile int *)0x10 = 1;
        if (!strcmp(how, "abort")) abort();
        _exit(7);
    }
    waitpid(child, &status, 0);
    return status;
}
#endif

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (asked(e, "pointers")) {
        wrong[0] = 0;
        pointers(e);
        say(e, *wrong ? wrong : "ok");
    } else if (asked(e, "scribble")) {
        scribble(e);
    } else if (asked(e, "storm")) {
        storms(e);
#ifndef _WIN32
    } else if (asked(e, "mask")) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        say(e, "ok");
    } else if (asked(e, "masked")) {
        say(e, "ok");
    } else if (asked(e, "fork-")) {
        int status = forks(e, e->lpszQueryString + 5);
        sayf(e, "exit %d signal %d", WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
#endif
    } else if (asked(e, "locale")) {
        sayf(e, "%d", setlocale(LC_ALL, "C.UTF-8") != NULL);
    } else if (asked(e, "log")) {
        memset(e->lpszLogData, 'L', sizeof e->lpszLogData);
        e->lpszLogData[0] = '\n';
        say(e, "ok");
    } else {
        say(e, "ok");
    }
    return HSE_STATUS_SUCCESS;
}
