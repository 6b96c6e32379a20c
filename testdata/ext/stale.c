/* Calls back for requests that are over or never were: ?keep remembers its control block, ?use[-thread] calls back with all that
 * are remembered, ?invented with addresses that are none, ?ecb with the block's address in place of ConnID. */
#include <pthread.h>
#include "fixture.h"

FIXTURE("stale")

static EXTENSION_CONTROL_BLOCK kept; /* a copy: the functions must be callable as long as the image is loaded */
static HCONN conn[64];
static int conns;

/* refused counts the callbacks that answered something else than FALSE and ERROR_INVALID_PARAMETER for h. */
static int refused(const EXTENSION_CONTROL_BLOCK *e, HCONN h) {
    char buf[256];
    DWORD n = sizeof buf, wrong = 0;
    if (outcome(e->GetServerVariable(h, (LPSTR)"URL", buf, &n)) != ERROR_INVALID_PARAMETER) wrong++;
    n = 5;
    if (outcome(e->WriteClient(h, (LPVOID)"stale", &n, HSE_IO_SYNC)) != ERROR_INVALID_PARAMETER) wrong++;
    n = sizeof buf;
    if (outcome(e->ReadClient(h, buf, &n)) != ERROR_INVALID_PARAMETER) wrong++;
    if (outcome(e->ServerSupportFunction(h, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL)) != ERROR_INVALID_PARAMETER) wrong++;
    return (int)wrong;
}

static void *use(void *p) {
    int i, *wrong = p;
    for (i = 0; i < conns; i++) *wrong += refused(&kept, conn[i]);
    return NULL;
}

static int invented(EXTENSION_CONTROL_BLOCK *e) {
    char *c = (char *)e->ConnID;
    long off;
    int wrong = refused(e, NULL) + refused(e, (HCONN)1) + refused(e, (HCONN)(size_t)-1) + refused(e, (HCONN)0x4141414141414141) +
                refused(e, (HCONN)&wrong) + refused(e, (HCONN)(size_t)invented);
    for (off = 1; off < 256; off++) wrong += refused(e, c + off) + refused(e, c - off);
    for (off = -4096; off <= 4096; off++)
        if (off) wrong += refused(e, c + off * 256);
    return wrong;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    int wrong = 0;
    if (asked(e, "keep")) {
        kept = *e;
        if (conns < 64) conn[conns++] = e->ConnID;
        say(e, "kept");
    } else if (asked(e, "use-thread")) {
        pthread_t t;
        if (pthread_create(&t, NULL, use, &wrong)) abort();
        pthread_join(t, NULL);
        sayf(e, "%d of %d wrong", wrong, conns);
    } else if (asked(e, "use")) {
        use(&wrong);
        sayf(e, "%d of %d wrong", wrong, conns);
    } else if (asked(e, "invented")) {
        sayf(e, "%d wrong", invented(e));
    } else if (asked(e, "ecb")) {
        e->ConnID = (HCONN)e; /* what MS's KeepAlive sample passes; what it overwrites does not matter */
        say(e, "ecb");
    } else {
        say(e, "ok");
    }
    return HSE_STATUS_SUCCESS;
}
