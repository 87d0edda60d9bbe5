/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes: a ChaCha20 generator keyed by the VMM's seed. */
#ifndef MOTE_GUESTKIT_RANDOM_H
#define MOTE_GUESTKIT_RANDOM_H

#include <stddef.h>

/* Fill @buffer with bytes fit for keys. Cannot fail. Must not be called before random_seed(). */
void random_fill(void *buffer, size_t length);

/**
 * random_seed() - Mix bytes into the generator's key.
 * @seed: any bytes; 32 unpredictable ones make the generator unpredictable, whatever it was before,
 *        and predictable ones never make it worse
 *
 * The caller wipes its copy of the seed.
 */
void random_seed(const void *seed, size_t length);

/* random_seed() of RANDOM_SEED_SIZE bytes that takes place before anything random is given out. */
#define RANDOM_SEED_SIZE 32
void random_seed_later(const void *seed);

#endif
