/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as x86-64 Linux programs see them: numbers, flags and structures in memory. */
#ifndef MOTE_LIBC_SHIM_SIGNAL_ABI_H
#define MOTE_LIBC_SHIM_SIGNAL_ABI_H

#include <stdint.h>

/* Names of our own: libc headers, where there are any, claim theirs. Values as in signal(7). */
enum {
	SIGNAL_HUP = 1,
	SIGNAL_INT = 2,
	SIGNAL_QUIT = 3,
	SIGNAL_ILL = 4,
	SIGNAL_TRAP = 5,
	SIGNAL_ABRT = 6,
	SIGNAL_BUS = 7,
	SIGNAL_FPE = 8,
	SIGNAL_KILL = 9,
	SIGNAL_SEGV = 11,
	SIGNAL_ALRM = 14,
	SIGNAL_CHLD = 17,
	SIGNAL_CONT = 18,
	SIGNAL_STOP = 19,
	SIGNAL_TSTP = 20,
	SIGNAL_TTIN = 21,
	SIGNAL_TTOU = 22,
	SIGNAL_URG = 23,
	SIGNAL_XCPU = 24,
	SIGNAL_XFSZ = 25,
	SIGNAL_VTALRM = 26,
	SIGNAL_PROF = 27,
	SIGNAL_WINCH = 28,
	SIGNAL_SYS = 31,
	SIGNAL_REALTIME = 32, /* this and all after queue */
	SIGNAL_LAST = 64,
};

/* The bit of a signal (1 to SIGNAL_LAST) in a mask. */
static inline uint64_t signal_bit(int signal)
{
	return 1ull << (signal - 1);
}

#define SIGNAL_SET_SIZE 8 /* what calls name as sigsetsize */

/* si_code */
#define SIGNAL_CODE_USER   0
#define SIGNAL_CODE_KERNEL 0x80
#define SIGNAL_CODE_QUEUE  (-1)
#define SIGNAL_CODE_TIMER  (-2)
#define SIGNAL_CODE_TKILL  (-6)

/* sa_handler */
#define SIGNAL_DEFAULT 0
#define SIGNAL_IGNORE  1

/* sa_flags */
#define ACTION_RESTORER   0x04000000ull
#define ACTION_ON_STACK   0x08000000ull
#define ACTION_RESTART    0x10000000ull
#define ACTION_NO_DEFER   0x40000000ull
#define ACTION_RESET_HAND 0x80000000ull
/* All that there are: these, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SA_EXPOSE_TAGBITS. */
#define ACTION_FLAGS 0xdc000807ull

/* struct sigaction of rt_sigaction(2) */
struct signal_action {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* ss_flags */
#define STACK_ON         1u
#define STACK_DISABLED   2u
#define STACK_AUTODISARM 0x80000000u

#define STACK_SIZE_MIN 2048 /* MINSIGSTKSZ */

/* stack_t */
struct signal_stack {
	uint64_t base;
	uint32_t flags;
	uint32_t reserved;
	uint64_t size;
};

/* siginfo_t: 128 bytes, of which a signal fills the form that its code has */
struct signal_info {
	int32_t signal;
	int32_t error;
	int32_t code;
	int32_t reserved;
	union {
		uint64_t address; /* of a fault */
		struct {
			int32_t pid;
			uint32_t uid;
			uint64_t value; /* sigqueue(3) */
		} sender;
		struct {
			uint32_t id, overrun;
			uint64_t value;
		} timer; /* timer_create(2) */
		unsigned char size[112];
	};
};

_Static_assert(sizeof(struct signal_action) == 32, "rt_sigaction(2)");
_Static_assert(sizeof(struct signal_stack) == 24, "sigaltstack(2)");
_Static_assert(sizeof(struct signal_info) == 128, "siginfo_t");

#endif
