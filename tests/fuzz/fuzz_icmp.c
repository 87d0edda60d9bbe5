/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of ICMP errors: nothing is read past their end, and what is told of lies in them. */
#include <stdlib.h>
#include <string.h>

#include "../../guestkit/libc-shim/inet_quote.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
		unsigned char *bytes = malloc(size ? size : 1); /* ends where the input does */
		struct inet_quote quote;

		memcpy(bytes, data, size);
		if (inet_quote_read(bytes, size, is_ipv6, &quote)) {
			require(size >=
			        ICMP_HEADER + (is_ipv6 ? IPV6_HEADER : IPV4_HEADER) + PORTS);
			require(quote.error > 0);
			require(memmem(bytes, size, quote.to, is_ipv6 ? 16 : 4) != NULL);
		}
		free(bytes);
	}
	return 0;
}
