/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one program in one microVM, from options to exit status: mote run and mote restore. */
#ifndef MOTE_LIBMOTE_PROCESS_H
#define MOTE_LIBMOTE_PROCESS_H

#include "vmm/error.h"
#include "vmm/options.h"

/**
 * vm_run() - Make a microVM, run the program in it, and report as the options ask.
 *
 * Confines the process for good: afterwards it can only exit. Called once in a process.
 * Return: exit status of the process (the guest's, or enum mote_status), or -1 and @err.
 */
int vm_run(const struct run_options *options, struct mote_error *err);

#endif
