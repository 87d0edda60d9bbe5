/* SPDX-License-Identifier: Apache-2.0 */
/* A VM of libmote, as its files and the mote program see it. */
#ifndef MOTE_LIBMOTE_INTERNAL_H
#define MOTE_LIBMOTE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "libmote/config.h"
#include "mote/mote.h"
#include "vmm/vm_life.h"

enum vm_stage {
	VM_STAGE_READY,  /* the guest can run */
	VM_STAGE_OVER,   /* it is over: a reset, if one can be, or the end */
	VM_STAGE_BROKEN, /* something failed halfway: the end */
};

struct call;

struct mote_vm {
	struct vm *vm;
	enum vm_stage stage;
	bool can_reset;
	bool speaks_http;  /* what takes requests is a program that waits for connections */
	struct call *call; /* the last answer (call.c); NULL: there was none */
	struct config_options options;
	int streams[3];               /* descriptors that are to be closed; -1: none */
	struct mote_statistics spent; /* what vm_life_count() does not know */
};

/* Host's CLOCK_MONOTONIC. */
uint64_t vm_now(void);

/**
 * vm_after_run() - Take note of what a run has come to.
 * @status: of vm_life_run() or vm_life_call()
 * @started: vm_now() before it
 *
 * Return: @status.
 */
int vm_after_run(struct mote_vm *vm, int status, const struct vm_event *event, uint64_t started);

/* Whether the guest can run; else -1 with @err. */
int vm_check_ready(const struct mote_vm *vm, struct mote_error *err);

/* Forget the last answer. */
void call_free(struct mote_vm *vm);

#endif
