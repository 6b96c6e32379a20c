// What the C files of this package share: the guard around a call.
#ifndef ISAPID_GUARD_H
#define ISAPID_GUARD_H

#include "native.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden)

struct guard {
	struct guard *prev;
	struct isapid_fault *fault;
	int loading; // the call is dlopen or dlclose
	sigjmp_buf env;
};

extern __thread struct guard *guard_top;
extern __thread int guard_ours;         // this thread has made guarded calls: it is no thread of an extension's own
extern __thread struct guard guard_end; // of a thread of an extension's own: where it goes when it faults

// A child that an extension forks has no Go runtime behind it and gets the system's own behaviour. The word is 0 there: the
// kernel wipes it in every child that has memory of its own, however it was made.
extern pid_t guard_process;
extern volatile int *guard_parent;
static inline int in_child(void) { return !*guard_parent; }

// The signals of faults.
#define GUARDED 6
extern const int guarded[GUARDED];

// This program's own code, as against that of libraries.
extern const char __executable_start[], etext[]; // of the linker
static inline int own_code(uintptr_t pc) { return pc >= (uintptr_t)__executable_start && pc < (uintptr_t)etext; }

// Lets the function that faulted in dlopen or dlclose return to the dynamic loader. Where no way back is found this returns.
void guard_return_to_loader(void);

// libc.c: the abort under way was called by somebody else than libc.
extern __thread int abort_asked;

// libc.c: undoes what the call that ends did to the signal mask.
extern __thread int mask_changed;
void restore_mask(void);

#pragma GCC visibility pop
#endif
