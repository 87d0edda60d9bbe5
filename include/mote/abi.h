/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between the VMM and the guest kit: everything both sides must agree on, and
 * nothing else. Included by host and guest alike; documented in docs/abi.md.
 *
 * How it works
 *
 * The VMM builds the machine (page tables, descriptor tables, device tree, boot record) and starts
 * the one vCPU at CPL 3 in the kit's entry point, with the address of the boot record in RDI. The
 * kit calls the VMM by one instruction, `in $MOTE_HYPERCALL_PORT, %eax`:
 *
 *   RAX  number (enum mote_hypercall)      RDI, RSI, RDX, R10, R8  arguments
 *   EAX  result: >= 0, or a negative Linux errno (low 32 bits; sign-extend them)
 *
 * All other registers and the flags are kept. Addresses in arguments are guest-physical
 * (mote_gpa_t). Any code at CPL 3 may make a hypercall, the application included: nothing in a
 * hypercall is trusted, and none gives more than the kit's system calls give.
 */
#ifndef MOTE_ABI_H
#define MOTE_ABI_H

/*
 * Bumped when either side would misunderstand the other. Both sides compare for equality; the
 * smaller number is the older side.
 */
#define MOTE_ABI_VERSION 4

/* ---- guest-virtual layout (all in the last 512 GiB: one page-directory-pointer table) ---- */

#define MOTE_PAGE_SIZE      0x1000UL
#define MOTE_HUGE_PAGE_SIZE 0x200000UL

/* RAM from mote_boot.direct_start to its end, read-write, not executable, at this + GPA. */
#define MOTE_DIRECT_VA 0xffffff8000000000UL
/* The root image, read-only and not executable, where there is one. */
#define MOTE_ROOT_VA 0xffffffc000000000UL
/* Registers of virtio device n, a page each, where there are any: here + n * MOTE_PAGE_SIZE. */
#define MOTE_DEVICES_VA 0xffffffe000000000UL
/*
 * The kit's window, below 2 MiB: one page table. Guest-physical address = virtual - MOTE_WINDOW_VA.
 * What every start touches lies together without holes: where tables are shadowed, KVM brings in
 * the present pages of an aligned group of eight (32 KiB) at one fault, up to the first hole. The
 * group at MOTE_FIRST_GROUP has the top page of the kit's stack, the shared pages, and the kit's
 * data.
 */
#define MOTE_WINDOW_VA     0xffffffff80000000UL
#define MOTE_CPU_TABLES_VA (MOTE_WINDOW_VA + 0x0000) /* GDT, TSS, IDT; supervisor */
#define MOTE_RING0_VA      (MOTE_WINDOW_VA + 0x1000) /* kit.elf's trap stub; supervisor */
#define MOTE_FIRST_GROUP   (MOTE_WINDOW_VA + 0x8000)
#define MOTE_BOOT_VA       (MOTE_WINDOW_VA + 0x9000) /* struct mote_boot; read-only */
#define MOTE_CLOCK_VA      (MOTE_WINDOW_VA + 0xa000) /* struct mote_clock; read-only */
#define MOTE_RUN_VA        (MOTE_WINDOW_VA + 0xb000) /* struct mote_run; read-write */
#define MOTE_KIT_VA        (MOTE_WINDOW_VA + 0xc000) /* kit.elf, all but its ring-0 stub and its stack */
#define MOTE_WINDOW_END    (MOTE_WINDOW_VA + 0x200000)
/* Everything the application may map lies below; the last page stays unmapped as on Linux. */
#define MOTE_USER_END 0x00007ffffffff000UL

/* Where the VMM loads a static-PIE application. */
#define MOTE_PIE_BASE 0x10000000UL
/* The initial stack ends here; file and anonymous mappings grow down from below it. */
#define MOTE_STACK_TOP 0x7ffffff000UL
/* Of the stack, what the VMM has mapped; the kit gives more as it is used. A group of eight pages.
 */
#define MOTE_STACK_FIRST 0x8000UL

/* Guest-physical address of the registers of device 0: above RAM and the root image. */
#define MOTE_DEVICES_GPA 0x3f00000000UL
#define MOTE_DEVICES_MAX 24

/* Software bit of page-table entries: a frame that the VMM placed (image, first stack): it may
 * be made writable, and is never freed. */
#define MOTE_PTE_IMAGE (1UL << 10)

/* ---- descriptor tables (the layout of Linux, so that CS and SS look right to programs) ---- */

#define MOTE_KERNEL_CS 0x10
#define MOTE_KERNEL_SS 0x18
#define MOTE_USER_SS   0x2b
#define MOTE_USER_CS   0x33
#define MOTE_TSS       0x40
#define MOTE_STAR      0x0023001000000000UL /* MSR_STAR: sysret base 0x23, syscall base 0x10 */
#define MOTE_FMASK     0x44500UL            /* MSR_FMASK: clears DF, TF, NT, AC on syscall */

/* ---- kit.elf ---- */

/* p_flags bit of the segment that is mapped for CPL 0 only (inside PF_MASKOS). */
#define MOTE_PF_SUPERVISOR 0x00100000
/* Vector n enters the stub at MOTE_RING0_VA + n * MOTE_VECTOR_STRIDE. */
#define MOTE_VECTOR_STRIDE 16
#define MOTE_VECTORS       32

/* Offsets in struct mote_run, for the kit's preempt_entry. */
#define MOTE_RUN_PREEMPTED_RIP    56
#define MOTE_RUN_PREEMPTED_RSP    64
#define MOTE_RUN_PREEMPTED_RFLAGS 72

/* The number of the hypercall `snapshot`, for the kit's entry.S. */
#define MOTE_HC_SNAPSHOT 13

/* ELF note of kit.elf: owner "Mote", type MOTE_NOTE_KIT, descriptor struct mote_kit_note. */
#define MOTE_NOTE_OWNER "Mote"
#define MOTE_NOTE_KIT   1

#ifndef __ASSEMBLER__

#include <stdint.h>

/* A guest-physical address: a structure, so that nothing dereferences it by accident. */
typedef struct {
	uint64_t value;
} mote_gpa_t;

/* First two fields never move: they are how versions tell each other apart. */
struct mote_kit_note {
	uint32_t abi_version;
	uint32_t size;           /* of this structure */
	uint64_t syscall_entry;  /* MSR_LSTAR */
	uint64_t trap_stack_top; /* IST1: hardware frames of every vector; kit memory */
	uint64_t preempt_entry;  /* where the VMM leads a vCPU that it stopped; see mote_run */
	uint64_t text_start;     /* the kit's own code, in which it does not */
	uint64_t text_end;
	char version[32]; /* for messages, NUL-terminated */
};

/* ---- boot record: at MOTE_BOOT_VA, written by the VMM before the guest starts ---- */

#define MOTE_BOOT_MAGIC 0x746f6f6265746f6dUL /* "moteboot" */

struct mote_range {
	uint64_t start; /* guest-physical, page-aligned */
	uint64_t end;   /* exclusive */
};

/* First three fields never move. */
struct mote_boot {
	uint64_t magic;
	uint32_t abi_version;
	uint32_t size;             /* of this structure */
	char vmm_version[32];      /* for messages, NUL-terminated */
	uint64_t device_tree;      /* guest-virtual address of the flattened device tree */
	uint64_t device_tree_size; /* bytes */
	uint64_t page_table;       /* guest-physical address of the root (CR3) */
	uint64_t direct_start;     /* first guest-physical address in the direct map */
	uint64_t ram_end;          /* end of RAM and of the direct map */
	uint64_t ram_usable;    /* end of what is there from the start; beyond it ask by `memory` */
	struct mote_range free; /* RAM that nothing uses yet; reads as zeros */
	uint64_t tsc_offset;    /* guest TSC minus host TSC */
};

/*
 * Clock page: at MOTE_CLOCK_VA, written by the VMM only. A seqlock: odd while it is written; read
 * sequence, fields, sequence again. At guest TSC t, CLOCK_MONOTONIC in ns is
 * monotonic + ((t - tsc) * multiplier >> 32), and CLOCK_REALTIME that plus realtime_offset.
 */
struct mote_clock {
	uint32_t sequence;
	uint32_t reserved;
	uint64_t tsc;             /* guest TSC at the moment of monotonic */
	uint64_t monotonic;       /* ns */
	uint64_t realtime_offset; /* ns: CLOCK_REALTIME minus CLOCK_MONOTONIC */
	uint64_t multiplier;      /* ns per TSC tick, 32.32 fixed point */
	uint64_t boottime_offset; /* ns: CLOCK_BOOTTIME minus CLOCK_MONOTONIC */
};

/* What the guest tells the VMM without an exit. Each is a hint: the VMM reads, and never trusts. */
enum mote_stamp {
	MOTE_STAMP_KIT,         /* first instructions of the kit */
	MOTE_STAMP_APPLICATION, /* jump to the application's entry point */
	MOTE_STAMP_EXIT,        /* the application asked to exit */
	MOTE_STAMPS
};

/* Where a snapshot can be taken: in mote_run.snapshot_wanted as bit 1 << point. */
enum mote_snapshot_point {
	MOTE_SNAPSHOT_MAIN,    /* the application is loaded; its first stack is not built yet */
	MOTE_SNAPSHOT_LISTEN,  /* it is about to sleep in accept for the first time */
	MOTE_SNAPSHOT_MARK,    /* its own mark: /chosen/mote,snapshot-mark names it */
	MOTE_SNAPSHOT_OUTSIDE, /* at the next system call, fault, tick or wait */
};

/*
 * What makes a start from a snapshot unlike any other; zero in a guest that booted. Written by the
 * VMM before the first instruction, but for `taken`. Until the kit has put `id` there it gives out
 * nothing random; the VMM ends a guest whose next exit finds it not taken.
 */
struct mote_generation {
	uint8_t id[16];      /* random */
	uint8_t taken[16];   /* by the kit: the id that it has acted on */
	uint8_t seed[32];    /* for the random number generator; the kit wipes it */
	uint32_t console[3]; /* what stdin, stdout and stderr are, as in the device tree */
	uint32_t flags;      /* MOTE_GENERATION_* */
	uint64_t tree_size;  /* bytes that `start_tree` gives; 0: as it was */
	uint64_t request;    /* bytes at mote_run.function_buffer; 0: no request is there */
};
#define MOTE_GENERATION_OTHER_SHARES 1u /* files of shares are not there, or others by now */
#define MOTE_GENERATION_NEW_NETWORK  2u /* the network was opened anew, and may be another */
#define MOTE_GENERATION_MORE_BODY    4u /* the VMM has more of the request's body */

/*
 * Run page: at MOTE_RUN_VA, written by the kit but where it says otherwise.
 *
 * The VMM stops the running vCPU at moments of its own choice: each MOTE_SLICE_NS while `slicing`,
 * at `deadline` if it has seen that, and at the latest at next_tick. If the deadline has passed
 * then, or more than one thread is runnable, it puts RIP, RSP and RFLAGS into `preempted`, leaves
 * all other registers alone, and goes on at preempt_entry with MOTE_PREEMPT_RFLAGS; where the vCPU
 * is in the kit's own code (mote_kit_note), it sets preempt_wanted instead, at which the kit looks
 * on its way out. It looks at `runnable` and `deadline` at each such stop; the kit makes it look at
 * once by the hypercall `tick`. It stops slicing when for a while there was one runnable thread
 * only.
 */
struct mote_run {
	uint64_t stamp[MOTE_STAMPS]; /* guest TSC; 0: not reached */
	uint64_t syscalls;           /* system calls served so far */
	uint64_t deadline;           /* CLOCK_MONOTONIC ns of the next timer; 0: none */
	uint32_t runnable;           /* threads that could run now */
	uint32_t preempt_wanted;     /* set by the VMM, cleared by the kit */
	uint32_t slicing;            /* by the VMM */
	uint32_t reserved;
	struct {
		uint64_t rip, rsp, rflags;
	} preempted;              /* by the VMM */
	uint64_t next_tick;       /* by the VMM: CLOCK_MONOTONIC ns */
	uint32_t snapshot_wanted; /* by the VMM: bits 1 << enum mote_snapshot_point */
	uint32_t usable;          /* frames of RAM that a start from a snapshot needs; 0: all */
	uint64_t
	        function_buffer; /* guest-physical, of MOTE_FUNCTION_BUFFER bytes; 0: no function */
	struct mote_generation generation;
};
#define MOTE_SLICE_NS       10000000u
#define MOTE_PREEMPT_RFLAGS 0x202u

/*
 * Ring of what happened in the guest: in RAM where /chosen/mote,trace says, for a VMM that asked
 * for it. The kit writes events and then `written`; the VMM takes them at each exit, and tells by
 * `taken`. Where there is no room the kit makes the hypercall `clock`.
 */
struct mote_trace_event {
	uint64_t start, end; /* guest TSC; end 0: it does not return */
	uint64_t value;      /* result of a system call; address of a page fault */
	uint64_t rip;        /* of the application, or of the kit at a fault of its own */
	uint32_t what;       /* MOTE_TRACE_FAULT, or the number of the system call */
	uint32_t thread;     /* id */
};
#define MOTE_TRACE_FAULT \
	0x80000000u /* in what; bits 0 to 15 are the error code (SDM vol. 3, 4.7) */

struct mote_trace {
	uint64_t written; /* events since the start, by the kit; that with number n is in slot n %
	                     size */
	uint64_t taken;   /* by the VMM */
	uint64_t size;    /* slots, by the VMM */
	uint64_t reserved;
	struct mote_trace_event event[];
};

/* ---- hypercalls ---- */

/* X(number, name, arguments, what it does): docs/abi.md and --stats take their names from here. */
#define MOTE_HYPERCALLS(X)                                                                     \
	X(1, console_write, "stream, gpa, length", "write to stdout (1) or stderr (2)")        \
	X(2, console_read, "gpa, length, flags", "read from stdin; 0 is end of file")          \
	X(3, console_control, "stream, operation, gpa", "terminal attributes and window size") \
	X(4, exit, "status", "end the guest; does not return")                                 \
	X(5, wait, "deadline, events", "sleep until a deadline or an event")                   \
	X(6, clock, "", "refresh the clock page")                                              \
	X(7, discard, "gpa, count", "give pages back to the host; they read as zeros after")   \
	X(8, crash, "gpa", "end the guest by a crash record; does not return")                 \
	X(9, ready, "", "mark that the application has initialised")                           \
	X(10, random, "gpa, length", "bytes from the host's random number generator")          \
	X(11, memory, "end", "make RAM usable up to a guest-physical address")                 \
	X(12, tick, "", "look at the run page: more threads, or an earlier deadline")          \
	X(13, snapshot, "point, gpa, length", "take a snapshot here, if one is wanted")        \
	X(14, start_tree, "gpa, length", "copy the device tree of this start")                 \
	X(15, serve, "operation, gpa, length", "answers and requests of a function")

enum mote_hypercall {
#define X(number, name, arguments, purpose) MOTE_HC_##name = (number),
	MOTE_HYPERCALLS(X)
#undef X
	        MOTE_HC_LIMIT = 16 /* one past the last number */
};

/* console_read flags */
#define MOTE_CONSOLE_BLOCK 1u /* sleep until there is input; else -EAGAIN when there is none */

/* console_control operations; the block at gpa has the Linux x86-64 layout */
enum mote_console_operation {
	MOTE_CONSOLE_GET_TERMIOS = 1,       /* struct termios as TCGETS has it: 36 bytes */
	MOTE_CONSOLE_SET_TERMIOS = 2,       /* TCSETS */
	MOTE_CONSOLE_SET_TERMIOS_DRAIN = 3, /* TCSETSW */
	MOTE_CONSOLE_SET_TERMIOS_FLUSH = 4, /* TCSETSF */
	MOTE_CONSOLE_GET_WINDOW_SIZE = 5,   /* struct winsize as TIOCGWINSZ has it: 8 bytes */
	MOTE_CONSOLE_GET_READABLE = 6,      /* returns bytes readable (FIONREAD); gpa unused */
};

/* The device tree's mote,console: a cell for each of stdin, stdout and stderr */
#define MOTE_CONSOLE_TYPE        0x00fu /* S_IFMT bits of the host's file >> 12; 0: closed */
#define MOTE_CONSOLE_IS_TERMINAL 0x100u

/* exit: status 0..255 is the application's; MOTE_EXIT_SIGNAL | number ends it by a signal */
#define MOTE_EXIT_SIGNAL        0x100u
#define MOTE_EXIT_OUT_OF_MEMORY 0x200u

/*
 * wait: events to wait for, and the result. It notifies all queues of all virtio devices, too, so
 * that a call with a deadline that has passed serves them and comes back.
 */
#define MOTE_EVENT_INPUT    1u /* stdin is readable or at its end */
#define MOTE_EVENT_WINDOW   2u /* the terminal's size changed */
#define MOTE_EVENT_DEVICE   4u /* a virtio device has used buffers that its driver is waiting for */
#define MOTE_EVENT_CONFIG   8u /* the configuration of a virtio device changed, or it failed */
#define MOTE_EVENT_SNAPSHOT 16u /* mote_run.snapshot_wanted has changed; need not be asked for */
#define MOTE_WAIT_FOREVER   UINT64_MAX

/*
 * snapshot: @gpa points to @length bytes of text: a line for each thing that cannot be carried into
 * another VM. Returns one of these, or -EBUSY when it is refused for what cannot be carried, -EIO
 * when it could not be written. A guest that starts from the snapshot finds itself behind this call
 * with MOTE_SNAPSHOT_RESTORED. The kit keeps what FPU, FS and GS hold across the call by itself.
 */
#define MOTE_SNAPSHOT_NONE        0 /* nobody wants one here */
#define MOTE_SNAPSHOT_TAKEN       1
#define MOTE_SNAPSHOT_RESTORED    2
#define MOTE_SNAPSHOT_CUT         3       /* cut what cannot be carried, and call again */
#define MOTE_SNAPSHOT_PROBLEM_MAX 0x4000u /* bytes of text */

/* discard: gpa points to `count` ranges; at most this many in one call */
#define MOTE_DISCARD_MAX 512

/*
 * memory: RAM below mote_boot.ram_usable may be touched at once. What lies beyond, up to ram_end,
 * has to be asked for before its first use (KVM's cost of a VM grows with the memory that is in
 * place). The result is the end of usable RAM in pages, at or beyond the end asked for. From
 * free.start on there are at least MOTE_USABLE_FREE bytes usable beyond two bits for each page of
 * RAM, or all of it. Before the hypercall `snapshot` the guest may put less into mote_run.usable
 * than it has been given: no more than that is usable then where it starts again.
 */
#define MOTE_USABLE_FREE 0xc0000UL

/* crash: what the VMM prints and backtraces. The VMM checks every field. */
struct mote_crash {
	uint32_t signal;  /* Linux signal number, 1..64 */
	uint32_t vector;  /* x86 exception, or MOTE_CRASH_NO_VECTOR */
	uint64_t error;   /* exception error code */
	uint64_t address; /* CR2 of a page fault, else si_addr */
	/* rax rbx rcx rdx rsi rdi rbp rsp r8..r15, as struct kvm_regs orders them */
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
	uint64_t fs_base;
	uint32_t in_kit; /* the kit itself failed: a bug of Mote, not of the application */
	uint32_t reserved;
	char reason[64]; /* a few words, NUL-terminated; empty: the VMM names the trap */
};
#define MOTE_CRASH_NO_VECTOR 0xffffffffu

#endif /* __ASSEMBLER__ */

/*
 * The port lies below 256 so that the instruction needs no register for it, and is a multiple
 * of four so that its four I/O permission bits share a byte.
 */
#define MOTE_HYPERCALL_PORT 0x50

#endif
