// The board: memory in which each thread notes which calls of images it is in, and which it made last, for whoever looks at the
// process from outside, also after it was killed. Package trace reads it; layout and numbers are those of its board.go and func.go.
#ifndef ISAPID_BOARD_H
#define ISAPID_BOARD_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#pragma GCC visibility push(hidden)

#define BOARD_MAGIC 0x31647062 // "bpd1"
#define BOARD_PAGE 4096
#define BOARD_LINES 511 // the first is that of all threads for which there is none
#define BOARD_OPEN 8
#define BOARD_LAST 16
#define BOARD_ERRORS 32

// Where calls are counted: a function without codes at its number, and those with codes from here on.
enum { COUNT_SUPPORT = 128, COUNT_FILTER_SUPPORT = 224, COUNT_NOTIFY = 240, BOARD_COUNTS = 272 };

enum { // trace.Func
	FN_NONE = 0, FN_DLL_MAIN, FN_EXTENSION_VERSION, FN_EXTENSION_PROC, FN_TERMINATE_EXTENSION, FN_FILTER_VERSION, FN_FILTER_PROC,
	FN_TERMINATE_FILTER, FN_COMPLETION,
	FN_GET_VARIABLE = 32, FN_WRITE, FN_READ, FN_SUPPORT,
	FN_FILTER_GET_VARIABLE = 64, FN_FILTER_ADD_HEADERS, FN_FILTER_WRITE, FN_FILTER_ALLOC, FN_FILTER_SUPPORT, FN_FILTER_GET_HEADER,
	FN_FILTER_SET_HEADER, FN_FILTER_ADD_HEADER, FN_FILTER_USER_TOKEN,
};

enum { CALL_INSIDE = 1, CALL_DONE = 2, CALL_FAULTED = 3 };

struct board_call {
	uint16_t fn;
	uint8_t  state, spare;
	uint32_t code, err, spare2;
	uint64_t request, image, at;
};

struct board_error {
	uint16_t fn, spare;
	uint32_t code, err, spare2;
	uint64_t n;
};

struct board_line {
	int32_t  tid; // 0: nobody's
	uint32_t depth, next, errors;
	int32_t  rounds;
	uint8_t  spare[44];
	struct board_call  open[BOARD_OPEN]; // the first depth
	struct board_call  last[BOARD_LAST]; // a ring; next counts what was put there
	uint64_t           calls[BOARD_COUNTS];
	struct board_error error[BOARD_ERRORS]; // the first errors of them, and the last for all that found no place
	uint8_t  spare2[128];
};

struct board {
	uint32_t magic;
	uint32_t lines; // those after it were never anybody's
	uint8_t  spare[BOARD_PAGE - 8];
	struct board_line line[BOARD_LINES];
};

_Static_assert(sizeof(struct board_line) == BOARD_PAGE && sizeof(struct board) == 2 << 20, "the layout of the board");

// What a call is about, by the address of its control block or filter context.
struct board_mark { uint64_t request, image; };

// Those addresses: base up to base+size, every 256 bytes.
struct board_cells { uintptr_t base, size; struct board_mark *marks; };
#define BOARD_CELLS 96
extern struct board_cells board_cells[BOARD_CELLS];
extern int board_ncells;

extern __thread struct board_line *board_mine;
extern struct board_line *board_shared;

// Something was found in this callback: go to Go when it is back in C (isapid_at_caller).
extern __thread uintptr_t board_found;
extern __thread uint32_t board_found_depth;

struct board_line *board_take(void);
void board_count_error(struct board_line *l, unsigned fn, uint32_t code, uint32_t err);

// The image whose code this thread runs, 0 if that is not known.
uint64_t board_image_now(void);

#define BOARD_LIKELY(x) __builtin_expect(!!(x), 1)

static inline unsigned board_count(unsigned fn, uint32_t code) {
	switch (fn) {
	case FN_SUPPORT:
		if (code < 16) return COUNT_SUPPORT + code;
		if (code - 1000 < 64) return COUNT_SUPPORT + 16 + (code - 1000);
		if (code - 2000 < 15) return COUNT_SUPPORT + 80 + (code - 2000);
		return COUNT_SUPPORT + 95;
	case FN_FILTER_SUPPORT: return COUNT_FILTER_SUPPORT + (code < 15 ? code : 15);
	case FN_FILTER_PROC: return code ? COUNT_NOTIFY + (unsigned)__builtin_ctz(code) : FN_FILTER_PROC;
	}
	return fn;
}

static inline const struct board_mark *board_mark_of(uintptr_t cell) {
	int n = __atomic_load_n(&board_ncells, __ATOMIC_ACQUIRE);
	for (int i = 0; i < n; i++) {
		uintptr_t off = cell - board_cells[i].base;
		if (off < board_cells[i].size) return &board_cells[i].marks[off / 256];
	}
	return NULL;
}

// One call, between board_enter and board_leave.
struct board_place { struct board_line *line; uint32_t depth; };

static inline struct board_place board_enter(unsigned fn, uint32_t code, uint64_t request, uint64_t image) {
	struct board_line *l = board_mine;
	if (!BOARD_LIKELY(l)) l = board_take();
	struct board_place p = {l, l->depth};
	if (!BOARD_LIKELY(l != board_shared)) {
		__atomic_fetch_add(&l->calls[board_count(fn, code)], 1, __ATOMIC_RELAXED);
		p.depth = 0;
		return p;
	}
	if (BOARD_LIKELY(p.depth < BOARD_OPEN)) {
		struct board_call *c = &l->open[p.depth];
		struct timespec t;
		clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
		c->fn = (uint16_t)fn;
		c->state = CALL_INSIDE;
		c->code = code;
		c->err = 0;
		c->request = request;
		c->image = image;
		c->at = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	}
	l->calls[board_count(fn, code)]++;
	__atomic_store_n(&l->depth, p.depth + 1, __ATOMIC_RELEASE);
	return p;
}

// The same for a call about what is at cell, which may be no control block nor filter context; then it is of that image.
static inline struct board_place board_enter_cell(unsigned fn, uint32_t code, uintptr_t cell, uint64_t image) {
	const struct board_mark *m = board_mark_of(cell);
	return m ? board_enter(fn, code, m->request, m->image) : board_enter(fn, code, 0, image);
}

// board_enter_cell for functions that call sigsetjmp: the compiler may not mix the two.
struct board_place board_begin(unsigned fn, uint32_t code, uintptr_t cell, uint64_t image);

// err is the last error of a call that failed. Calls inside of this one that were left by a fault are forgotten.
static inline void board_leave(struct board_place p, int state, int failed, uint32_t err, unsigned fn, uint32_t code) {
	struct board_line *l = p.line;
	if (!BOARD_LIKELY(!failed)) board_count_error(l, fn, code, err);
	if (!BOARD_LIKELY(l != board_shared)) return;
	if (BOARD_LIKELY(p.depth < BOARD_OPEN)) {
		struct board_call *to = &l->last[l->next % BOARD_LAST];
		*to = l->open[p.depth];
		to->state = (uint8_t)state;
		to->err = err;
		__atomic_store_n(&l->next, l->next + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&l->depth, p.depth, __ATOMIC_RELEASE);
}

#pragma GCC visibility pop
#endif
