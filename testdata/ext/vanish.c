/* Writes a buffer of 32 MiB asynchronously and unmaps it while the client has not read it: ?vanish=file waits for the file, then
 * unmaps and leaves file-gone. */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fixture.h"

#define SIZE (32u << 20)

FIXTURE("vanish")

struct buffer {
    void *mem;
    char *gate;
};

static void *unmap(void *p) {
    struct buffer *b = p;
    char gone[512];
    while (access(b->gate, F_OK) != 0) usleep(1000);
    munmap(b->mem, SIZE);
    snprintf(gone, sizeof gone, "%s-gone", b->gate);
    leave(gone, 1);
    free(b->gate);
    free(b);
    return NULL;
}

static void WINAPI completion(EXTENSION_CONTROL_BLOCK *e, PVOID context, DWORD n, DWORD error) {
    (void)context, (void)n, (void)error;
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    struct buffer *b;
    pthread_t t;
    DWORD n = SIZE;
    if (!asked(e, "vanish=")) {
        say(e, "ok");
        return HSE_STATUS_SUCCESS;
    }
    if ((b = malloc(sizeof *b)) == NULL) return HSE_STATUS_ERROR;
    b->gate = param(e, "vanish", NULL);
    b->mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)(size_t)completion, NULL, NULL);
    e->ServerSupportFunction(e->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, NULL, NULL, (LPDWORD)(void *)"Content-Type: text/plain\r\n\r\n");
    if (!e->WriteClient(e->ConnID, b->mem, &n, HSE_IO_ASYNC)) return HSE_STATUS_ERROR;
    if (pthread_create(&t, NULL, unmap, b)) abort();
    pthread_detach(t);
    return HSE_STATUS_PENDING;
}
