/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 with 128 bits of output (Aumasson and Bernstein). */
#include "vmm/siphash.h"

#include <string.h>

static uint64_t rotate(uint64_t value, unsigned int bits)
{
	return value << bits | value >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int count)
{
	while (count-- > 0) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

void siphash_128(const uint64_t key[2], const void *data, size_t length, uint64_t out[2])
{
	/* "somepseudorandomlygeneratedbytes", and 0xee for the long output */
	uint64_t v[4] = {
	        key[0] ^ 0x736f6d6570736575,
	        key[1] ^ 0x646f72616e646f6d ^ 0xee,
	        key[0] ^ 0x6c7967656e657261,
	        key[1] ^ 0x7465646279746573,
	};
	const unsigned char *bytes = data;
	uint64_t word, last = (uint64_t)length << 56;
	size_t whole = length / sizeof word * sizeof word;

	for (size_t i = 0; i < whole; i += sizeof word) {
		memcpy(&word, bytes + i, sizeof word); /* x86-64: little-endian, as SipHash is */
		sip_word(v, word);
	}
	for (size_t i = whole; i < length; i++)
		last |= (uint64_t)bytes[i] << 8 * (i - whole);
	sip_word(v, last);
	v[2] ^= 0xee;
	sip_rounds(v, 4);
	out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	sip_rounds(v, 4);
	out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}
