/* SPDX-License-Identifier: Apache-2.0 */
/* The system call that Linux does not have (mote/guest.h). */
#ifndef MOTE_GUESTKIT_LIBC_SHIM_SYS_MOTE_H
#define MOTE_GUESTKIT_LIBC_SHIM_SYS_MOTE_H

#include <stdint.h>

/* The application is at its mark MOTE_MARK_DEFAULT: as for MOTE_CALL_MARK. */
int64_t sys_mote_mark_default(void);

/* MOTE_CALL_SERVE. @address: of a struct mote_function_call in the application */
int64_t sys_function(uint64_t address);

#endif
