// The guard: a fault inside a guarded call comes back as a result of that call.

//go:build unix

#define _GNU_SOURCE
#include "guard.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

__thread struct guard *guard_top;
__thread int guard_ours;
__thread struct guard guard_end;
pid_t guard_process;
static volatile int parent_here = 1; // where the kernel wipes nothing
volatile int *guard_parent = &parent_here;
const int guarded[GUARDED] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};

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

void guard_return_to_loader(void) {
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
	if (g == &guard_end) park();
	if (g->loading) guard_return_to_loader();
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
static struct sigaction go_handler[GUARDED];

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
	for (int i = 0; i < GUARDED; i++)
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

static volatile int end_at_libc_abort;

void isapid_end_at_libc_abort(void) { end_at_libc_abort = 1; }

static int is_libc_abort(int sig, const siginfo_t *si) {
	if (sig != SIGABRT) return 0;
	int asked = abort_asked;
	abort_asked = 0;
	return !asked && is_fault(sig, si);
}

static void on_fault(int sig, siginfo_t *si, void *ctx) {
	ucontext_t *uc = ctx;
	int hopeless = is_libc_abort(sig, si) && end_at_libc_abort;
	if (hopeless || getpid() != guard_process) { // or in a child that an extension forked
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	struct guard *g = guard_top;
	if (!is_fault(sig, si) || (!g && (guard_ours || own_code(UC_PC(uc))))) {
		chain(sig, si, ctx);
		return;
	}
	if (!g) {
		guard_end.fault = &end_fault;
		g = guard_top = &guard_end;
	}
	int again = g->fault->nframes < 0; // the fault happened while unwinding an earlier one
	if (!again) record(g->fault, sig, si, uc);
	if (!again && !g->fault->overflow) {
		g->fault->nframes = -1;
		resume_unwinding(uc, g->fault->addr == g->fault->pc);
	} else if (g == &guard_end) {
		g->fault->nframes = 0;
		park();
	} else {
		resume_leaving(uc, below(g));
	}
}

static void forked(void) { *guard_parent = 0; }

__attribute__((constructor)) static void prepare(void) {
	void *warm[1];
	guard_process = getpid();
	dl_iterate_phdr(find_loader, NULL);
#ifdef MADV_WIPEONFORK
	int *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED && madvise(page, sizeof *page, MADV_WIPEONFORK) == 0) {
		*page = 1;
		guard_parent = page;
	}
#endif
	pthread_atfork(NULL, NULL, forked);
	backtrace(warm, 1); // loads the unwinder now, not inside a fault
}

void isapid_guard(void) {
	struct sigaction sa;
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = on_fault;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	sigfillset(&sa.sa_mask);
	for (int i = 0; i < GUARDED; i++) sigaction(guarded[i], &sa, &go_handler[i]);
}

uint32_t isapid_guard_lost(void) {
	uint32_t lost = 0;
	for (int i = 0; i < GUARDED; i++) {
		struct sigaction sa;
		if (sigaction(guarded[i], NULL, &sa) == 0 && sa.sa_sigaction != on_fault) lost |= 1u << guarded[i];
	}
	return lost;
}

void isapid_guard_again(void) {
	for (int i = 0; i < GUARDED; i++) {
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
