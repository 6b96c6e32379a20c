/* filter_calls.c: does what its notification says, a struct order. The tests of package native give it that, no server. */
#include <errno.h>
#include <httpfilt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

struct order {
    char what[32];
    HTTP_FILTER_AUTH_COMPLETE_INFO headers;
    HTTP_FILTER_CONTEXT *with; /* the context to name in calls, when it is another than the one given */
    ULONG_PTR a, b;
    DWORD status, error; /* what to return, and to leave in errno */
    DWORD returned;      /* what came of it */
};

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {
    v->dwFlags |= SF_NOTIFY_LOG | SF_NOTIFY_ORDER_HIGH; /* nothing was set before */
    v->dwFilterVersion = v->dwServerFilterVersion;
    strcpy(v->lpszFilterDesc, "does as told");
    SetLastError(ERROR_ACCESS_DENIED);
    return TRUE;
}

BOOL WINAPI TerminateFilter(DWORD flags) { return flags == 0; }

/* Calls everything with arguments that can be told apart. 0, or which call failed. */
static DWORD every(HTTP_FILTER_CONTEXT *f, const struct order *o) {
    DWORD size = 77;
    void *mem;
    if (!f->GetServerVariable(f, (LPSTR)"variable", &size, &size)) return 1;
    if (!f->AddResponseHeaders(f, (LPSTR)"text", 7)) return 2;
    if (!f->WriteClient(f, &size, &size, 8)) return 3;
    if ((mem = f->AllocMem(f, 99, 0)) != f) return 4;
    if (!f->ServerSupportFunction(f, SF_REQ_DISABLE_NOTIFICATIONS, mem, ~(ULONG_PTR)0, ~(~(ULONG_PTR)0 >> 1))) return 5;
    if (!o->headers.GetHeader(f, (LPSTR)"get:", &size, &size)) return 6;
    if (!o->headers.SetHeader(f, (LPSTR)"set:", (LPSTR)"new")) return 7;
    if (!o->headers.AddHeader(f, (LPSTR)"add:", (LPSTR)"more")) return 8;
    if (!o->headers.GetUserToken(f, (HANDLE *)(void *)&size)) return 9;
    return 0;
}

/* Calls everything with the last error, which is errno, set to a before. 0, or a bit for each call that did not leave b there. */
static DWORD leaves(HTTP_FILTER_CONTEXT *own, HTTP_FILTER_CONTEXT *f, const struct order *o) {
    DWORD size = 1, others = 0;
#define TRY(n, call) (SetLastError((DWORD)o->a), (void)(call), others |= (DWORD)(GetLastError() != (DWORD)o->b) << n)
    TRY(0, own->GetServerVariable(f, (LPSTR)"", &size, &size));
    TRY(1, own->AddResponseHeaders(f, (LPSTR)"", 0));
    TRY(2, own->WriteClient(f, &size, &size, 0));
    TRY(3, own->AllocMem(f, 1, 0));
    TRY(4, own->ServerSupportFunction(f, SF_REQ_GET_CONNID, NULL, 0, 0));
    TRY(5, o->headers.GetHeader(f, (LPSTR)"", &size, &size));
    TRY(6, o->headers.SetHeader(f, (LPSTR)"", (LPSTR)""));
    TRY(7, o->headers.AddHeader(f, (LPSTR)"", (LPSTR)""));
    TRY(8, o->headers.GetUserToken(f, NULL));
    return others;
}

static void *on_own_thread(void *p) {
    HTTP_FILTER_CONTEXT *f = p;
    return (void *)(ULONG_PTR)f->AddResponseHeaders(f, (LPSTR)"", 0);
}

static DWORD from_own_thread(HTTP_FILTER_CONTEXT *f) {
    pthread_t t;
    void *ok;
    if (pthread_create(&t, NULL, on_own_thread, f)) abort();
    pthread_join(t, &ok);
    return ok != NULL;
}

#ifndef _WIN32
static DWORD status_of(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? (DWORD)WEXITSTATUS(status) : 0;
}

static DWORD from_child(HTTP_FILTER_CONTEXT *f) {
    pid_t child = fork();
    if (child == 0) {
        int ok = !f->AddResponseHeaders(f, (LPSTR)"", 0) && errno == 87;
        errno = 0;
        _exit(ok && f->AllocMem(f, 1, 0) == NULL && errno == 87 ? 42 : 1);
    }
    return status_of(child);
}
#endif

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *pfc, DWORD notification, VOID *pv) {
    struct order *o = pv;
    HTTP_FILTER_CONTEXT *f;
    if (o == NULL) return notification;
    f = o->with ? o->with : pfc;
    if (!strcmp(o->what, "every call")) {
        o->returned = every(f, o);
    } else if (!strcmp(o->what, "errno")) {
        o->returned = leaves(pfc, f, o);
    } else if (!strcmp(o->what, "write")) {
        o->returned = pfc->WriteClient(f, (LPVOID)o->a, (LPDWORD)o->b, 0) ? 0 : GetLastError();
    } else if (!strcmp(o->what, "thread")) {
        o->returned = from_own_thread(f);
#ifndef _WIN32
    } else if (!strcmp(o->what, "fork")) {
        o->returned = from_child(f);
    } else if (!strcmp(o->what, "return from fork")) {
        pid_t child = fork();
        if (child != 0) o->returned = status_of(child);
#endif
    } else if (!strcmp(o->what, "segv")) {
        *(volatile int *)0x10 = 1;
    } else if (!strcmp(o->what, "abort")) {
        abort();
    } else if (!strcmp(o->what, "exit")) {
        exit(3);
    }
    SetLastError(o->error);
    return o->status;
}
