// The page of C between Go and a loaded image: open, look up, call through a pointer under a guard, set errno. Everything
// with a policy is Go.
#ifndef ISAPID_NATIVE_H
#define ISAPID_NATIVE_H

#include <stdint.h>

#define FAULT_FRAMES 64

// What a guarded call came to. fault 0: it returned, ret is its value.
enum { FAULT_NONE = 0, FAULT_SIGNAL = 1, FAULT_EXIT = 2 };
// How the code meant to end the process, or (EXIT_THREAD) the thread.
enum { EXIT_EXIT = 0, EXIT_NOW = 1, EXIT_QUICK = 2, EXIT_THREAD = 3 };

struct isapid_fault {
	int32_t   kind;      // FAULT_*
	int32_t   sig;       // signal number, or the exit status
	int32_t   code;      // si_code, or EXIT_*
	int32_t   overflow;  // the stack was used up
	uintptr_t addr, pc;
	int32_t   nframes;
	uintptr_t frames[FAULT_FRAMES];
};

struct isapid_call {
	uintptr_t fn;
	uint64_t  image; // for the board, as is the next
	uint32_t  what;
	uintptr_t a[4];
	uintptr_t ret;
	int32_t   err; // errno after the call
	struct isapid_fault fault;
};

// Signatures a call can have.
enum { CALL_PTR = 0, CALL_U32 = 1, CALL_DLLMAIN = 2, CALL_COMPLETION = 3, CALL_DLOPEN = 4, CALL_DLCLOSE = 5 };

// Calls c->fn under the guard; 0 or the kind of fault.
int isapid_call(struct isapid_call *c, int signature);
// The same for HttpExtensionProc, the hot path: the status it returned in the low half; when it faulted, a ticket for
// isapid_take in the high half.
uint64_t isapid_proc(uintptr_t fn, uintptr_t ecb);
void isapid_take(int ticket, struct isapid_fault *f);
// The same for HttpFilterProc, with the errno it left.
struct isapid_status { uint32_t status; int32_t err, ticket; };
struct isapid_status isapid_filter_proc(uintptr_t fn, uintptr_t context, uint32_t notification, uintptr_t pv);
// The same for n filters, n > 0, one after the other; last is the one it ended with. It ends early with one that does not return
// SF_STATUS_REQ_NEXT_NOTIFICATION, faults, leaves something else in the size bytes at pv than there is at kept, or has called
// back: then Go has changed inside, which is to be the context of the first at the beginning.
#define FILTER_CALLS 8
#define FILTER_NEXT 0x08000002 // SF_STATUS_REQ_NEXT_NOTIFICATION
struct isapid_filter_calls { uintptr_t inside, fn[FILTER_CALLS], context[FILTER_CALLS]; };
struct isapid_called { struct isapid_status status; int32_t last; };
struct isapid_called isapid_filter_procs(struct isapid_filter_calls *c, int n, uint32_t notification, uintptr_t pv, uintptr_t kept, uintptr_t size);

// Puts the guard's signal handlers over those of Go's runtime; once, after it has started.
void isapid_guard(void);
// The guarded signals (a bit each) that somebody else has put a handler of theirs on.
uint32_t isapid_guard_lost(void);
// Takes back signals whose handler lies in code that is no longer loaded.
void isapid_guard_again(void);
// From now on an abort of libc itself ends the process.
void isapid_end_at_libc_abort(void);
// Faults in threads that extensions made, since the last call: 1 and the fault, or 0. Such a thread is parked for good.
int isapid_foreign_fault(struct isapid_fault *f);

// Threads that libraries made and that have not ended: at most n of them; answers how many there are.
struct isapid_library_thread { int32_t tid; uintptr_t start; uint64_t image; };
int isapid_library_threads(struct isapid_library_thread *list, int n);

// Runs isapid_go_thread(arg) on a new thread with that stack (0: default). 0 or an errno.
int isapid_thread(uintptr_t arg, uintptr_t stack, uintptr_t *thread);
void isapid_thread_join(uintptr_t thread);

// Callbacks, as the ECB holds them.
// which: 0 GetServerVariable, 1 WriteClient, 2 ReadClient, 3 ServerSupportFunction.
uintptr_t isapid_callback(int which);
// The same of filters, in the order of HTTP_FILTER_CONTEXT and HTTP_FILTER_AUTH_COMPLETE_INFO: 0 GetServerVariable,
// 1 AddResponseHeaders, 2 WriteClient, 3 AllocMem, 4 ServerSupportFunction, 5 GetHeader, 6 SetHeader, 7 AddHeader,
// 8 GetUserToken.
uintptr_t isapid_filter_callback(int which);
// The board (board.h). use: from now on it is in that memory; -1 if it was written to already. cells: there are control blocks
// or filter contexts from base on, and their marks, struct board_mark each; -1 if there is no room to know that.
int isapid_board_use(uintptr_t mem);
uintptr_t isapid_board(void);
int isapid_board_cells(uintptr_t base, uintptr_t size, uintptr_t marks);
// The image whose code made the callback that this thread is in; 0 if it is not known.
uint64_t isapid_board_image(void);
// The id of the thread that calls.
int32_t isapid_tid(void);
// When the callback that this thread is in is back in C, isapidAtCaller gets handle and the stack. Answers the handle that
// was to be told, 0 for none.
uintptr_t isapid_at_caller(uintptr_t handle);
#define BOARD_LAYOUT 58
void isapid_board_layout(uint32_t *at);

// The path a handle was loaded from.
const char *isapid_libname(uintptr_t handle);

#endif
