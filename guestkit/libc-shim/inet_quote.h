/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors as they come from the network: what they mean, and which datagram they quote. */
#ifndef MOTE_LIBC_SHIM_INET_QUOTE_H
#define MOTE_LIBC_SHIM_INET_QUOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INET_QUOTE_MAX 192u /* bytes of an error that are looked at, its IP header not included */

struct inet_quote {
	int error;                      /* errno, positive */
	bool is_final;                  /* or it may pass */
	unsigned char from[16], to[16]; /* of the datagram; 4 bytes of them where it is IPv4 */
	uint16_t from_port, to_port;
};

/**
 * inet_quote_read() - Take apart an ICMP message.
 * @bytes: behind the IP header: RFC 792, RFC 4443
 *
 * Return: false where it is no error, or not about UDP, or cut too short.
 */
bool inet_quote_read(const unsigned char *bytes, size_t length, bool is_ipv6,
                     struct inet_quote *quote);

#endif
