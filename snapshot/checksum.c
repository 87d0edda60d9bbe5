/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3, from the header that is the whole of xxHash. */
#include "snapshot/checksum.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(XXH3_state_t) <= sizeof(struct checksum) && _Alignof(XXH3_state_t) <= 64,
               "room for the state of XXH3");

uint64_t checksum_64(const void *bytes, size_t size)
{
	return XXH3_64bits(bytes, size);
}

void checksum_128(const void *bytes, size_t size, uint8_t out[16])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
	memcpy(out, canonical.digest, 16);
}

void checksum_start(struct checksum *sum)
{
	XXH3_64bits_reset((XXH3_state_t *)sum->state);
}

void checksum_add(struct checksum *sum, const void *bytes, size_t size)
{
	XXH3_64bits_update((XXH3_state_t *)sum->state, bytes, size);
}

uint64_t checksum_end(const struct checksum *sum)
{
	return XXH3_64bits_digest((const XXH3_state_t *)sum->state);
}
