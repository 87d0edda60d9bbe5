/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the kit's random number generator: the cipher's vectors, key erasure and seeding. */
#define MOTE_HOSTED
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "guestkit/random.c"

static struct mote_run page;
struct mote_run *const run_page = &page;

void kit_print(const char *format, ...)
{
	(void)format;
}

void end_exit(int status)
{
	exit(status);
}

/* Key of RFC 8439, 2.3.2: the bytes 0 to 31. */
static void counting_key(unsigned char *to)
{
	for (unsigned i = 0; i < KEY_SIZE; i++)
		to[i] = (unsigned char)i;
}

static void check_block(const unsigned char *with_key, uint32_t counter, const uint32_t *nonce,
                        const unsigned char *expected, size_t length)
{
	unsigned char block[BLOCK_SIZE];
	struct chacha state;

	chacha_init(&state, with_key, DOMAIN_OUTPUT);
	state.word[12] = counter;
	memcpy(state.word + 13, nonce, 12);
	chacha_block(&state, block);
	cr_assert_arr_eq(block, expected, length);
}

/* RFC 8439, 2.1.1 */
Test(random, quarter_round_vector)
{
	uint32_t word[4] = {0x11111111, 0x01020304, 0x9b8d6f43, 0x01234567};
	const uint32_t expected[4] = {0xea2a92f4, 0xcb1cf8ce, 0x4581472e, 0x5881c4bb};

	quarter_round(word, 0, 1, 2, 3);
	cr_assert_arr_eq(word, expected, sizeof(expected));
}

/* RFC 8439, 2.3.2 */
Test(random, block_vector)
{
	const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0};
	const unsigned char expected[BLOCK_SIZE] = {
	        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
	        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
	        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
	        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
	        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
	unsigned char with_key[KEY_SIZE];

	counting_key(with_key);
	check_block(with_key, 1, nonce, expected, sizeof(expected));
}

/* RFC 8439, A.1, test vectors 1 and 2: first half of the blocks 0 and 1 */
Test(random, zero_key_vectors)
{
	const unsigned char zero[KEY_SIZE] = {0};
	const uint32_t nonce[3] = {0};
	const unsigned char first[] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
	                               0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28};
	const unsigned char second[] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
	                                0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d};

	check_block(zero, 0, nonce, first, sizeof(first));
	check_block(zero, 1, nonce, second, sizeof(second));
}

/* The answer to a short request is the second half of the block; the first is the next key. */
Test(random, key_is_erased)
{
	const unsigned char first[] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90};
	const unsigned char answer[] = {0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d};
	unsigned char out[sizeof(answer)];

	memset(key, 0, sizeof(key));
	random_fill(out, sizeof(out));
	cr_assert_arr_eq(out, answer, sizeof(answer));
	cr_assert_arr_eq(key, first, sizeof(first));
}

Test(random, answers_differ)
{
	unsigned char a[100], b[100];

	random_seed("seed", 4);
	random_fill(a, sizeof(a));
	random_fill(b, sizeof(b));
	cr_assert_arr_neq(a, b, sizeof(a));
	random_fill(a, 8);
	random_fill(b, 8);
	cr_assert_arr_neq(a, b, 8);
}

/* Exactly the bytes asked for are written, whatever the length. */
Test(random, lengths)
{
	unsigned char out[300];

	for (size_t length = 0; length < sizeof(out) - 1; length++) {
		memset(out, 0xee, sizeof(out));
		random_fill(out, length);
		cr_assert_eq(out[length], 0xee);
		cr_assert_eq(out[length + 1], 0xee);
		if (length >= 16) {
			size_t same = 0;

			for (size_t i = 0; i < length; i++)
				same += out[i] == 0xee;
			cr_assert_lt(same, length / 4 + 4);
		}
	}
}

/* Of each bit about half are set in a long answer. */
Test(random, bits_are_balanced)
{
	static unsigned char out[8192];
	size_t ones = 0;

	random_seed("seed", 4);
	random_fill(out, sizeof(out));
	for (size_t i = 0; i < sizeof(out); i++)
		ones += (size_t)__builtin_popcount(out[i]);
	cr_assert(ones > 32768 - 1280 && ones < 32768 + 1280, "%zu of 65536", ones);
}

static void seeded_answer(const void *seed, size_t length, unsigned char *answer)
{
	memset(key, 7, sizeof(key));
	random_seed(seed, length);
	random_fill(answer, 16);
}

Test(random, seeds_matter)
{
	static const unsigned char seed[64] = {1, [32] = 2};
	unsigned char a[16], b[16];

	seeded_answer(seed, 32, a);
	seeded_answer(seed, 32, b);
	cr_assert_arr_eq(a, b, sizeof(a), "a seed decides the answer");
	seeded_answer(seed, 31, b);
	cr_assert_arr_neq(a, b, sizeof(a), "a zero behind a seed counts");
	seeded_answer(seed, 64, b);
	cr_assert_arr_neq(a, b, sizeof(a), "so does what follows 32 bytes");
}

/* A seed adds to what was there and does not replace it. */
Test(random, seeds_mix)
{
	unsigned char a[16], b[16];

	memset(key, 1, sizeof(key));
	random_seed("same", 4);
	random_fill(a, sizeof(a));
	memset(key, 2, sizeof(key));
	random_seed("same", 4);
	random_fill(b, sizeof(b));
	cr_assert_arr_neq(a, b, sizeof(a));
}

/* A start from a snapshot has the key that all others have: nothing is given out before its own
 * seed was taken. */
Test(random, nothing_before_the_generation_is_taken, .exit_code = ASSERT_STATUS)
{
	unsigned char byte;

	random_seed("x", 1);
	random_fill(&byte, 1);
	page.generation.id[15] = 1;
	random_fill(&byte, 1);
}

Test(random, a_generation_that_is_taken_gives)
{
	unsigned char first[KEY_SIZE], second[KEY_SIZE], before[KEY_SIZE];

	random_seed("x", 1);
	memcpy(before, key, sizeof(key));
	random_fill(first, sizeof(first));
	memcpy(key, before, sizeof(key));
	memset(page.generation.id, 7, sizeof(page.generation.id));
	random_seed("another seed", 12);
	memcpy(page.generation.taken, page.generation.id, sizeof(page.generation.id));
	random_fill(second, sizeof(second));
	cr_assert_arr_neq(first, second, sizeof(first));
}

/* A seed that is absorbed later is the same seed, whatever comes between. */
Test(random, seeds_for_later)
{
	static const unsigned char one[RANDOM_SEED_SIZE] = {1}, two[RANDOM_SEED_SIZE] = {2};
	unsigned char a[100], b[100];

	memset(key, 7, sizeof(key));
	random_seed(one, sizeof(one));
	random_seed(two, sizeof(two));
	random_seed("x", 1);
	random_fill(a, sizeof(a));
	memset(key, 7, sizeof(key));
	random_seed_later(one);
	random_seed_later(two);
	random_seed("x", 1);
	random_fill(b, sizeof(b));
	cr_assert_arr_eq(a, b, sizeof(a));
	memset(key, 7, sizeof(key));
	random_seed_later(two);
	random_fill(b, sizeof(b));
	cr_assert_arr_neq(a, b, sizeof(a));
}

Test(random, nothing_is_left_of_a_seed_for_later)
{
	static const unsigned char seed[RANDOM_SEED_SIZE] = {1, 2, 3};
	unsigned char byte;

	random_seed_later(seed);
	random_fill(&byte, 1);
	cr_assert_not(later.is_there);
	for (size_t i = 0; i < sizeof(later.seed); i++)
		cr_assert_eq(later.seed[i], 0);
}
