/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of libmote share: checks that may be made by several threads. */
#ifndef MOTE_TESTS_LIB_CHECK_H
#define MOTE_TESTS_LIB_CHECK_H

#include <mote/mote.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint checks_made, checks_failed;

/* Prints what does not hold, with the error object of the test. */
#define CHECK(condition, err)                                                                \
	do {                                                                                 \
		atomic_fetch_add(&checks_made, 1);                                           \
		if (!(condition)) {                                                          \
			atomic_fetch_add(&checks_failed, 1);                                 \
			printf("%s:%d: %s (error %d: %s)\n", __FILE__, __LINE__, #condition, \
			       (err)->code, (err)->text);                                    \
		}                                                                            \
	} while (0)

static inline int check_result(void)
{
	printf("%u checks, %u failed\n", checks_made, checks_failed);
	return checks_failed ? 1 : 0;
}

/* A configuration of a program with one argument, or none; output to nowhere. */
static inline struct mote_config *config_of(const char *program, const char *argument)
{
	const char *words[] = {program, argument};
	struct mote_config *config = mote_config_new();
	struct mote_error err = {0, ""};

	if (!config || mote_config_arguments(config, argument ? 2 : 1, words, &err) ||
	    mote_config_streams(config, -1, -1, -1, &err)) {
		printf("no configuration of %s: %s\n", program, err.text);
		exit(1);
	}
	return config;
}

#endif
