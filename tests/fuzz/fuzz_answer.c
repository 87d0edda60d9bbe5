/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of functions' answers: nothing outside of the bytes is touched, and what it says fits.
 */
#include <stdlib.h>
#include <string.h>

#include "serve/answer.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(const char *text, const unsigned char *bytes, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;

	if (at < bytes || at >= bytes + size || !memchr(at, 0, (size_t)(bytes + size - at)) ||
	    strpbrk(text, "\r\n"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer answer;
	unsigned char *bytes;
	bool is_all, is_text;

	if (!size)
		return 0;
	is_all = data[0] & 1;
	is_text = data[0] & 2;
	bytes = malloc(size);
	memcpy(bytes, data + 1, size - 1);
	size--;
	if (is_text && !is_all && !answer_has_text_head(bytes, size)) {
		free(bytes);
		return 0;
	}
	if (!(is_text ? answer_read_text(&answer, bytes, size, is_all, data[0] & 4)
	              : answer_read(&answer, bytes, size, is_all))) {
		if (answer.status < 200 || answer.status > 599 || answer.body < bytes ||
		    answer.body + answer.body_here > bytes + size ||
		    answer.header_count > ANSWER_HEADERS_MAX)
			abort();
		for (unsigned i = 0; i < answer.header_count; i++) {
			check_string(answer.headers[i].name, bytes, size);
			check_string(answer.headers[i].value, bytes, size);
		}
	}
	free(bytes);
	return 0;
}
