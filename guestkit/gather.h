/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that a program has much of, in 2 MiB pages, before a snapshot. */
#ifndef MOTE_GUESTKIT_GATHER_H
#define MOTE_GUESTKIT_GATHER_H

/* Do so, once in the life of a guest; what is used after the snapshot stays as it is used. */
void gather_memory(void);

#endif
