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
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

// ---- the guard: a fault inside a guarded call comes back as a result of that call ----

struct guard {
	struct guard *prev;
	struct isapid_fault *fault;
	int loading; // the call is dlopen or dlclose
	sigjmp_buf env;
};

static __thread struct guard *guard_top;
static __thread int ours;         // this thread has made guarded calls: it is no thread of an extension's own
static __thread struct guard end; // of a thread of an extension's own: where it goes when it faults, see park
static pid_t self; // a child that an extension forks has no Go runtime behind it and gets the system's own behaviour
static volatile int forked;

extern const char __executable_start[], etext[]; // of the linker

// This program's own code, as against that of libraries.
static int own_code(uintptr_t pc) { return pc >= (uintptr_t)__executable_start && pc < (uintptr_t)etext; }
#define CALLER_IS_OURS own_code((uintptr_t)__builtin_return_address(0))

#if defined(__x86_64__)
#define UC_PC(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RIP])
#define UC_SP(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RSP])
#elif defined(__aarch64__)
#define UC_PC(uc) ((uintptr_t)(uc)->uc_mcontext.pc)
#define UC_SP(uc) ((uintptr_t)(uc)->uc_mcontext.sp)
#else
#error "the fault guard knows amd64 and arm64"
#endif

static void park(void) __attribute__((noreturn));

// A fault in a constructor or destructor must not leave the dynamic loader half-way, with its lock held: instead the
// function that faulted returns to the loader. Where no way back is found this returns.
static uintptr_t loader_from, loader_to;

struct way_back { uintptr_t sp, ip, saved[12]; };

static _Unwind_Reason_Code find_way_back(struct _Unwind_Context *frame, void *p) {
	struct way_back *w = p;
	uintptr_t ip = (uintptr_t)_Unwind_GetIP(frame);
	if (ip < loader_from || ip >= loader_to) return _URC_NO_REASON;
#if defined(__x86_64__)
	static const int saved[] = {3, 6, 12, 13, 14, 15}; // rbx rbp r12 r13 r14 r15
#else
	static const int saved[] = {19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30};
#endif
	for (unsigned i = 0; i < sizeof saved / sizeof *saved; i++) w->saved[i] = (uintptr_t)_Unwind_GetGR(frame, saved[i]);
	w->sp = (uintptr_t)_Unwind_GetCFA(frame);
	w->ip = ip;
	return _URC_NORMAL_STOP;
}

static void return_to_loader(void) {
	struct way_back w = {0};
	_Unwind_Backtrace(find_way_back, &w);
	if (!w.ip) return;
#if defined(__x86_64__)
	__asm__ volatile("mov 16(%0), %%rbx\n\tmov 24(%0), %%rbp\n\tmov 32(%0), %%r12\n\tmov 40(%0), %%r13\n\t"
	                 "mov 48(%0), %%r14\n\tmov 56(%0), %%r15\n\tmov 8(%0), %%rcx\n\tmov 0(%0), %%rsp\n\t"
	                 "xor %%eax, %%eax\n\tjmp *%%rcx" : : "d"(&w) : "memory");
#else
	__asm__ volatile("ldp x19, x20, [%0, #16]\n\tldp x21, x22, [%0, #32]\n\tldp x23, x24, [%0, #48]\n\t"
	                 "ldp x25, x26, [%0, #64]\n\tldp x27, x28, [%0, #80]\n\tldp x29, x30, [%0, #96]\n\t"
	                 "ldp x9, x10, [%0]\n\tmov sp, x9\n\tmov x0, #0\n\tbr x10" : : "r"(&w) : "memory");
#endif
	__builtin_unreachable();
}

static int find_loader(struct dl_phdr_info *info, size_t size, void *p) {
	if (info->dlpi_addr != getauxval(AT_BASE)) return 0;
	loader_from = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && loader_to < loader_from + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz)
			loader_to = loader_from + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
	return 1;
}

// Runs on the faulting thread's own stack, as if the faulting instruction had called it: there it may unwind, which a
// signal handler may not. A second fault while it does lands in the handler again.
__attribute__((noreturn, noinline, used, visibility("hidden")))
#if defined(__x86_64__)
__attribute__((force_align_arg_pointer))
#endif
void isapid_unwind(void) {
	struct guard *g = guard_top;
	struct isapid_fault *f = g->fault;
	int n = backtrace((void **)f->frames, FAULT_FRAMES);
	f->nframes = n < 0 ? 0 : n;
	if (g == &end) park();
	if (g->loading) return_to_loader();
	siglongjmp(g->env, FAULT_SIGNAL);
}

#if defined(__x86_64__)
// The handler must not write to a stack whose pointer may be smashed; the return address is pushed here, where a fault is
// one more fault.
void isapid_unwind_from(void);
__asm__(".text\n"
        ".hidden isapid_unwind_from\n"
        ".type isapid_unwind_from,@function\n"
        "isapid_unwind_from:\n"
        "\tpush %r11\n"
        "\tjmp isapid_unwind\n"
        ".size isapid_unwind_from, .-isapid_unwind_from\n");
#endif

// Leaves for the guard without touching the stack that faulted: it may be used up or smashed.
__attribute__((noreturn, noinline)) static void leave(void) {
	if (guard_top->fault->nframes < 0) guard_top->fault->nframes = 0;
	siglongjmp(guard_top->env, FAULT_SIGNAL);
}

// When the handler returns with these, the kernel restores the signal mask and goes on in the function named. A jump to a
// bad address has its return address in place already. The unwinder looks up the byte before a return address, therefore 1
// is added: the instruction that faulted may be the first of its function.
static void resume_unwinding(ucontext_t *uc, int jumped) {
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_R11] = uc->uc_mcontext.gregs[REG_RIP] + 1;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)(jumped ? isapid_unwind : isapid_unwind_from);
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x400; // direction flag, as the ABI wants it at a call
#else
	if (!jumped) uc->uc_mcontext.regs[30] = UC_PC(uc) + 1;
	uc->uc_mcontext.sp &= ~(uintptr_t)15;
	uc->uc_mcontext.pc = (uintptr_t)isapid_unwind;
#endif
}

static void resume_leaving(ucontext_t *uc, uintptr_t sp) {
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)leave;
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x400;
#else
	uc->uc_mcontext.sp = sp;
	uc->uc_mcontext.pc = (uintptr_t)leave;
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

// The handlers lie over those of Go's runtime, which gets what is not a guarded fault.
static const int guarded[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
static struct sigaction go_handler[sizeof guarded / sizeof *guarded];

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

// Faults of threads that extensions made wait here for Go to ask. While all places are taken, a fault is not told.
#define FOREIGN 64
static struct isapid_fault foreign[FOREIGN];
static volatile int foreign_state[FOREIGN]; // 0 free, 1 being written or read, 2 to be read
static __thread struct isapid_fault end_fault;

// A thread of the extension's own has nothing to go back to: tell, and never let it run again.
static void park(void) {
	for (int i = 0; i < FOREIGN; i++)
		if (__sync_bool_compare_and_swap(&foreign_state[i], 0, 1)) {
			foreign[i] = end_fault;
			__sync_synchronize();
			foreign_state[i] = 2;
			break;
		}
	sigset_t all;
	sigfillset(&all);
	for (;;) sigsuspend(&all);
}

int isapid_foreign_fault(struct isapid_fault *f) {
	for (int i = 0; i < FOREIGN; i++)
		if (__sync_bool_compare_and_swap(&foreign_state[i], 2, 1)) {
			*f = foreign[i];
			__sync_synchronize();
			foreign_state[i] = 0;
			return 1;
		}
	return 0;
}

static void on_fault(int sig, siginfo_t *si, void *ctx) {
	ucontext_t *uc = ctx;
	if (getpid() != self) { // in a child that an extension forked
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	struct guard *g = guard_top;
	if (!is_fault(sig, si) || (!g && (ours || own_code(UC_PC(uc))))) {
		chain(sig, si, ctx);
		return;
	}
	if (!g) {
		end.fault = &end_fault;
		g = guard_top = &end;
	}
	int again = g->fault->nframes < 0; // the fault happened while unwinding an earlier one
	if (!again) record(g->fault, sig, si, uc);
	if (!again && !g->fault->overflow) {
		g->fault->nframes = -1;
		resume_unwinding(uc, g->fault->addr == g->fault->pc);
	} else if (g == &end) {
		g->fault->nframes = 0;
		park();
	} else {
		resume_leaving(uc, below(g));
	}
}

static void find_libc(void);
static void in_child(void) { forked = 1; }

static pthread_key_t sigstack_key;
static void sigstack_done(void *);

__attribute__((constructor)) static void prepare(void) {
	void *warm[1];
	self = getpid();
	dl_iterate_phdr(find_loader, NULL);
	find_libc();
	pthread_atfork(NULL, NULL, in_child);
	pthread_key_create(&sigstack_key, sigstack_done);
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

uint32_t isapid_guard_lost(void) {
	uint32_t lost = 0;
	for (unsigned i = 0; i < sizeof guarded / sizeof *guarded; i++) {
		struct sigaction sa;
		if (sigaction(guarded[i], NULL, &sa) == 0 && sa.sa_sigaction != on_fault) lost |= 1u << guarded[i];
	}
	return lost;
}

void isapid_guard_again(void) {
	for (unsigned i = 0; i < sizeof guarded / sizeof *guarded; i++) {
		struct sigaction sa;
		Dl_info where;
		if (sigaction(guarded[i], NULL, &sa) != 0 || sa.sa_handler == SIG_DFL || sa.sa_handler == SIG_IGN) continue;
		if (sa.sa_sigaction == on_fault || dladdr((void *)sa.sa_sigaction, &where)) continue;
		sa.sa_sigaction = on_fault;
		sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
		sigfillset(&sa.sa_mask);
		sigaction(guarded[i], &sa, NULL);
	}
}

// ---- functions of libc that this program has its own of; they are found before libc's because the program comes first in
// the order of symbol look-up. What libc calls inside itself is out of reach: err(3) and error(3) end the process. ----

#define EXPORT __attribute__((visibility("default")))

// libc's own, found at the start: dlsym needs the loader's lock, which a fault may have left held.
static struct {
	void (*exit)(int), (*_exit)(int), (*quick_exit)(int), (*pthread_exit)(void *);
	int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int (*pthread_sigmask)(int, const sigset_t *, sigset_t *);
	int (*sigprocmask)(int, const sigset_t *, sigset_t *);
} libc;

static void find_libc(void) {
	if (libc.sigprocmask) return;
#define FIND(name) *(void **)&libc.name = dlsym(RTLD_NEXT, #name)
	FIND(exit);
	FIND(_exit);
	FIND(quick_exit);
	FIND(pthread_exit);
	FIND(pthread_create);
	FIND(pthread_sigmask);
	FIND(sigprocmask);
#undef FIND
}

// exit and its kin in a guarded call end that call, not the process.
__attribute__((noreturn)) static void exit_call(int how, int status) {
	struct guard *g = guard_top;
	if (g && g != &end && getpid() == self) {
		struct isapid_fault *f = g->fault;
		f->kind = FAULT_EXIT;
		f->sig = status;
		f->code = how;
		f->nframes = backtrace((void **)f->frames, FAULT_FRAMES);
		f->pc = (uintptr_t)__builtin_return_address(0);
		if (g->loading) return_to_loader();
		siglongjmp(g->env, FAULT_EXIT);
	}
	find_libc();
	switch (how) {
	case EXIT_EXIT: libc.exit(status); break;
	case EXIT_NOW: libc._exit(status); break;
	case EXIT_QUICK: libc.quick_exit(status); break;
	}
	for (;;) kill(getpid(), SIGKILL);
}
EXPORT __attribute__((noreturn)) void exit(int status) { exit_call(EXIT_EXIT, status); }
EXPORT __attribute__((noreturn)) void _exit(int status) { exit_call(EXIT_NOW, status); }
EXPORT __attribute__((noreturn)) void _Exit(int status) { exit_call(EXIT_NOW, status); }
EXPORT __attribute__((noreturn)) void quick_exit(int status) { exit_call(EXIT_QUICK, status); }
EXPORT __attribute__((noreturn)) void pthread_exit(void *value) {
	if (guard_top) exit_call(EXIT_THREAD, 0);
	find_libc();
	libc.pthread_exit(value);
	for (;;) kill(getpid(), SIGKILL);
}

// Threads that libraries make get a stack for signal handlers, without which the kernel ends the process when such a thread
// uses up its own. It has to outlive what Go's runtime does at the end of a thread that called back.
#define SIGSTACK (64 << 10)
struct start { void *(*fn)(void *); void *arg; };
struct signals_stack { int rounds; };

static void sigstack_done(void *p) {
	struct signals_stack *s = p;
	if (s->rounds++ == 0 && pthread_setspecific(sigstack_key, s) == 0) return; // other destructors first
	stack_t off = {.ss_flags = SS_DISABLE};
	sigaltstack(&off, NULL);
	munmap(s, SIGSTACK);
}

static void *thread_of_library(void *p) {
	struct start start = *(struct start *)p;
	free(p);
	char *mem = mmap(NULL, SIGSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem != MAP_FAILED) {
		stack_t st = {.ss_sp = mem + 64, .ss_size = SIGSTACK - 64};
		if (pthread_setspecific(sigstack_key, mem) != 0 || sigaltstack(&st, NULL) != 0) {
			pthread_setspecific(sigstack_key, NULL);
			munmap(mem, SIGSTACK);
		}
	}
	return start.fn(start.arg);
}

EXPORT int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
	find_libc();
	struct start *start = CALLER_IS_OURS ? NULL : malloc(sizeof *start);
	if (!start) return libc.pthread_create(t, attr, fn, arg);
	*start = (struct start){fn, arg};
	int err = libc.pthread_create(t, attr, thread_of_library, start);
	if (err) free(start);
	return err;
}

// A library cannot block the signals of faults, because the kernel ends the process at a fault whose signal is blocked; and
// what it blocks on a thread of ours is undone when the call ends, lest signals to the process find no thread.
static __thread int mask_changed;
static __thread sigset_t mask_before;

static const sigset_t *allowed(int how, const sigset_t *set, sigset_t *copy) {
	if (guard_top && !mask_changed && libc.pthread_sigmask(SIG_SETMASK, NULL, &mask_before) == 0) mask_changed = 1;
	if (how == SIG_UNBLOCK) return set;
	*copy = *set;
	for (unsigned i = 0; i < sizeof guarded / sizeof *guarded; i++) sigdelset(copy, guarded[i]);
	return copy;
}

static void restore_mask(void) {
	mask_changed = 0;
	libc.pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
	sigset_t copy;
	find_libc();
	return libc.pthread_sigmask(how, set && !CALLER_IS_OURS ? allowed(how, set, &copy) : set, old);
}
EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old) {
	sigset_t copy;
	find_libc();
	return libc.sigprocmask(how, set && !CALLER_IS_OURS ? allowed(how, set, &copy) : set, old);
}

// ---- calls ----

typedef uintptr_t (*fn_ptr)(uintptr_t);
typedef uint32_t (*fn_u32)(uint32_t);
typedef int (*fn_dllmain)(uintptr_t, uint32_t, uintptr_t);
typedef void (*fn_completion)(uintptr_t, uintptr_t, uint32_t, uint32_t);

// Between the guard and the code it guards lies room that an overrun buffer of that code hits first.
#define ROOM volatile char room[4096]; room[0] = 0
#define KEEP_ROOM __asm__ volatile("" : : "r"(room) : "memory") // after the call, or it would be a jump

__attribute__((noinline)) static uint32_t call_proc(uintptr_t fn, uintptr_t ecb) {
	ROOM;
	uint32_t status = (uint32_t)((fn_ptr)fn)(ecb);
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
	int kind = sigsetjmp(g.env, 0);
	if (kind == 0) {
		guard_top = &g;
		ours = 1;
		errno = 0;
		dispatch(c, signature);
		c->err = errno;
		kind = c->fault.kind; // of a constructor that was left
	}
	guard_top = g.prev;
	if (mask_changed) restore_mask();
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
		status = call_proc(fn, ecb);
	}
	guard_top = g.prev;
	if (mask_changed) restore_mask();
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

// In a child that an extension forked there is no Go to call.
static int in_fork(void) {
	if (forked) errno = 87; // ERROR_INVALID_PARAMETER
	return forked;
}

static int finish(uint64_t r, struct entry e) {
	int ok = (int)(r >> 32);
	guard_top = e.guard;
	errno = ok ? (e.err == 122 ? 0 : e.err) : (int)(uint32_t)r;
	return ok;
}

static int get_server_variable(uintptr_t conn, uintptr_t name, uintptr_t buf, uintptr_t size) {
	if (in_fork()) return 0;
	struct entry e = enter();
	return finish(isapidGetServerVariable(conn, name, buf, size), e);
}
static int write_client(uintptr_t conn, uintptr_t buf, uintptr_t size, uint32_t flags) {
	if (in_fork()) return 0;
	struct entry e = enter();
	return finish(isapidWriteClient(conn, buf, size, flags), e);
}
static int read_client(uintptr_t conn, uintptr_t buf, uintptr_t size) {
	if (in_fork()) return 0;
	struct entry e = enter();
	return finish(isapidReadClient(conn, buf, size), e);
}
static int server_support_function(uintptr_t conn, uint32_t code, uintptr_t buf, uintptr_t size, uintptr_t type) {
	if (in_fork()) return 0;
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
