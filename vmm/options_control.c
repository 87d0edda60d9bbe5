/* SPDX-License-Identifier: Apache-2.0 */
/* The strict parser for the values of --name and --label. */
#include "vmm/options_control.h"

#include <string.h>

#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_CHARS LETTERS "0123456789-_."

bool control_is_name(const char *name)
{
	size_t length = strlen(name);

	return length && length <= CONTROL_NAME_MAX && strchr(LETTERS, name[0]) &&
	       strspn(name, NAME_CHARS) == length;
}

int control_options_name(struct control_options *options, const char *value, struct mote_error *err)
{
	if (!control_is_name(value))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "--name '%.64s' is no name: that is a letter, and up to %u "
		                      "letters, digits, '-', '_' and '.' (see mote help run)",
		                      value, CONTROL_NAME_MAX - 1);
	options->name = value;
	return 0;
}

int control_options_label(struct control_options *options, const char *value,
                          struct mote_error *err)
{
	const char *equals = strchr(value, '=');
	size_t key = equals ? (size_t)(equals - value) : 0;

	if (!key || strspn(value, NAME_CHARS) != key || strlen(value) > CONTROL_LABEL_MAX)
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "--label '%.64s' is no label: that is KEY=VALUE of at most %u "
		        "bytes, the key of letters, digits, '-', '_' and '.' (see mote "
		        "help run)",
		        value, CONTROL_LABEL_MAX);
	for (unsigned i = 0; i < options->label_count; i++) {
		if (!strncmp(options->labels[i], value, key + 1)) {
			options->labels[i] = value;
			return 0;
		}
	}
	if (options->label_count == CONTROL_LABELS_MAX)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "more than %d labels (see mote help run)",
		                      CONTROL_LABELS_MAX);
	options->labels[options->label_count++] = value;
	return 0;
}
