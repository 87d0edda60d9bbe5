/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the application: the last thing the kit does of its own accord. */
#ifndef MOTE_LIBC_SHIM_START_H
#define MOTE_LIBC_SHIM_START_H

/* Build the initial stack and jump to the entry point, as execve(2) does. */
_Noreturn void start_application(void);

#endif
