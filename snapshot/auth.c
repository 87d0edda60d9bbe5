/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed authentication of snapshot files. */
#include "snapshot/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "snapshot/format.h"

/* libb2's plain C. The names of its functions end in SUFFIX. */
#define SUFFIX _plain
#include <blake2b-ref.c> /* NOLINT(bugprone-suspicious-include): it is not ours to build */

#define KEY_FILE_MIN 16
#define KEY_FILE_MAX 65536

_Static_assert(sizeof(blake2b_state) <= sizeof(struct digest) && _Alignof(blake2b_state) <= 8,
               "room for the state of BLAKE2b");

static blake2b_state *state_of(struct digest *digest)
{
	return (blake2b_state *)digest->state;
}

void digest_start(struct digest *digest)
{
	blake2b_init(state_of(digest), 32);
}

void digest_add(struct digest *digest, const void *bytes, size_t size)
{
	blake2b_update(state_of(digest), bytes, size);
}

void digest_end(struct digest *digest, uint8_t out[32])
{
	blake2b_final(state_of(digest), out, 32);
}

void auth_code(const struct snapshot_key *key, const struct snapshot_header *header,
               const struct snapshot_working_set *set, const void *parts, size_t size,
               uint8_t out[32])
{
	blake2b_state state;

	blake2b_init_key(&state, 32, key->bytes, sizeof key->bytes);
	blake2b_update(&state, (const uint8_t *)header, offsetof(struct snapshot_header, code));
	if (set)
		blake2b_update(&state, (const uint8_t *)set, sizeof *set);
	blake2b_update(&state, parts, size);
	blake2b_final(&state, out, 32);
}

int auth_is_equal(const uint8_t a[32], const uint8_t b[32])
{
	unsigned char difference = 0;

	for (unsigned i = 0; i < 32; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

int snapshot_key_read(struct snapshot_key *key, const char *path, struct mote_error *err)
{
	blake2b_state state;
	unsigned char bytes[4096];
	size_t size = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot open the key file %s",
		                        path);
	blake2b_init(&state, sizeof key->bytes);
	while ((got = read(fd, bytes, sizeof bytes)) > 0 && size <= KEY_FILE_MAX) {
		blake2b_update(&state, bytes, (size_t)got);
		size += (size_t)got;
	}
	close(fd);
	blake2b_final(&state, key->bytes, sizeof key->bytes);
	explicit_bzero(bytes, sizeof bytes);
	explicit_bzero(&state, sizeof state);
	if (got < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot read the key file %s",
		                        path);
	if (size < KEY_FILE_MIN || size > KEY_FILE_MAX)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the key file %s is too %s: %d to %d bytes make a key", path,
		                      size < KEY_FILE_MIN ? "short" : "long", KEY_FILE_MIN,
		                      KEY_FILE_MAX);
	return 0;
}
