/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors as they come from the network. See inet_quote.h. */
#include "guestkit/libc-shim/inet_quote.h"

#include <linux/errno.h>

#include "guestkit/string.h"

#define PROTOCOL_UDP 17
#define ICMP_HEADER  8u
#define IPV4_HEADER  20u /* without options */
#define IPV6_HEADER  40u
#define PORTS        4u

/* Types of ICMP and of ICMPv6. */
enum { UNREACHABLE = 3, TIME_EXCEEDED = 11, PARAMETER = 12 };
enum { UNREACHABLE6 = 1, TOO_BIG6 = 2, TIME_EXCEEDED6 = 3, PARAMETER6 = 4 };

struct meaning {
	int error;
	bool is_final;
};

static struct meaning meaning4(uint8_t type, uint8_t code)
{
	static const struct meaning unreachable[] = {
	        {ENETUNREACH, false}, {EHOSTUNREACH, false}, {ENOPROTOOPT, true},
	        {ECONNREFUSED, true}, {EMSGSIZE, false},     {EOPNOTSUPP, false},
	};

	switch (type) {
	case UNREACHABLE:
		return code < sizeof(unreachable) / sizeof(unreachable[0])
		               ? unreachable[code]
		               : (struct meaning){EHOSTUNREACH, false};
	case TIME_EXCEEDED: return (struct meaning){EHOSTUNREACH, false};
	case PARAMETER: return (struct meaning){EPROTO, true};
	default: return (struct meaning){0, false};
	}
}

static struct meaning meaning6(uint8_t type, uint8_t code)
{
	static const struct meaning unreachable[] = {
	        {ENETUNREACH, false},  {EACCES, true},       {EHOSTUNREACH, false},
	        {EHOSTUNREACH, false}, {ECONNREFUSED, true},
	};

	switch (type) {
	case UNREACHABLE6:
		return code < sizeof(unreachable) / sizeof(unreachable[0])
		               ? unreachable[code]
		               : (struct meaning){EACCES, true};
	case TOO_BIG6: return (struct meaning){EMSGSIZE, false};
	case TIME_EXCEEDED6: return (struct meaning){EHOSTUNREACH, false};
	case PARAMETER6: return (struct meaning){EPROTO, true};
	default: return (struct meaning){0, false};
	}
}

/* The IP header that is quoted. Return: its length; 0: it is none of UDP's. */
static size_t read_ipv4(const unsigned char *header, size_t length, struct inet_quote *quote)
{
	size_t size;

	if (length < IPV4_HEADER || header[0] >> 4 != 4 || header[9] != PROTOCOL_UDP)
		return 0;
	size = (header[0] & 0xfu) * 4;
	memcpy(quote->from, header + 12, 4);
	memcpy(quote->to, header + 16, 4);
	return size < IPV4_HEADER ? 0 : size;
}

static size_t read_ipv6(const unsigned char *header, size_t length, struct inet_quote *quote)
{
	if (length < IPV6_HEADER || header[0] >> 4 != 6 || header[6] != PROTOCOL_UDP)
		return 0;
	memcpy(quote->from, header + 8, 16);
	memcpy(quote->to, header + 24, 16);
	return IPV6_HEADER;
}

bool inet_quote_read(const unsigned char *bytes, size_t length, bool is_ipv6,
                     struct inet_quote *quote)
{
	struct meaning meaning;
	size_t size;

	if (length < ICMP_HEADER)
		return false;
	meaning = is_ipv6 ? meaning6(bytes[0], bytes[1]) : meaning4(bytes[0], bytes[1]);
	quote->error = meaning.error;
	quote->is_final = meaning.is_final;
	bytes += ICMP_HEADER;
	length -= ICMP_HEADER;
	size = is_ipv6 ? read_ipv6(bytes, length, quote) : read_ipv4(bytes, length, quote);
	if (!meaning.error || !size || length < size + PORTS)
		return false;
	quote->from_port = (uint16_t)(bytes[size] << 8 | bytes[size + 1]);
	quote->to_port = (uint16_t)(bytes[size + 2] << 8 | bytes[size + 3]);
	return true;
}
