/* SPDX-License-Identifier: Apache-2.0 */
/* For measuring: an answer is what a program writes that is started for it, without a VM. */
#ifndef MOTE_SERVE_PROCESS_H
#define MOTE_SERVE_PROCESS_H

#include <stddef.h>

/**
 * process_answer() - Run a program and take what it writes to stdout.
 * @command: its path and arguments, with one space between them
 * @buffer:  of @size bytes
 *
 * Return: bytes; -1 where it could not be run or failed.
 */
long process_answer(const char *command, char *buffer, size_t size);

#endif
