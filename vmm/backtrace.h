/* SPDX-License-Identifier: Apache-2.0 */
/* The symbolised backtrace of a guest: collect frames, print them as text. */
#ifndef MOTE_VMM_BACKTRACE_H
#define MOTE_VMM_BACKTRACE_H

#include "vmm/unwind.h"

#define BACKTRACE_MAX LOCATIONS_MAX

/* The longest line backtrace_format_frame() makes, with its NUL. */
#define BACKTRACE_LINE_MAX 3072

struct backtrace_frame {
	uint64_t pc;                    /* guest-virtual */
	bool is_exact;                  /* pc was running; else it is a return address */
	const struct code_image *image; /* NULL: pc is in no image */
	struct code_location where;
};

/**
 * backtrace_collect() - Unwind a stopped guest and find names and lines.
 * @images:    what the guest runs, first match wins; they must outlive the frames
 * @count:     number of images
 * @registers: of the stopped thread; rip is exact
 * @reader:    guest memory
 * @frames:    filled from the innermost frame on
 * @max:       room in @frames; at most BACKTRACE_MAX are used
 *
 * Images, registers and memory may be hostile. No heap, no system call (but what the reader makes),
 * about 16 KiB of stack. The worst image takes some 0.3 s, a usual program less than 1 ms.
 *
 * Return: number of frames, at least 1 if @max is.
 */
size_t backtrace_collect(const struct code_image *images, size_t count,
                         const struct unwind_registers *registers,
                         const struct guest_reader *reader, struct backtrace_frame *frames,
                         size_t max);

/**
 * backtrace_format_frame() - One line of text for a frame, without a newline.
 * @index:  the number to print
 * @buffer: filled and NUL-terminated; a longer line is cut
 * @size:   of the buffer, at least 1; BACKTRACE_LINE_MAX is enough
 *
 *     #0  0x0000000000401136 in crash_here+0x16 at hello.c:12  (hello)
 *     #1  0x0000000000401150 in main+0x10 (hello)
 *     #2  0x0000000000401234 in ?? (hello+0x401234)
 *     #3  0x0000000000000000 in ??
 *
 * The offset from a file is the address as linked, as addr2line takes it. Bytes of names that are
 * not printable ASCII, and backslashes, are written as \xNN; long names are cut with "...".
 *
 * Return: length of the text.
 */
size_t backtrace_format_frame(size_t index, const struct backtrace_frame *frame, char *buffer,
                              size_t size);

/**
 * backtrace_print() - Hand each frame's line, two spaces before it and a newline behind it, to
 * emit.
 */
void backtrace_print(const struct backtrace_frame *frames, size_t count,
                     void (*emit)(void *ctx, const char *line, size_t length), void *ctx);

#endif
