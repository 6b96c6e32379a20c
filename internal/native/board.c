//go:build unix

#define _GNU_SOURCE
#include "board.h"
#include "guard.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct board own __attribute__((aligned(BOARD_PAGE))); // costs nothing until it is written to
static struct board *board = &own;
static int used; // a thread has taken a line

__thread struct board_line *board_mine;
struct board_line *board_shared = &own.line[0];
__thread uintptr_t board_found;
__thread uint32_t board_found_depth;

struct board_cells board_cells[BOARD_CELLS];
int board_ncells;

static void begin_board(void) {
	board->lines = 1;
	__atomic_store_n(&board->magic, BOARD_MAGIC, __ATOMIC_RELEASE);
}

int isapid_board_use(uintptr_t mem) {
	if (__atomic_load_n(&used, __ATOMIC_SEQ_CST)) return -1;
	board = (struct board *)mem;
	begin_board();
	board_shared = &board->line[0];
	return 0;
}

uintptr_t isapid_board(void) { return (uintptr_t)board; }

// A thread that ends gives its line back, with what it has counted. Other destructors may still call back: it goes last.
static pthread_key_t line_key;

static void line_done(void *p) {
	struct board_line *l = p;
	if (in_child()) return; // the line is that of a thread of the parent
	if (l->rounds++ == 0 && pthread_setspecific(line_key, l) == 0) return;
	board_mine = NULL;
	l->depth = 0;
	__atomic_store_n(&l->tid, 0, __ATOMIC_RELEASE);
}

__attribute__((constructor)) static void prepare(void) {
	begin_board();
	pthread_key_create(&line_key, line_done);
}

static void begin_line(struct board_line *l) {
	l->depth = 0;
	l->next = 0;
	l->rounds = 0;
	board_mine = l;
	if (pthread_setspecific(line_key, l) != 0) {
		board_mine = board_shared;
		__atomic_store_n(&l->tid, 0, __ATOMIC_RELEASE);
	}
}

__attribute__((noinline)) struct board_line *board_take(void) {
	int32_t tid = (int32_t)syscall(SYS_gettid);
	__atomic_store_n(&used, 1, __ATOMIC_SEQ_CST);
	board_mine = board_shared;
	for (uint32_t i = 1; i < BOARD_LINES; i++) {
		struct board_line *l = &board->line[i];
		int32_t nobody = 0;
		if (__atomic_load_n(&l->tid, __ATOMIC_RELAXED) != 0) continue;
		if (!__atomic_compare_exchange_n(&l->tid, &nobody, tid, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) continue;
		uint32_t seen = __atomic_load_n(&board->lines, __ATOMIC_RELAXED);
		while (seen <= i && !__atomic_compare_exchange_n(&board->lines, &seen, i + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {}
		begin_line(l);
		break;
	}
	return board_mine;
}

__attribute__((noinline)) void board_count_error(struct board_line *l, unsigned fn, uint32_t code, uint32_t err) {
	uint32_t n = l->errors < BOARD_ERRORS - 1 ? l->errors : BOARD_ERRORS - 1;
	for (uint32_t i = 0; i < n; i++)
		if (l->error[i].fn == fn && l->error[i].code == code && l->error[i].err == err) {
			__atomic_fetch_add(&l->error[i].n, 1, __ATOMIC_RELAXED);
			return;
		}
	if (l == board_shared || n == BOARD_ERRORS - 1) { // under nobody's name
		__atomic_fetch_add(&l->error[BOARD_ERRORS - 1].n, 1, __ATOMIC_RELAXED);
		return;
	}
	l->error[n] = (struct board_error){.fn = (uint16_t)fn, .code = code, .err = err, .n = 1};
	__atomic_store_n(&l->errors, n + 1, __ATOMIC_RELEASE);
}

__attribute__((noinline)) struct board_place board_begin(unsigned fn, uint32_t code, uintptr_t cell, uint64_t image) {
	return board_enter_cell(fn, code, cell, image);
}

int isapid_board_cells(uintptr_t base, uintptr_t size, uintptr_t marks) {
	int n = board_ncells; // the caller lets in one at a time
	if (n == BOARD_CELLS) return -1;
	board_cells[n] = (struct board_cells){base, size, (struct board_mark *)marks};
	__atomic_store_n(&board_ncells, n + 1, __ATOMIC_RELEASE);
	return 0;
}

int32_t isapid_tid(void) {
	static __thread int32_t tid;
	if (tid == 0) tid = (int32_t)syscall(SYS_gettid);
	return tid;
}

uint64_t isapid_board_image(void) {
	struct board_line *l = board_mine;
	uint32_t d = l ? l->depth : 0;
	if (l == board_shared || d < 2 || d > BOARD_OPEN) return 0;
	return l->open[d - 2].image;
}

uint64_t board_image_now(void) {
	struct board_line *l = board_mine;
	uint32_t d = l ? l->depth : 0;
	return l == board_shared || d < 1 || d > BOARD_OPEN ? 0 : l->open[d - 1].image;
}

uintptr_t isapid_at_caller(uintptr_t handle) {
	uintptr_t before = board_found;
	board_found = handle;
	board_found_depth = !board_mine || board_mine == board_shared ? 1 : board_mine->depth;
	return before;
}

void isapid_board_layout(uint32_t *at) {
	const uint32_t layout[] = {
		sizeof(struct board), BOARD_LINES, offsetof(struct board, line), sizeof(struct board_line),
		offsetof(struct board, lines), offsetof(struct board_line, tid), offsetof(struct board_line, depth), offsetof(struct board_line, next),
		offsetof(struct board_line, errors), offsetof(struct board_line, open), BOARD_OPEN, offsetof(struct board_line, last), BOARD_LAST,
		offsetof(struct board_line, calls), BOARD_COUNTS, offsetof(struct board_line, error), BOARD_ERRORS,
		sizeof(struct board_call), offsetof(struct board_call, fn), offsetof(struct board_call, state), offsetof(struct board_call, code),
		offsetof(struct board_call, err), offsetof(struct board_call, request), offsetof(struct board_call, image), offsetof(struct board_call, at),
		sizeof(struct board_error), offsetof(struct board_error, fn), offsetof(struct board_error, code), offsetof(struct board_error, err),
		offsetof(struct board_error, n), BOARD_MAGIC, CALL_INSIDE, CALL_DONE, CALL_FAULTED,
		COUNT_SUPPORT, COUNT_FILTER_SUPPORT, COUNT_NOTIFY,
		FN_DLL_MAIN, FN_EXTENSION_VERSION, FN_EXTENSION_PROC, FN_TERMINATE_EXTENSION, FN_FILTER_VERSION, FN_FILTER_PROC, FN_TERMINATE_FILTER,
		FN_COMPLETION, FN_GET_VARIABLE, FN_WRITE, FN_READ, FN_SUPPORT, FN_FILTER_GET_VARIABLE, FN_FILTER_ADD_HEADERS, FN_FILTER_WRITE,
		FN_FILTER_ALLOC, FN_FILTER_SUPPORT, FN_FILTER_GET_HEADER, FN_FILTER_SET_HEADER, FN_FILTER_ADD_HEADER, FN_FILTER_USER_TOKEN,
	};
	_Static_assert(sizeof layout / sizeof *layout == BOARD_LAYOUT, "as many as native.h says");
	for (unsigned i = 0; i < BOARD_LAYOUT; i++) at[i] = layout[i];
}
