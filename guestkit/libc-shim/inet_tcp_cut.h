/* SPDX-License-Identifier: Apache-2.0 */
/* TCP connections and snapshots: those to others cannot be carried into another VM. */
#ifndef MOTE_LIBC_SHIM_INET_TCP_CUT_H
#define MOTE_LIBC_SHIM_INET_TCP_CUT_H

#include <stdbool.h>

/* Give a line for each connection that would be lost to @put. */
void inet_tcp_name_connections(void (*put)(const char *line));

/**
 * inet_tcp_cut() - End all connections to others: ECONNRESET.
 * @is_told: the other sides are told; else they are in another network
 *
 * What is within the guest goes on, and so does who listens.
 */
void inet_tcp_cut(bool is_told);

#endif
