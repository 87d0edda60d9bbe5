/* SPDX-License-Identifier: Apache-2.0 */
/* The input of a fuzz target as a stream of small values; zeros when it is used up. */
#ifndef MOTE_TESTS_FUZZ_INPUT_H
#define MOTE_TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

static inline void take(struct input *input, void *to, size_t length)
{
	size_t part = length < input->left ? length : input->left;

	memset(to, 0, length);
	if (part)
		memcpy(to, input->at, part);
	input->at += part;
	input->left -= part;
}

static inline uint8_t take_byte(struct input *input)
{
	uint8_t byte;

	take(input, &byte, 1);
	return byte;
}

static inline uint16_t take_short(struct input *input)
{
	uint16_t value;

	take(input, &value, sizeof value);
	return value;
}

static inline uint32_t take_word(struct input *input)
{
	uint32_t value;

	take(input, &value, sizeof value);
	return value;
}

#endif
