/* SPDX-License-Identifier: Apache-2.0 */
/* --strace: a line on stderr for each system call. */
#ifndef MOTE_LIBC_SHIM_STRACE_H
#define MOTE_LIBC_SHIM_STRACE_H

#include <stdbool.h>
#include <stdint.h>

struct syscall_entry;

/* Print a call before it is made, when it will not return, or after it with its @result. */
void strace_print(const struct syscall_entry *entry, uint64_t number, const uint64_t *arg,
                  bool has_result, int64_t result);

#endif
