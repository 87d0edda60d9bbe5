/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log that `mote run --trace` writes and mote-trace reads: records of one size, in host order.
 *
 * The first record is TRACE_HEAD, the last TRACE_END; a log without the latter is not whole. Times
 * are TSC values of the host. Records of one kind are in the order of their ends, but those of
 * pages, which come at the end.
 */
#ifndef MOTE_VMM_TRACE_FORMAT_H
#define MOTE_VMM_TRACE_FORMAT_H

#include <stdint.h>

#define TRACE_MAGIC   0x00656361727445f0u
#define TRACE_VERSION 1

/* X(identifier, what code and word[0] to word[4] are) */
#define TRACE_KINDS(X)                                                                             \
	X(HEAD, "code: version; magic, TSC kHz, ABI version, size of RAM, CPU ns before main")     \
	X(TEXT, "code: enum trace_text; bytes 0 to 39 of a name, NUL-padded; more may follow")     \
	X(IMAGE, "code: enum trace_image; bias, offset in the file, first gpa, end gpa, first va") \
	X(MOMENT, "code: enum trace_moment; when")                                                 \
	X(EXIT, "code: cause; entered guest, left it, handled, RIP, RDI")                          \
	X(CALL, "code: number; start, end, result, RIP, thread")                                   \
	X(FAULT, "code: error; start, end, address, RIP, thread")                                  \
	X(PAGE,                                                                                    \
	  "code: TRACE_PAGE_*; gpa, va or 0, sample at which it was used first, the same of "      \
	  "backed, count of pages")                                                                \
	X(SAMPLE, "code: number, from 1; from when, to when")                                      \
	X(END, "code: exit status; exits, lost events, samples, system calls, records before it")

enum trace_kind {
#define X(identifier, words) TRACE_##identifier,
	TRACE_KINDS(X)
#undef X
	        TRACE_KIND_COUNT
};

struct trace_record {
	uint32_t kind, code;
	uint64_t word[5];
};

enum trace_text { TRACE_TEXT_APPLICATION, TRACE_TEXT_BACKEND };

/* What lies in a range of guest-physical memory. */
enum trace_image {
	TRACE_IMAGE_KIT,
	TRACE_IMAGE_APPLICATION,
	TRACE_IMAGE_TABLES, /* first page tables */
	TRACE_IMAGE_STACK,
	TRACE_IMAGE_RINGS,    /* of devices, the device tree */
	TRACE_IMAGE_TRACE,    /* the ring of events */
	TRACE_IMAGE_FREE,     /* what the kit has to give */
	TRACE_IMAGE_SNAPSHOT, /* all that a restored guest has */
	TRACE_IMAGES
};

/* Moments: those of vm.h in order, then the guest's stamps. */
enum trace_moment {
	TRACE_MOMENT_MAIN,
	TRACE_MOMENT_OPENED,
	TRACE_MOMENT_CREATED,
	TRACE_MOMENT_LOADED,
	TRACE_MOMENT_SET_UP,
	TRACE_MOMENT_RUN,
	TRACE_MOMENT_READY,
	TRACE_MOMENT_ENDED,
	TRACE_MOMENT_KIT,
	TRACE_MOMENT_APPLICATION,
	TRACE_MOMENT_EXIT,
	TRACE_MOMENTS
};

/* Flags of a page. Samples are 0 where it never was. */
#define TRACE_PAGE_BEFORE 1u   /* the host backed it before the first instruction */
#define TRACE_PAGE_BACKED 2u   /* ... and at the end */
#define TRACE_HUGE_PAGES  512u /* that one entry of 2 MiB maps: the count of a record, else 1 */
#define TRACE_PAGE_USED   4u   /* the guest has used it, as the processor's accessed bits say */

/* Causes of exits: hypercalls by number, 0 one that does not exist; from here on enum
 * vm_exit_cause. */
#define TRACE_CAUSE_OTHER 256u

#endif
