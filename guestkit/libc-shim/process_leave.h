/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel of Linux does for a process that has ended, before the guest ends with it. */
#ifndef MOTE_LIBC_SHIM_PROCESS_LEAVE_H
#define MOTE_LIBC_SHIM_PROCESS_LEAVE_H

/**
 * process_leave() - The process ends: close its files, and let connections bring out what was sent.
 *
 * The guest ends right after it. Takes no time where no device has been used. Connections have
 * PROCESS_LINGER_NS at most; what the other side has not taken by then is lost, and it is told.
 */
void process_leave(void);

#define PROCESS_LINGER_NS 10000000000u

#endif
