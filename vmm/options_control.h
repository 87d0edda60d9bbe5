/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --name and --label: what a microVM is called. */
#ifndef MOTE_VMM_OPTIONS_CONTROL_H
#define MOTE_VMM_OPTIONS_CONTROL_H

#include <stdbool.h>

#include "vmm/error.h"

#define CONTROL_NAME_MAX   63u /* bytes */
#define CONTROL_LABELS_MAX 16
#define CONTROL_LABEL_MAX  255u /* bytes of K=V */

struct control_options {
	const char *name;                       /* NULL: none, and no control socket */
	const char *labels[CONTROL_LABELS_MAX]; /* each "K=V", keys unique */
	unsigned label_count;
};

/* Whether a text can be a name: a letter, then letters, digits, '-', '_' and '.'. */
bool control_is_name(const char *name);

int control_options_name(struct control_options *options, const char *value,
                         struct mote_error *err);

/* Adds a label, or replaces the one of the same key. */
int control_options_label(struct control_options *options, const char *value,
                          struct mote_error *err);

#endif
