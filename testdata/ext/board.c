/* Does what the query string says, letter by letter: w WriteClient, f WriteClient with a handle that never was one, s with that of the
 * request before, t a thread that does the rest, l likewise, and the thread calls once more when it ends, T<n>; n threads at a time
 * that write, C<n>; n times WriteClient, x a fault. */
#include <pthread.h>
#include "fixture.h"

FIXTURE("board")

static HCONN before;

struct rest { EXTENSION_CONTROL_BLOCK *e; const char *does; };

static void follow(EXTENSION_CONTROL_BLOCK *e, const char *does);

static void write_one(EXTENSION_CONTROL_BLOCK *e, HCONN conn) {
    DWORD n = 1;
    e->WriteClient(conn, (LPVOID)"x", &n, HSE_IO_SYNC);
}

static void *thread(void *p) {
    struct rest *r = p;
    follow(r->e, r->does);
    return NULL;
}

static pthread_key_t at_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void ending(void *p) {
    write_one(p, ((EXTENSION_CONTROL_BLOCK *)p)->ConnID);
}

static void make_key(void) {
    pthread_key_create(&at_end, ending);
}

static void *late_thread(void *p) {
    struct rest *r = p;
    pthread_once(&once, make_key);
    pthread_setspecific(at_end, r->e);
    return thread(p);
}

static void on_thread(EXTENSION_CONTROL_BLOCK *e, const char *does, void *(*f)(void *)) {
    struct rest r = {e, does};
    pthread_t t;
    if (pthread_create(&t, NULL, f, &r)) abort();
    pthread_join(t, NULL);
}

static pthread_barrier_t all;

static void *together(void *e) {
    write_one(e, ((EXTENSION_CONTROL_BLOCK *)e)->ConnID);
    pthread_barrier_wait(&all);
    return NULL;
}

static void many(EXTENSION_CONTROL_BLOCK *e, unsigned n) {
    pthread_t *t = calloc(n, sizeof *t);
    pthread_attr_t small;
    unsigned i;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    pthread_barrier_init(&all, NULL, n);
    for (i = 0; i < n; i++)
        if (pthread_create(&t[i], &small, together, e)) abort();
    for (i = 0; i < n; i++) pthread_join(t[i], NULL);
    pthread_barrier_destroy(&all);
    free(t);
}

static void follow(EXTENSION_CONTROL_BLOCK *e, const char *does) {
    for (; *does; does++) {
        unsigned long n = strtoul(does + 1, NULL, 10);
        switch (*does) {
        case 'w': write_one(e, e->ConnID); break;
        case 'f': write_one(e, (HCONN)&before); break;
        case 's': write_one(e, before); break;
        case 't': on_thread(e, does + 1, thread); return;
        case 'l': on_thread(e, does + 1, late_thread); return;
        case 'T': many(e, (unsigned)n); break;
        case 'C':
            while (n--) write_one(e, e->ConnID);
            break;
        case 'x': *(volatile int *)0x10 = 1; break;
        }
    }
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    HCONN mine = e->ConnID;
    follow(e, e->lpszQueryString);
    before = mine;
    return HSE_STATUS_SUCCESS;
}
