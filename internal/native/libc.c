//go:build unix

// Functions of libc that this program has its own of; they are found before libc's because the program comes first in
// the order of symbol look-up. What libc calls inside itself is out of reach: err(3) and error(3) end the process.

#define _GNU_SOURCE
#include "board.h"
#include "guard.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLER_IS_OURS own_code((uintptr_t)__builtin_return_address(0))
#define EXPORT __attribute__((visibility("default")))

// libc's own, found at the start: dlsym needs the loader's lock, which a fault may have left held.
static struct {
	void (*exit)(int), (*_exit)(int), (*quick_exit)(int), (*pthread_exit)(void *);
	int (*raise)(int);
	void (*abort)(void);
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
	FIND(raise);
	FIND(abort);
	FIND(pthread_create);
	FIND(pthread_sigmask);
	FIND(sigprocmask);
#undef FIND
}

// exit and its kin in a guarded call end that call, not the process.
__attribute__((noreturn)) static void exit_call(int how, int status) {
	struct guard *g = guard_top;
	if (g && g != &guard_end && getpid() == guard_process) {
		struct isapid_fault *f = g->fault;
		f->kind = FAULT_EXIT;
		f->sig = status;
		f->code = how;
		f->nframes = backtrace((void **)f->frames, FAULT_FRAMES);
		f->pc = (uintptr_t)__builtin_return_address(0);
		if (g->loading) guard_return_to_loader();
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

// The ways in which a library aborts. An abort that did not come here is libc's own: a heap it found corrupt, most likely with
// the lock of that heap held.
__thread int abort_asked;

EXPORT int raise(int sig) {
	find_libc();
	abort_asked = sig == SIGABRT;
	return libc.raise(sig);
}
EXPORT __attribute__((noreturn)) void abort(void) {
	find_libc();
	abort_asked = 1;
	libc.abort();
	for (;;) kill(getpid(), SIGKILL);
}
EXPORT __attribute__((noreturn)) void __assert_fail(const char *what, const char *file, unsigned line, const char *function) {
	dprintf(STDERR_FILENO, "%s:%u: %s: assertion failed: %s\n", file, line, function ? function : "?", what);
	abort();
}
EXPORT __attribute__((noreturn)) void __stack_chk_fail(void) {
	dprintf(STDERR_FILENO, "a buffer on the stack was overrun\n");
	abort();
}

// Threads that libraries make get a stack for signal handlers, without which the kernel ends the process when such a thread
// uses up its own. It has to outlive what Go's runtime does at the end of a thread that called back.
#define SIGSTACK (64 << 10)
struct start { void *(*fn)(void *); void *arg; struct isapid_library_thread *noted; };
struct signals_stack { int rounds; };

static pthread_key_t sigstack_key;

// The threads of libraries that live, as long as there is room for them.
#define LIBRARY_THREADS 1024
static struct isapid_library_thread library_threads[LIBRARY_THREADS];
static pthread_key_t library_thread_key;

static void library_thread_done(void *p) {
	__atomic_store_n(&((struct isapid_library_thread *)p)->tid, 0, __ATOMIC_RELEASE);
}

// note_library_thread keeps a place for a thread that is about to be made; NULL if there is none.
static struct isapid_library_thread *note_library_thread(void *(*fn)(void *)) {
	for (int i = 0; i < LIBRARY_THREADS; i++) {
		struct isapid_library_thread *t = &library_threads[i];
		int32_t nobody = 0;
		if (__atomic_load_n(&t->tid, __ATOMIC_RELAXED) != 0 ||
		    !__atomic_compare_exchange_n(&t->tid, &nobody, -1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) continue;
		t->start = (uintptr_t)fn;
		t->image = board_image_now();
		__atomic_store_n(&t->tid, -2, __ATOMIC_RELEASE);
		return t;
	}
	return NULL;
}

// begin_library_thread is the beginning of a thread that was noted, or could not be.
static void begin_library_thread(struct isapid_library_thread *t) {
	if (!t) return;
	__atomic_store_n(&t->tid, (int32_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (pthread_setspecific(library_thread_key, t) != 0) library_thread_done(t);
}

int isapid_library_threads(struct isapid_library_thread *list, int n) {
	int found = 0;
	for (int i = 0; i < LIBRARY_THREADS; i++) {
		int32_t tid = __atomic_load_n(&library_threads[i].tid, __ATOMIC_ACQUIRE);
		if (tid == 0 || tid == -1) continue;
		struct isapid_library_thread t = library_threads[i];
		t.tid = tid > 0 ? tid : 0; // it is being made
		if (found < n) list[found] = t;
		found++;
	}
	return found;
}

static void sigstack_done(void *p) {
	struct signals_stack *s = p;
	if (s->rounds++ == 0 && pthread_setspecific(sigstack_key, s) == 0) return; // other destructors first
	stack_t off = {.ss_flags = SS_DISABLE};
	sigaltstack(&off, NULL);
	munmap(s, SIGSTACK);
}

__attribute__((constructor)) static void prepare(void) {
	find_libc();
	pthread_key_create(&sigstack_key, sigstack_done);
	pthread_key_create(&library_thread_key, library_thread_done);
}

static void *thread_of_library(void *p) {
	struct start start = *(struct start *)p;
	free(p);
	begin_library_thread(start.noted);
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
	*start = (struct start){fn, arg, note_library_thread(fn)};
	int err = libc.pthread_create(t, attr, thread_of_library, start);
	if (err) {
		if (start->noted) library_thread_done(start->noted);
		free(start);
	}
	return err;
}

// A library cannot block the signals of faults, because the kernel ends the process at a fault whose signal is blocked; and
// what it blocks on a thread of ours is undone when the call ends, lest signals to the process find no thread.
__thread int mask_changed;
static __thread sigset_t mask_before;

static const sigset_t *allowed(int how, const sigset_t *set, sigset_t *copy) {
	if (guard_top && !mask_changed && libc.pthread_sigmask(SIG_SETMASK, NULL, &mask_before) == 0) mask_changed = 1;
	if (how == SIG_UNBLOCK) return set;
	*copy = *set;
	for (int i = 0; i < GUARDED; i++) sigdelset(copy, guarded[i]);
	return copy;
}

void restore_mask(void) {
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
