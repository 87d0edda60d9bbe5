/* SPDX-License-Identifier: Apache-2.0 */
/* Futexes: words of the application on which threads wait. */
#ifndef MOTE_LIBC_SHIM_FUTEX_H
#define MOTE_LIBC_SHIM_FUTEX_H

#include "guestkit/thread.h"

/* A thread ends: do what its robust list asks for, and clear the word of its tid. */
void futex_thread_end(struct thread *thread);

#endif
