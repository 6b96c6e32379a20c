//go:build unix

#define _GNU_SOURCE
#include "native.h"
#include "_cgo_export.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

// ---- the guard: a fault inside a guarded call comes back as a result of that call ----

struct guard {
	struct guard *prev;
	struct isapid_fault *fault;
	sigjmp_buf env;
};

static __thread struct guard *guard_top;
static pid_t self; // a child that an extension forks has no Go runtime behind it and gets the system's own behaviour

#if defined(__x86_64__)
#define UC_PC(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RIP])
#define UC_SP(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RSP])
#elif defined(__aarch64__)
#define UC_PC(uc) ((uintptr_t)(uc)->uc_mcontext.pc)
#define UC_SP(uc) ((uintptr_t)(uc)->uc_mcontext.sp)
#else
#error "the fault guard knows amd64 and arm64"
#endif

// Runs on the faulting thread's own stack, as if the faulting instruction had called it: there it may unwind, which a
// signal handler may not. A second fault while it does lands in the handler again, with nframes already set.
__attribute__((noreturn, noinline))
#if defined(__x86_64__)
__attribute__((force_align_arg_pointer))
#endif
static void unwind(void) {
	struct guard *g = guard_top;
	struct isapid_fault *f = g->fault;
	f->nframes = -1; // unwinding
	int n = backtrace((void **)f->frames, FAULT_FRAMES);
	f->nframes = n < 0 ? 0 : n;
	siglongjmp(g->env, FAULT_SIGNAL);
}

// Leaves for the guard without touching the stack that faulted: it may be used up or smashed.
__attribute__((noreturn, noinline)) static void leave(void) {
	if (guard_top->fault->nframes < 0) guard_top->fault->nframes = 0;
	siglongjmp(guard_top->env, FAULT_SIGNAL);
}

// When the handler returns with this, the kernel restores the signal mask and goes on in fn: as_call as if the faulting
// instruction had called it, otherwise as if control had arrived there (a jump to a bad address has its return address
// in place already).
static void resume_in(ucontext_t *uc, void (*fn)(void), uintptr_t sp, int as_call) {
#if defined(__x86_64__)
	if (as_call) {
		sp -= sizeof(uintptr_t);
		*(uintptr_t *)sp = UC_PC(uc);
	}
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)fn;
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x400; // direction flag, as the ABI wants it at a call
#else
	if (as_call) uc->uc_mcontext.regs[30] = UC_PC(uc);
	uc->uc_mcontext.sp = sp;
	uc->uc_mcontext.pc = (uintptr_t)fn;
#endif
}

// A stack position below the guard's own frame, aligned as at a function's entry.
static uintptr_t below(const struct guard *g) {
	uintptr_t sp = ((uintptr_t)g & ~(uintptr_t)15) - 512;
#if defined(__x86_64__)
	sp -= 8;
#endif
	return sp;
}

static struct isapid_fault foreign;
static volatile int foreign_state; // 0 free, 1 being written, 2 to be read
static __thread int ours;          // this thread has made guarded calls: it is no thread of an extension's own

// The handlers lie over those of Go's runtime, which gets what is not a guarded fault.
static const int guarded[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
static struct sigaction go_handler[sizeof guarded / sizeof *guarded];
extern const char __executable_start[], etext[]; // of the linker: this program's own code

static void record(struct isapid_fault *f, int sig, siginfo_t *si, ucontext_t *uc) {
	uintptr_t sp = UC_SP(uc), addr = (uintptr_t)si->si_addr;
	f->kind = FAULT_SIGNAL;
	f->sig = sig;
	f->code = si->si_code;
	f->addr = sig == SIGABRT ? 0 : addr;
	f->pc = UC_PC(uc);
	f->nframes = 0;
	f->overflow = sig == SIGSEGV && addr - (sp - (1 << 20)) < (2u << 20) && addr < sp + 4096 && si->si_code > 0;
}

// A signal that somebody sent is not a fault, unless the thread sent it to itself: raise, abort.
static int is_fault(int sig, const siginfo_t *si) {
	if (si->si_code > 0) return sig != SIGABRT;
	return si->si_code == SI_TKILL && si->si_pid == getpid();
}

static void chain(int sig, siginfo_t *si, void *ctx) {
	for (unsigned i = 0; i < sizeof guarded / sizeof *guarded; i++)
		if (guarded[i] == sig && (go_handler[i].sa_flags & SA_SIGINFO)) {
			go_handler[i].sa_sigaction(sig, si, ctx);
			return;
		}
}

// A thread of the extension's own has nothing to go back to: tell, and never let it run again.
static void park(int sig, siginfo_t *si, ucontext_t *uc) {
	if (__sync_bool_compare_and_swap(&foreign_state, 0, 1)) {
		record(&foreign, sig, si, uc);
		foreign.frames[0] = foreign.pc;
		foreign.nframes = 1;
		__sync_synchronize();
		foreign_state = 2;
	}
	sigset_t all;
	sigfillset(&all);
	for (;;) sigsuspend(&all);
}

static void on_fault(int sig, siginfo_t *si, void *ctx) {
	ucontext_t *uc = ctx;
	if (getpid() != self) { // in a child that an extension forked
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	struct guard *g = guard_top;
	uintptr_t pc = UC_PC(uc);
	int go_code = pc >= (uintptr_t)__executable_start && pc < (uintptr_t)etext;
	if (g && is_fault(sig, si)) {
		int again = g->fault->nframes < 0; // the fault happened while unwinding an earlier one
		if (!again) record(g->fault, sig, si, uc);
		if (again || g->fault->overflow)
			resume_in(uc, leave, below(g), 0);
		else
			resume_in(uc, unwind, UC_SP(uc), g->fault->addr != g->fault->pc);
	} else if (!ours && !go_code && is_fault(sig, si)) {
		park(sig, si, uc);
	} else {
		chain(sig, si, ctx);
	}
}

int isapid_foreign_fault(struct isapid_fault *f) {
	if (!__sync_bool_compare_and_swap(&foreign_state, 2, 1)) return 0;
	*f = foreign;
	__sync_synchronize();
	foreign_state = 0;
	return 1;
}

__attribute__((constructor)) static void prepare(void) {
	void *warm[1];
	self = getpid();
	backtrace(warm, 1); // loads the unwinder now, not inside a fault
}

void isapid_guard(void) {
	struct sigaction sa;
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = on_fault;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	sigfillset(&sa.sa_mask);
	for (unsigned i = 0; i < sizeof guarded / sizeof *guarded; i++) sigaction(guarded[i], &sa, &go_handler[i]);
}

// exit and _exit of a guarded call end that call, not the process. They are found before libc's because the program comes
// first in the order of symbol look-up.
__attribute__((noreturn)) static void exit_call(const char *name, int status) {
	struct guard *g = guard_top;
	if (g && getpid() == self) {
		struct isapid_fault *f = g->fault;
		f->kind = FAULT_EXIT;
		f->sig = status;
		f->nframes = backtrace((void **)f->frames, FAULT_FRAMES);
		f->pc = (uintptr_t)__builtin_return_address(0);
		siglongjmp(g->env, FAULT_EXIT);
	}
	void (*real)(int) = (void (*)(int))dlsym(RTLD_NEXT, name);
	if (real) real(status);
	for (;;) kill(getpid(), SIGKILL);
}
__attribute__((visibility("default"), noreturn)) void exit(int status) { exit_call("exit", status); }
__attribute__((visibility("default"), noreturn)) void _exit(int status) { exit_call("_exit", status); }
__attribute__((visibility("default"), noreturn)) void _Exit(int status) { exit_call("_Exit", status); }
__attribute__((visibility("default"), noreturn)) void quick_exit(int status) { exit_call("quick_exit", status); }

// ---- calls ----

typedef uintptr_t (*fn_ptr)(uintptr_t);
typedef uint32_t (*fn_u32)(uint32_t);
typedef int (*fn_dllmain)(uintptr_t, uint32_t, uintptr_t);
typedef void (*fn_completion)(uintptr_t, uintptr_t, uint32_t, uint32_t);

int isapid_call(struct isapid_call *c, int signature) {
	struct guard g = {.prev = guard_top, .fault = &c->fault};
	c->fault.nframes = 0;
	int kind = sigsetjmp(g.env, 0);
	if (kind == 0) {
		guard_top = &g;
		ours = 1;
		errno = 0;
		switch (signature) {
		case CALL_PTR: c->ret = (uint32_t)((fn_ptr)c->fn)(c->a[0]); break;
		case CALL_U32: c->ret = ((fn_u32)c->fn)((uint32_t)c->a[0]); break;
		case CALL_DLLMAIN: c->ret = (uint32_t)((fn_dllmain)c->fn)(c->a[0], (uint32_t)c->a[1], c->a[2]); break;
		case CALL_COMPLETION: ((fn_completion)c->fn)(c->a[0], c->a[1], (uint32_t)c->a[2], (uint32_t)c->a[3]); break;
		case CALL_DLOPEN: c->ret = (uintptr_t)dlopen((char *)c->a[0], (int)c->a[1]); break;
		case CALL_DLCLOSE: c->ret = (uintptr_t)dlclose((void *)c->a[0]); break;
		}
		c->err = errno;
	}
	guard_top = g.prev;
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

uint64_t isapid_proc(uintptr_t fn, uintptr_t ecb) {
	struct isapid_fault f;
	struct guard g = {.prev = guard_top, .fault = &f};
	volatile uint32_t status = 0;
	f.nframes = 0;
	int kind = sigsetjmp(g.env, 0);
	if (kind == 0) {
		guard_top = &g;
		ours = 1;
		status = (uint32_t)((fn_ptr)fn)(ecb);
	}
	guard_top = g.prev;
	return kind ? (uint64_t)ticket(&f) << 32 : status;
}

// ---- callbacks: errno is set as the very last act, because Go's runtime makes system calls of its own on the way back ----

// What a callback does in Go is no guarded code.
struct entry { struct guard *guard; int err; };

static struct entry enter(void) {
	struct entry e = {guard_top, errno};
	guard_top = NULL;
	return e;
}

static int finish(uint64_t r, struct entry e) {
	int ok = (int)(r >> 32);
	guard_top = e.guard;
	errno = ok ? (e.err == 122 ? 0 : e.err) : (int)(uint32_t)r;
	return ok;
}

static int get_server_variable(uintptr_t conn, uintptr_t name, uintptr_t buf, uintptr_t size) {
	struct entry e = enter();
	return finish(isapidGetServerVariable(conn, name, buf, size), e);
}
static int write_client(uintptr_t conn, uintptr_t buf, uintptr_t size, uint32_t flags) {
	struct entry e = enter();
	return finish(isapidWriteClient(conn, buf, size, flags), e);
}
static int read_client(uintptr_t conn, uintptr_t buf, uintptr_t size) {
	struct entry e = enter();
	return finish(isapidReadClient(conn, buf, size), e);
}
static int server_support_function(uintptr_t conn, uint32_t code, uintptr_t buf, uintptr_t size, uintptr_t type) {
	struct entry e = enter();
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
