/* A host that is not isapid: its ConnID is not the address of the control block, it uses one control block again and again, asks before it
 * unloads, and loads the same library again. It takes commands from its standard input, a line each, and answers each with a line:
 *
 *   load         GetExtensionVersion: TRUE and the description, or FALSE and the last error
 *   ask QUERY    HttpExtensionProc, until the request has ended: the first line that was written. PENDING is waited for
 *   begin QUERY  the same in another control block, but it does not wait for a PENDING request
 *   end          waits for that
 *   advise       TerminateExtension(HSE_TERM_ADVISORY_UNLOAD): TRUE or FALSE
 *   unload       TerminateExtension(HSE_TERM_MUST_UNLOAD)
 */
#include "httpext.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct session {
    EXTENSION_CONTROL_BLOCK block;
    char query[256], text[256];
    int done;
};

static struct session sessions[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;

/* The ConnIDs are 1 and 2. */
static struct session *session(HCONN conn) { return &sessions[(uintptr_t)conn - 1]; }

static BOOL WINAPI variable(HCONN conn, LPSTR name, LPVOID buffer, LPDWORD size) {
    (void)conn, (void)name, (void)buffer, (void)size;
    SetLastError(ERROR_INVALID_INDEX);
    return FALSE;
}

static BOOL WINAPI write_client(HCONN conn, LPVOID buffer, LPDWORD size, DWORD flags) {
    struct session *s = session(conn);
    (void)flags;
    if (strlen(s->text) + *size < sizeof s->text) strncat(s->text, buffer, *size);
    return TRUE;
}

static BOOL WINAPI read_client(HCONN conn, LPVOID buffer, LPDWORD size) {
    (void)conn, (void)buffer;
    *size = 0;
    return TRUE;
}

static BOOL WINAPI support(HCONN conn, DWORD code, LPVOID buffer, LPDWORD size, LPDWORD type) {
    (void)buffer, (void)size, (void)type;
    switch (code) {
    case HSE_REQ_SEND_RESPONSE_HEADER:
    case HSE_REQ_SEND_RESPONSE_HEADER_EX:
        return TRUE;
    case HSE_REQ_DONE_WITH_SESSION:
        pthread_mutex_lock(&lock);
        session(conn)->done = 1;
        pthread_cond_broadcast(&ended);
        pthread_mutex_unlock(&lock);
        return TRUE;
    }
    SetLastError(ERROR_INVALID_PARAMETER);
    return FALSE;
}

static DWORD run(DWORD (*proc)(EXTENSION_CONTROL_BLOCK *), int which, const char *query) {
    struct session *s = &sessions[which];
    EXTENSION_CONTROL_BLOCK *e = &s->block;
    memset(s, 0, sizeof *s);
    snprintf(s->query, sizeof s->query, "%s", query);
    e->cbSize = sizeof *e;
    e->dwVersion = HSE_VERSION;
    e->ConnID = (HCONN)(uintptr_t)(which + 1);
    e->lpszMethod = "GET";
    e->lpszQueryString = s->query;
    e->lpszPathInfo = e->lpszPathTranslated = e->lpszContentType = "";
    e->lpbData = (LPBYTE)"";
    e->GetServerVariable = variable;
    e->WriteClient = write_client;
    e->ReadClient = read_client;
    e->ServerSupportFunction = support;
    DWORD status = proc(e);
    if (status != HSE_STATUS_PENDING && e->ServerSupportFunction != support) printf("the control block is changed, ");
    return status;
}

static void print(struct session *s) { printf("%.*s\n", (int)strcspn(s->text, "\n"), s->text); }

static void wait_for(struct session *s) {
    pthread_mutex_lock(&lock);
    while (!s->done) pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv) {
    char line[512];
    if (argc != 2) return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        printf("%s\n", dlerror());
        return 1;
    }
    BOOL (*version)(HSE_VERSION_INFO *) = dlsym(library, "GetExtensionVersion");
    DWORD (*proc)(EXTENSION_CONTROL_BLOCK *) = dlsym(library, "HttpExtensionProc");
    BOOL (*terminate)(DWORD) = dlsym(library, "TerminateExtension");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "load")) {
            HSE_VERSION_INFO v;
            memset(&v, 0, sizeof v);
            if (version(&v)) printf("TRUE %s\n", v.lpszExtensionDesc);
            else printf("FALSE %u\n", (unsigned)GetLastError());
        } else if (!strncmp(line, "ask", 3)) {
            if (run(proc, 0, line[3] ? line + 4 : "") == HSE_STATUS_PENDING) wait_for(&sessions[0]);
            print(&sessions[0]);
        } else if (!strncmp(line, "begin ", 6)) {
            printf("%u\n", (unsigned)run(proc, 1, line + 6));
        } else if (!strcmp(line, "end")) {
            wait_for(&sessions[1]);
            print(&sessions[1]);
        } else if (!strcmp(line, "advise")) {
            puts(terminate(HSE_TERM_ADVISORY_UNLOAD) ? "TRUE" : "FALSE");
        } else if (!strcmp(line, "unload")) {
            puts(terminate(HSE_TERM_MUST_UNLOAD) ? "TRUE" : "FALSE");
        }
        fflush(stdout);
    }
    return 0;
}
