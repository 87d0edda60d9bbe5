/* SPDX-License-Identifier: Apache-2.0 */
/* `mote run --trace`: writes down what host and guest did, and when. */
#ifndef MOTE_VMM_TRACE_H
#define MOTE_VMM_TRACE_H

#include "vmm/vm.h"

struct trace;

/* Bytes of guest RAM that the ring of events takes. */
#define TRACE_RING_BYTES 0x10000u

/**
 * trace_open() - Create the file and take what a trace needs: before all that is measured.
 * @path:      absolute, or where the process is
 * @has_pages: with the uses of pages
 *
 * Sets vm->trace.
 */
int trace_open(struct vm *vm, const char *path, bool has_pages, struct mote_error *err);

/* Say that guest-physical [start, end) holds @image, from @va on. Nothing without a trace. */
void trace_image(struct vm *vm, unsigned image, uint64_t start, uint64_t end, uint64_t va);

/* Whether the processor is to note which pages are used. */
bool trace_wants_pages(const struct vm *vm);

/* Guest memory has its size; nothing of it is touched yet. */
int trace_prepare(struct vm *vm, struct mote_error *err);

/* Take the next pages for the ring. Nothing without a trace. trace_ring(): its place then. */
int trace_place_ring(struct vm *vm, struct mote_error *err);
uint64_t trace_ring(const struct vm *vm);

/* All is ready for the first KVM_RUN: what the host backs now it did before the guest. */
void trace_begin(struct vm *vm);

/* The guest has left KVM_RUN, which was called at @entered; nothing is handled yet. */
void trace_left(struct vm *vm, uint64_t entered);

/* What it wanted is done. */
void trace_handled(struct vm *vm);

/* The guest is over: write what is left. Returns 0, or -1 when the file could not be written. */
int trace_end(struct vm *vm, struct mote_error *err);

/* Free and close what trace_open() and trace_prepare() have got. */
void trace_close(struct vm *vm);

#endif
