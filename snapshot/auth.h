/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed authentication of snapshot files: who does not have the key cannot make or change one that
 * is taken. BLAKE2b (RFC 7693), from Debian's source package libb2.
 */
#ifndef MOTE_SNAPSHOT_AUTH_H
#define MOTE_SNAPSHOT_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

struct snapshot_header;
struct snapshot_working_set;

struct snapshot_key {
	uint8_t bytes[64];
};

/**
 * snapshot_key_read() - Make a key of all bytes of a file: 16 to 65536 of them.
 *
 * To be called before confinement. Errors: MOTE_STATUS_FAILED.
 */
int snapshot_key_read(struct snapshot_key *key, const char *path, struct mote_error *err);

/* BLAKE2b-256 of bytes that come in pieces: a chunk of pages. */
struct digest {
	uint64_t state[56];
};

void digest_start(struct digest *digest);
void digest_add(struct digest *digest, const void *bytes, size_t size);
void digest_end(struct digest *digest, uint8_t out[32]);

/**
 * auth_code() - The code of a file: BLAKE2b-256 with the key.
 * @header: up to its field `code`
 * @set:    of a file with a run, whose list belongs to it; NULL: it is a hint, and not covered
 * @parts:  @size bytes up to the pages; these are covered by their digests, which are a part
 */
void auth_code(const struct snapshot_key *key, const struct snapshot_header *header,
               const struct snapshot_working_set *set, const void *parts, size_t size,
               uint8_t out[32]);

/* Compares in a time that tells nothing. */
int auth_is_equal(const uint8_t a[32], const uint8_t b[32]);

#endif
