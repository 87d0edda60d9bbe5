/* SPDX-License-Identifier: Apache-2.0 */
/* The distance between a mistyped word and a name, for "did you mean". */
#include "vmm/typo.h"

#include <string.h>

#define TYPO_WORD_MAX 24 /* longer than any name; longer words are no typing errors */

/* Optimal string alignment distance of two words of at most TYPO_WORD_MAX bytes. */
static unsigned int edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned char rows[3][TYPO_WORD_MAX + 1]; /* the last three rows of the table, in turn */

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned char *row = rows[i % 3];
		const unsigned char *above = rows[(i + 2) % 3];
		const unsigned char *above2 = rows[(i + 1) % 3];

		row[0] = (unsigned char)i;
		for (size_t j = 1; j <= b_length; j++) {
			int best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above2[j - 2] + 1 < best)
				best = above2[j - 2] + 1;
			row[j] = (unsigned char)best;
		}
	}
	return rows[a_length % 3][b_length];
}

bool is_likely_typo(const char *word, size_t word_length, const char *name, unsigned int *best)
{
	size_t name_length = strlen(name);
	size_t common = word_length < name_length ? word_length : name_length;

	if (word_length > TYPO_WORD_MAX || name_length > TYPO_WORD_MAX)
		return false;

	unsigned int distance = edit_distance(word, word_length, name, name_length);

	if (common >= 2 && memcmp(word, name, common) == 0 && distance > 1)
		distance = 1;
	/* Half of a short name may not be wrong, else everything resembles everything. */
	if (distance > 2 || distance * 2 > name_length || distance >= *best)
		return false;
	*best = distance;
	return true;
}
