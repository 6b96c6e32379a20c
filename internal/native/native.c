//go:build unix

#define _GNU_SOURCE
#include "board.h"
#include "guard.h"
#include "_cgo_export.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

// ---- calls ----

typedef uintptr_t (*fn_ptr)(uintptr_t);
typedef uint32_t (*fn_u32)(uint32_t);
typedef int (*fn_dllmain)(uintptr_t, uint32_t, uintptr_t);
typedef uint32_t (*fn_filter)(uintptr_t, uint32_t, uintptr_t);
typedef void (*fn_completion)(uintptr_t, uintptr_t, uint32_t, uint32_t);

// Between the guard and the code it guards lies room that an overrun buffer of that code hits first.
#define ROOM volatile char room[4096]; room[0] = 0
#define KEEP_ROOM __asm__ volatile("" : : "r"(room) : "memory") // after the call, or it would be a jump

// Ends a child that the call forked and that came back from it: it would go on as a second server on the same sockets. The
// status is a shell's for a command that could not be run, which is what most of them were for.
static void end_child(void) {
	if (in_child()) _exit(127);
}

__attribute__((noinline)) static uint32_t call_proc(uintptr_t fn, uintptr_t ecb) {
	ROOM;
	uint32_t status = (uint32_t)((fn_ptr)fn)(ecb);
	KEEP_ROOM;
	return status;
}

__attribute__((noinline)) static uint32_t call_filter(uintptr_t fn, uintptr_t context, uint32_t notification, uintptr_t pv) {
	ROOM;
	uint32_t status = ((fn_filter)fn)(context, notification, pv);
	KEEP_ROOM;
	return status;
}

__attribute__((noinline)) static void dispatch(struct isapid_call *c, int signature) {
	ROOM;
	switch (signature) {
	case CALL_PTR: c->ret = (uint32_t)((fn_ptr)c->fn)(c->a[0]); break;
	case CALL_U32: c->ret = ((fn_u32)c->fn)((uint32_t)c->a[0]); break;
	case CALL_DLLMAIN: c->ret = (uint32_t)((fn_dllmain)c->fn)(c->a[0], (uint32_t)c->a[1], c->a[2]); break;
	case CALL_COMPLETION: ((fn_completion)c->fn)(c->a[0], c->a[1], (uint32_t)c->a[2], (uint32_t)c->a[3]); break;
	case CALL_DLOPEN: c->ret = (uintptr_t)dlopen((char *)c->a[0], (int)c->a[1]); break;
	case CALL_DLCLOSE: c->ret = (uintptr_t)dlclose((void *)c->a[0]); break;
	}
	KEEP_ROOM;
}

int isapid_call(struct isapid_call *c, int signature) {
	struct guard g = {.prev = guard_top, .fault = &c->fault, .loading = signature == CALL_DLOPEN || signature == CALL_DLCLOSE};
	c->fault.nframes = 0;
	const struct board_place at = board_begin(c->what, 0, signature == CALL_COMPLETION ? c->a[0] : 0, c->image);
	int kind = sigsetjmp(g.env, 0);
	if (kind == 0) {
		guard_top = &g;
		guard_ours = 1;
		errno = 0;
		dispatch(c, signature);
		c->err = errno;
		end_child();
		kind = c->fault.kind; // of a constructor that was left
	}
	guard_top = g.prev;
	if (mask_changed) restore_mask();
	board_leave(at, kind ? CALL_FAULTED : CALL_DONE, 0, 0, c->what, 0);
	return kind;
}

// Faults of isapid_proc wait here for Go to take them; the hot path needs no memory for one.
#define TICKETS 64
static struct isapid_fault tickets[TICKETS];
static int taken[TICKETS];

static int ticket(const struct isapid_fault *f) {
	for (int i = 0; i < TICKETS; i++)
		if (__sync_bool_compare_and_swap(&taken[i], 0, 1)) {
			tickets[i] = *f;
			return i + 1;
		}
	return TICKETS + 1; // a fault nobody has room to describe
}

void isapid_take(int t, struct isapid_fault *f) {
	memset(f, 0, sizeof *f);
	if (t < 1 || t > TICKETS) return;
	*f = tickets[t - 1];
	__sync_lock_release(&taken[t - 1]);
}

// For the hot paths: an initializer would clear env, which sigsetjmp fills, and which is most of it.
static inline void set_guard(struct guard *g, struct isapid_fault *f) {
	g->prev = guard_top;
	g->fault = f;
	g->loading = 0;
	f->nframes = 0;
}

uint64_t isapid_proc(uintptr_t fn, uintptr_t ecb) {
	struct isapid_fault f;
	struct guard g;
	volatile uint32_t status = 0;
	set_guard(&g, &f);
	const struct board_place at = board_begin(FN_EXTENSION_PROC, 0, ecb, 0);
	int kind = sigsetjmp(g.env, 0);
	if (kind == 0) {
		guard_top = &g;
		guard_ours = 1;
		status = call_proc(fn, ecb);
		end_child();
	}
	guard_top = g.prev;
	if (mask_changed) restore_mask();
	board_leave(at, kind ? CALL_FAULTED : CALL_DONE, 0, 0, FN_EXTENSION_PROC, 0);
	return kind ? (uint64_t)ticket(&f) << 32 : status;
}

struct isapid_status isapid_filter_proc(uintptr_t fn, uintptr_t context, uint32_t notification, uintptr_t pv) {
	struct isapid_fault f;
	struct guard g;
	volatile struct isapid_status r = {0, 0, 0};
	set_guard(&g, &f);
	const struct board_place at = board_begin(FN_FILTER_PROC, notification, context, 0);
	int kind = sigsetjmp(g.env, 0);
	if (kind == 0) {
		guard_top = &g;
		guard_ours = 1;
		errno = 0;
		r.status = call_filter(fn, context, notification, pv);
		r.err = errno;
		end_child();
	}
	guard_top = g.prev;
	if (mask_changed) restore_mask();
	board_leave(at, kind ? CALL_FAULTED : CALL_DONE, 0, 0, FN_FILTER_PROC, notification);
	if (kind) r.ticket = ticket(&f);
	return r;
}

struct isapid_called isapid_filter_procs(struct isapid_filter_calls *c, int n, uint32_t notification, uintptr_t pv, uintptr_t kept, uintptr_t size) {
	for (int i = 0;; i++) {
		struct isapid_called r = {isapid_filter_proc(c->fn[i], c->context[i], notification, pv), i};
		uintptr_t inside = c->context[i];
		if (i + 1 == n || r.status.ticket || r.status.status != FILTER_NEXT || memcmp((void *)pv, (void *)kept, size) != 0) return r;
		if (!__atomic_compare_exchange_n(&c->inside, &inside, c->context[i + 1], 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return r;
	}
}

// ---- callbacks: errno is set as the very last act, because Go's runtime makes system calls of its own on the way back ----

// What a callback does in Go is no guarded code.
struct entry { struct guard *guard; struct board_place at; unsigned fn; uint32_t code; int err; };

static inline __attribute__((always_inline)) struct entry enter(unsigned fn, uint32_t code, uintptr_t cell) {
	int err = errno;
	struct entry e = {guard_top, board_enter_cell(fn, code, cell, 0), fn, code, err};
	guard_top = NULL;
	return e;
}

// In a child that an extension forked there is no Go to call.
static int in_fork(void) {
	if (!in_child()) return 0;
	errno = 87; // ERROR_INVALID_PARAMETER
	return 1;
}

// Hands the stack of the code that called back to Go, which has found something in the call.
static __attribute__((noinline)) void tell_caller(void) {
	void *frames[FAULT_FRAMES];
	struct isapid_fault f = {.nframes = 0};
	struct guard g = {.prev = guard_top, .fault = &f};
	uintptr_t found = board_found;
	volatile int n = 0;
	board_found = 0;
	if (sigsetjmp(g.env, 0) == 0) { // the stack may be smashed
		guard_top = &g;
		n = backtrace(frames, FAULT_FRAMES);
	}
	guard_top = NULL;
	isapidAtCaller(found, frames, n);
	guard_top = g.prev;
}

static inline __attribute__((always_inline)) int finish(uint64_t r, struct entry e) {
	int ok = (int)(r >> 32);
	board_leave(e.at, CALL_DONE, !ok, (uint32_t)r, e.fn, e.code);
	guard_top = e.guard;
	if (__builtin_expect(board_found != 0, 0) && board_found_depth == e.at.depth + 1) tell_caller();
	errno = ok ? (e.err == 122 ? 0 : e.err) : (int)(uint32_t)r;
	return ok;
}

static int get_server_variable(uintptr_t conn, uintptr_t name, uintptr_t buf, uintptr_t size) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_GET_VARIABLE, 0, conn);
	return finish(isapidGetServerVariable(conn, name, buf, size), e);
}
static int write_client(uintptr_t conn, uintptr_t buf, uintptr_t size, uint32_t flags) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_WRITE, 0, conn);
	return finish(isapidWriteClient(conn, buf, size, flags), e);
}
static int read_client(uintptr_t conn, uintptr_t buf, uintptr_t size) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_READ, 0, conn);
	return finish(isapidReadClient(conn, buf, size), e);
}
static int server_support_function(uintptr_t conn, uint32_t code, uintptr_t buf, uintptr_t size, uintptr_t type) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_SUPPORT, code, conn);
	return finish(isapidServerSupportFunction(conn, code, buf, size, type), e);
}

uintptr_t isapid_callback(int which) {
	switch (which) {
	case 0: return (uintptr_t)get_server_variable;
	case 1: return (uintptr_t)write_client;
	case 2: return (uintptr_t)read_client;
	default: return (uintptr_t)server_support_function;
	}
}

// ---- callbacks of filters ----

static int filter_get_server_variable(uintptr_t context, uintptr_t name, uintptr_t buf, uintptr_t size) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_GET_VARIABLE, 0, context);
	return finish(isapidFilterGetServerVariable(context, name, buf, size), e);
}
static int add_response_headers(uintptr_t context, uintptr_t text, uint32_t reserved) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_ADD_HEADERS, 0, context);
	return finish(isapidAddResponseHeaders(context, text, reserved), e);
}
static int filter_write_client(uintptr_t context, uintptr_t buf, uintptr_t size, uint32_t reserved) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_WRITE, 0, context);
	return finish(isapidFilterWriteClient(context, buf, size, reserved), e);
}
static uintptr_t alloc_mem(uintptr_t context, uint32_t size, uint32_t reserved) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_ALLOC, 0, context);
	struct isapidAllocMem_return r = isapidAllocMem(context, size);
	return finish(r.r1, e) ? r.r0 : 0;
}
static int filter_server_support_function(uintptr_t context, uint32_t code, uintptr_t data, uintptr_t ul1, uintptr_t ul2) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_SUPPORT, code, context);
	return finish(isapidFilterServerSupportFunction(context, code, data, ul1, ul2), e);
}
static int get_header(uintptr_t context, uintptr_t name, uintptr_t buf, uintptr_t size) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_GET_HEADER, 0, context);
	return finish(isapidGetHeader(context, name, buf, size), e);
}
static int set_header(uintptr_t context, uintptr_t name, uintptr_t value) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_SET_HEADER, 0, context);
	return finish(isapidSetHeader(context, name, value), e);
}
static int add_header(uintptr_t context, uintptr_t name, uintptr_t value) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_ADD_HEADER, 0, context);
	return finish(isapidAddHeader(context, name, value), e);
}
static int get_user_token(uintptr_t context, uintptr_t token) {
	if (in_fork()) return 0;
	struct entry e = enter(FN_FILTER_USER_TOKEN, 0, context);
	return finish(isapidGetUserToken(context, token), e);
}

uintptr_t isapid_filter_callback(int which) {
	switch (which) {
	case 0: return (uintptr_t)filter_get_server_variable;
	case 1: return (uintptr_t)add_response_headers;
	case 2: return (uintptr_t)filter_write_client;
	case 3: return (uintptr_t)alloc_mem;
	case 4: return (uintptr_t)filter_server_support_function;
	case 5: return (uintptr_t)get_header;
	case 6: return (uintptr_t)set_header;
	case 7: return (uintptr_t)add_header;
	default: return (uintptr_t)get_user_token;
	}
}

const char *isapid_libname(uintptr_t handle) {
	struct link_map *map = NULL;
	return dlinfo((void *)handle, RTLD_DI_LINKMAP, &map) == 0 && map ? map->l_name : "";
}

// ---- threads ----

static void *thread_main(void *arg) {
	isapidThread((uintptr_t)arg);
	return NULL;
}

int isapid_thread(uintptr_t arg, uintptr_t stack, uintptr_t *thread) {
	pthread_attr_t attr;
	pthread_t t;
	int err = pthread_attr_init(&attr);
	if (!err && stack) err = pthread_attr_setstacksize(&attr, stack);
	if (!err) err = pthread_create(&t, &attr, thread_main, (void *)arg);
	pthread_attr_destroy(&attr);
	*thread = (uintptr_t)t;
	return err;
}

void isapid_thread_join(uintptr_t thread) { pthread_join((pthread_t)thread, NULL); }
