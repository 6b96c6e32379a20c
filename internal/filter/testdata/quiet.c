/* Writes down what it is told, without calling back, and then does what FILTER_DO says of it: "NAME EVENT what;". */
#include <httpfilt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) {
    v->dwFlags = SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG;
    return TRUE;
}

static const char *event(DWORD type) {
    switch (type) {
    case SF_NOTIFY_PREPROC_HEADERS: return "PREPROC";
    case SF_NOTIFY_SEND_RESPONSE: return "SEND";
    case SF_NOTIFY_END_OF_REQUEST: return "END";
    default: return "LOG";
    }
}

static int does(DWORD type, const char *what) {
    char key[64];
    const char *all = getenv("FILTER_DO");
    snprintf(key, sizeof key, "%s %s %s;", NAME, event(type), what);
    return all && strstr(all, key);
}

/* A file of that name says that something has happened. */
static const char *path(const char *name, char *buf, size_t size) {
    snprintf(buf, size, "%s-%s", getenv("FILTER_TRACE"), name);
    return buf;
}
static void tell(const char *name) {
    char b[4096];
    FILE *f = fopen(path(name, b, sizeof b), "w");
    if (f) fclose(f);
}
static void await(const char *name) {
    char b[4096];
    while (access(path(name, b, sizeof b), F_OK) != 0) usleep(1000);
}

static char thread_says[64];
static pthread_t later;
static int runs;
static struct { HTTP_FILTER_CONTEXT *c; HTTP_FILTER_PREPROC_HEADERS h; } kept;

/* Calls back while the filter after this one is in its call. */
static void *late(void *p) {
    char b[64];
    DWORD n = sizeof b;
    (void)p;
    await("inside");
    snprintf(thread_says, sizeof thread_says, "late=%lu,%d", (unsigned long)(kept.c->GetServerVariable(kept.c, "URL", b, &n) ? 0 : GetLastError()),
             kept.c->AllocMem(kept.c, 1, 0) != NULL);
    tell("late");
    return NULL;
}
static void *moves(void *p) {
    (void)p;
    kept.h.SetHeader(kept.c, "url", "/file/moved.txt");
    return NULL;
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    HTTP_FILTER_PREPROC_HEADERS *h = data;
    HTTP_FILTER_LOG *l = data;
    char said[256] = "", b[128];
    DWORD n = sizeof b;
    FILE *f;
    pthread_t t;

    if (type == SF_NOTIFY_END_OF_REQUEST && runs) {
        pthread_join(later, NULL);
        runs = 0;
    }
    if (does(type, "look") && h->GetHeader(c, "url", b, &n)) snprintf(said, sizeof said, " url=%s", b);
    if (does(type, "variable") && c->GetServerVariable(c, "URL", b, &n)) snprintf(said, sizeof said, " URL=%s", b);
    if (type == SF_NOTIFY_SEND_RESPONSE && h->HttpStatus != 200) snprintf(said, sizeof said, " %lu", (unsigned long)h->HttpStatus);
    if (type == SF_NOTIFY_LOG) snprintf(said, sizeof said, " %lu %s%s%s", (unsigned long)l->dwHttpStatus, l->pszTarget, *thread_says ? " " : "", thread_says);
    if ((f = fopen(getenv("FILTER_TRACE"), "a")) != NULL) {
        fprintf(f, "%s %s%s\n", NAME, event(type), said);
        fclose(f);
    }

    if (does(type, "fault")) *(volatile char *)16 = 1;
    if (does(type, "finished")) return SF_STATUS_REQ_FINISHED;
    if (does(type, "handled")) return SF_STATUS_REQ_HANDLED_NOTIFICATION;
    if (does(type, "odd")) return 12345;
    if (does(type, "denied")) { SetLastError(ERROR_ACCESS_DENIED); return SF_STATUS_REQ_ERROR; }
    if (does(type, "disable")) c->ServerSupportFunction(c, SF_REQ_DISABLE_NOTIFICATIONS, NULL, SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_LOG, 0);
    if (does(type, "move")) h->SetHeader(c, "url", "/file/moved.txt");
    if (does(type, "teapot")) h->SetHeader(c, "status", "418 I'm a teapot");
    if (does(type, "answer")) c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, "203 Mine", (ULONG_PTR)"Content-Length: 0\r\n\r\n", 0);
    if (does(type, "break")) memset(h, 0, sizeof *h);
    if (does(type, "context")) c->GetServerVariable = NULL;
    if (does(type, "status")) l->dwHttpStatus = 299;
    if (does(type, "target")) l->pszTarget = "/another";
    if (does(type, "scribble")) memset((char *)l->pszTarget, 'x', strlen(l->pszTarget));
    if (does(type, "thread moves")) {
        kept.c = c, kept.h = *h;
        if (pthread_create(&t, NULL, moves, NULL) == 0) pthread_join(t, NULL);
    }
    if (does(type, "thread late")) {
        kept.c = c;
        runs = pthread_create(&later, NULL, late, NULL) == 0;
    }
    if (does(type, "wait")) {
        tell("inside");
        await("late");
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
