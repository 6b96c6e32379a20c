/* async: answers from threads of its own, with asynchronous writes. A slow client costs a little memory, and no thread.
 *
 *     isapid run async.c        then: curl 'http://localhost:8080/?20'     for twenty lines
 *
 * What to learn here: HttpExtensionProc only puts the request into a queue and returns HSE_STATUS_PENDING. The threads
 * take it from there and start one write; its completion puts the request back into the queue for the next one, until
 * HSE_REQ_DONE_WITH_SESSION gives the control block back. There are three rules: one asynchronous operation at a time,
 * its buffer stays until the completion, and once an operation is accepted the request belongs to the completion.
 */
#include <windows.h>
#include <httpext.h>
#include <stdlib.h>

#define THREADS 4
#define MAX_JOBS 10000
#define MAX_LINES 100000

typedef struct JOB {
    struct JOB *next;
    EXTENSION_CONTROL_BLOCK *ecb;
    DWORD line, lines;
    char text[64]; /* what is being written */
} JOB;

static CRITICAL_SECTION g_lock; /* guards the queue: */
static JOB *g_first, **g_last = &g_first;

static LONG volatile g_jobs; /* requests we have */
static HANDLE g_work; /* counts what is in the queue, and at the end a turn for each thread to leave */
static HANDLE g_threads[THREADS];

/* ---- The queue ---- */

static void push(JOB *job) {
    job->next = NULL;
    EnterCriticalSection(&g_lock);
    *g_last = job;
    g_last = &job->next;
    LeaveCriticalSection(&g_lock);
    ReleaseSemaphore(g_work, 1, NULL);
}

/* pop waits for a request; NULL: it is time to go. */
static JOB *pop(void) {
    JOB *job;
    WaitForSingleObject(g_work, INFINITE);
    EnterCriticalSection(&g_lock);
    job = g_first;
    if (job && !(g_first = job->next))
        g_last = &g_first;
    LeaveCriticalSection(&g_lock);
    return job;
}

/* begin_job answers a job for a request, or NULL when there are too many. */
static JOB *begin_job(EXTENSION_CONTROL_BLOCK *ecb) {
    JOB *job = NULL;
    if (InterlockedIncrement(&g_jobs) <= MAX_JOBS)
        job = (JOB *)calloc(1, sizeof *job);
    if (job)
        job->ecb = ecb;
    else
        InterlockedDecrement(&g_jobs);
    return job;
}

/* done ends a job and its request. */
static void done(JOB *job, DWORD status) {
    EXTENSION_CONTROL_BLOCK *ecb = job->ecb;
    free(job);
    InterlockedDecrement(&g_jobs);
    ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_DONE_WITH_SESSION, &status, NULL, NULL);
}

/* ---- One request ---- */

/* written is the completion of each write. It may run inside WriteClient, so it starts no write itself: it would end up
 * in written again, and again. */
static void WINAPI written(EXTENSION_CONTROL_BLOCK *ecb, PVOID context, DWORD bytes, DWORD error) {
    JOB *job = (JOB *)context;
    if (error != NO_ERROR) {
        wsprintf(ecb->lpszLogData, "line %lu of %lu: error %lu after %lu bytes", job->line, job->lines, error, bytes);
        done(job, HSE_STATUS_ERROR);
        return;
    }
    push(job);
}

static BOOL begin(JOB *job) {
    static const char status[] = "200 OK";
    static const char headers[] = "Content-Type: text/plain\r\n\r\n";
    EXTENSION_CONTROL_BLOCK *ecb = job->ecb;
    HSE_SEND_HEADER_EX_INFO info;
    info.pszStatus = status;
    info.cchStatus = sizeof status - 1;
    info.pszHeader = headers;
    info.cchHeader = sizeof headers - 1;
    info.fKeepConn = FALSE;
    return ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)(ULONG_PTR)written, NULL, (LPDWORD)job) &&
           ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL);
}

/* step does the next thing a request needs. Behind an accepted write job must not be touched. */
static void step(JOB *job) {
    EXTENSION_CONTROL_BLOCK *ecb = job->ecb;
    DWORD size;
    if (job->line == 0 && !begin(job)) {
        done(job, HSE_STATUS_ERROR);
        return;
    }
    if (job->line == job->lines) {
        done(job, HSE_STATUS_SUCCESS);
        return;
    }
    job->line++;
    size = (DWORD)wsprintf(job->text, "line %lu of %lu\n", job->line, job->lines);
    if (!ecb->WriteClient(ecb->ConnID, job->text, &size, HSE_IO_ASYNC))
        done(job, HSE_STATUS_ERROR); /* not accepted: written will not be called */
}

static DWORD WINAPI worker(LPVOID unused) {
    JOB *job;
    UNREFERENCED_PARAMETER(unused);
    while ((job = pop()) != NULL)
        step(job);
    return 0;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb) {
    static char status[] = "503 Service Unavailable", headers[] = "Content-Length: 0\r\nRetry-After: 1\r\n\r\n";
    JOB *job = begin_job(ecb);
    int lines = atoi(ecb->lpszQueryString);
    if (!job) {
        ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, status, NULL, (LPDWORD)(LPVOID)headers);
        return HSE_STATUS_SUCCESS;
    }
    job->lines = lines <= 0 ? 5 : lines > MAX_LINES ? MAX_LINES : (DWORD)lines;
    push(job); /* from here on a thread has it, and may be through with it already */
    return HSE_STATUS_PENDING;
}

/* ---- The library ---- */

/* stop lets the threads leave and waits until they are out of this library's code. */
static void stop(int threads) {
    int i;
    if (threads > 0)
        ReleaseSemaphore(g_work, threads, NULL);
    for (i = 0; i < threads; i++) {
        WaitForSingleObject(g_threads[i], INFINITE);
        CloseHandle(g_threads[i]);
    }
    CloseHandle(g_work);
    DeleteCriticalSection(&g_lock);
}

/* Threads are started here and not in DllMain, where they could not run before it has returned. */
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *info) {
    int i;
    info->dwExtensionVersion = HSE_VERSION;
    lstrcpyn(info->lpszExtensionDesc, "async: own threads, asynchronous writes", HSE_MAX_EXT_DLL_NAME_LEN);
    g_work = CreateSemaphore(NULL, 0, MAX_JOBS + THREADS, NULL);
    if (!g_work)
        return FALSE;
    InitializeCriticalSection(&g_lock);
    for (i = 0; i < THREADS; i++) {
        g_threads[i] = CreateThread(NULL, 0, worker, NULL, 0, NULL);
        if (!g_threads[i]) {
            DWORD error = GetLastError();
            stop(i);
            SetLastError(error);
            return FALSE;
        }
    }
    return TRUE;
}

/* No request is left when the server calls this, so the queue is empty. */
BOOL WINAPI TerminateExtension(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    stop(THREADS);
    return TRUE;
}
