/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration of libmote holds. */
#ifndef MOTE_LIBMOTE_CONFIG_H
#define MOTE_LIBMOTE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "mote/mote.h"
#include "vmm/options.h"

struct mote_config {
	char **words; /* as on the command line: "--name" or "--name=value" */
	size_t word_count, word_room;
	char **argv; /* argv[argc] is NULL; NULL: there are none yet */
	int argc;
	char *term[2];  /* "TERM=...", of when it was made; the last is NULL */
	int streams[3]; /* descriptors of its own; -1: those of the process */
	bool is_confined, is_used_once;
};

/* Options of one VM, and what their strings lie in. */
struct config_options {
	struct run_options options;
	void *block;
};

/**
 * config_parse() - What `mote run` or, with a snapshot, `mote restore` would make of it.
 * @config:   NULL: one that nothing was set in
 * @snapshot: NULL: none
 * @options:  filled; for config_options_free(). Nothing of it lies in @config
 */
int config_parse(const struct mote_config *config, const char *snapshot,
                 struct config_options *options, struct mote_error *err);

/* May be called twice. */
void config_options_free(struct config_options *options);

#endif
