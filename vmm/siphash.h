/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 with 128 bits of output: names of cached images, checksums of application images. */
#ifndef MOTE_VMM_SIPHASH_H
#define MOTE_VMM_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/**
 * siphash_128() - Hash some bytes.
 * @key:  two little-endian words
 * @data: @length bytes
 * @out:  the output as two little-endian words
 */
void siphash_128(const uint64_t key[2], const void *data, size_t length, uint64_t out[2]);

#endif
