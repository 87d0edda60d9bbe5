/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH3: finds damage, at the speed of memory. Not for what an enemy may have changed: that takes
 * a key (auth.h).
 */
#ifndef MOTE_SNAPSHOT_CHECKSUM_H
#define MOTE_SNAPSHOT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of some bytes. */
uint64_t checksum_64(const void *bytes, size_t size);

/* XXH3-128 of some bytes, in its canonical form. */
void checksum_128(const void *bytes, size_t size, uint8_t out[16]);

/* XXH3-64 of bytes that come in pieces. */
struct checksum {
	unsigned char state[640] __attribute__((aligned(64)));
};

void checksum_start(struct checksum *sum);
void checksum_add(struct checksum *sum, const void *bytes, size_t size);
uint64_t checksum_end(const struct checksum *sum);

#endif
