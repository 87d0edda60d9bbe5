/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the names that exist was meant by a word that is none of them. */
#ifndef MOTE_VMM_TYPO_H
#define MOTE_VMM_TYPO_H

#include <stdbool.h>
#include <stddef.h>

/**
 * is_likely_typo() - Was the one word probably meant to be the other?
 * @word: what was typed, @word_length bytes, compared without looking past them
 * @name: a name that exists
 * @best: distance of the best candidate so far; start with UINT_MAX
 *
 * Counts insertions, deletions, substitutions and swaps of neighbours; a beginning of the name, or
 * the name with more behind it, counts as one step.
 *
 * Return: whether @name is close, and closer than @best, which it then replaces.
 */
bool is_likely_typo(const char *word, size_t word_length, const char *name, unsigned int *best);

#endif
