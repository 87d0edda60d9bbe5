/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes: ChaCha20 with fast key erasure. */
#include "guestkit/random.h"

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/console.h"
#include "guestkit/process_end.h"
#include "guestkit/string.h"
#include "mote/abi.h"

/*
 * How it works. The whole state is one ChaCha20 key. Each request runs the cipher once: half of
 * the block becomes the next key, at once, so that whoever reads the kit's memory later cannot
 * compute what was given out before. The other half is the answer, or, for more than 32 bytes, the
 * key of a stream that is the answer. A seed is absorbed 32 bytes at a time: the key becomes the
 * cipher's output under the key XOR these bytes, in a domain of its own.
 *
 * A guest that is started from a snapshot has the key of all others that are. It takes the seed of
 * its own generation first (snapshot.c); whoever asks before that ends the guest.
 */

#define KEY_SIZE   32
#define BLOCK_SIZE 64

#define ASSERT_STATUS 134 /* 128 + SIGABRT */

/* Input of the cipher, RFC 8439, 2.3: constants, key, block counter, nonce. */
struct chacha {
	uint32_t word[16];
};

/* The last word of the nonce keeps the uses of the cipher apart. */
enum domain { DOMAIN_OUTPUT = 0, DOMAIN_STREAM = 1, DOMAIN_SEED = 2 };

static unsigned char key[KEY_SIZE];

/* A seed that is absorbed when random bytes are wanted: many requests want none. */
static struct {
	unsigned char seed[RANDOM_SEED_SIZE];
	bool is_there;
} later;

#ifdef MOTE_HOSTED /* unit tests have a run page of their own */
extern struct mote_run *const run_page;
#else
static struct mote_run *const run_page = (struct mote_run *)MOTE_RUN_VA;
#endif

static void check_generation(void)
{
	const struct mote_generation *generation = &run_page->generation;

	if (!memcmp(generation->taken, generation->id, sizeof(generation->id)))
		return;
	kit_print("mote: guest kit: random bytes were wanted before this start was made unlike "
	          "others\n");
	end_exit(ASSERT_STATUS);
}

/* Forget a secret: the barrier keeps the compiler from dropping the stores. */
static void wipe(void *secret, size_t length)
{
	memset(secret, 0, length);
	__asm__ volatile("" : : "r"(secret) : "memory");
}

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

/* RFC 8439, 2.1 */
static void quarter_round(uint32_t *word, unsigned a, unsigned b, unsigned c, unsigned d)
{
	word[a] += word[b];
	word[d] = rotate(word[d] ^ word[a], 16);
	word[c] += word[d];
	word[b] = rotate(word[b] ^ word[c], 12);
	word[a] += word[b];
	word[d] = rotate(word[d] ^ word[a], 8);
	word[c] += word[d];
	word[b] = rotate(word[b] ^ word[c], 7);
}

/* RFC 8439, 2.3. x86 is little-endian: words are stored as they are. */
static void chacha_block(const struct chacha *input, unsigned char *block)
{
	struct chacha work = *input;

	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 4; i++)
			quarter_round(work.word, i, 4 + i, 8 + i, 12 + i);
		for (unsigned i = 0; i < 4; i++)
			quarter_round(work.word, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4,
			              12 + (i + 3) % 4);
	}
	for (unsigned i = 0; i < 16; i++)
		work.word[i] += input->word[i];
	memcpy(block, work.word, BLOCK_SIZE);
	wipe(&work, sizeof(work));
}

static void chacha_init(struct chacha *state, const unsigned char *with_key, enum domain domain)
{
	static const char constants[16] __attribute__((nonstring)) = "expand 32-byte k";

	memcpy(state->word, constants, sizeof(constants));
	memcpy(state->word + 4, with_key, KEY_SIZE);
	memset(state->word + 12, 0, 12);
	state->word[15] = domain;
}

/* The counter is 64 bits wide, in two words, so that no request is too long. */
static void stream(const unsigned char *stream_key, unsigned char *out, size_t length)
{
	unsigned char block[BLOCK_SIZE];
	struct chacha state;

	chacha_init(&state, stream_key, DOMAIN_STREAM);
	while (length > 0) {
		size_t part = length < BLOCK_SIZE ? length : BLOCK_SIZE;

		chacha_block(&state, block);
		memcpy(out, block, part);
		out += part;
		length -= part;
		if (++state.word[12] == 0)
			state.word[13]++;
	}
	wipe(&state, sizeof(state));
	wipe(block, sizeof(block));
}

/* The length of a piece is part of the input: a seed is not the same with zeros behind it. */
static void absorb(const unsigned char *piece, size_t length)
{
	unsigned char block[BLOCK_SIZE];
	struct chacha state;

	for (size_t i = 0; i < length; i++)
		key[i] ^= piece[i];
	chacha_init(&state, key, DOMAIN_SEED);
	state.word[12] = (uint32_t)length;
	chacha_block(&state, block);
	memcpy(key, block, KEY_SIZE);
	wipe(&state, sizeof(state));
	wipe(block, sizeof(block));
}

static void absorb_later(void)
{
	if (!later.is_there)
		return;
	absorb(later.seed, sizeof(later.seed));
	wipe(&later, sizeof(later));
}

void random_fill(void *buffer, size_t length)
{
	unsigned char block[BLOCK_SIZE];
	struct chacha state;

	check_generation();
	absorb_later();
	chacha_init(&state, key, DOMAIN_OUTPUT);
	chacha_block(&state, block);
	memcpy(key, block, KEY_SIZE);
	if (length <= BLOCK_SIZE - KEY_SIZE)
		memcpy(buffer, block + KEY_SIZE, length);
	else
		stream(block + KEY_SIZE, buffer, length);
	wipe(&state, sizeof(state));
	wipe(block, sizeof(block));
}

void random_seed(const void *seed, size_t length)
{
	const unsigned char *bytes = seed;

	absorb_later();
	while (length > 0) {
		size_t part = length < KEY_SIZE ? length : KEY_SIZE;

		absorb(bytes, part);
		bytes += part;
		length -= part;
	}
}

void random_seed_later(const void *seed)
{
	absorb_later();
	memcpy(later.seed, seed, sizeof(later.seed));
	later.is_there = true;
}
