/* SPDX-License-Identifier: Apache-2.0 */
/* The device tree of a start from a snapshot. */
#include "vmm/start_tree.h"

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#define TREE_MAX   (1u << 20) /* bytes of a snapshot's tree that can be right */
#define OVERHEAD   4096u      /* structure and names of what is added */
#define DEVICE     "virtio@"
#define SEED       "rng-seed"
#define DEPTH_ROOT 1

void *start_tree_keep(const void *tree, size_t size)
{
	void *copy = malloc(size);
	const void *seed;
	int length;

	if (!copy)
		return NULL;
	memcpy(copy, tree, size);
	seed = fdt_getprop(copy, fdt_path_offset(copy, "/chosen"), SEED, &length);
	if (seed)
		memset((char *)copy + ((const char *)seed - (const char *)copy), 0, (size_t)length);
	return copy;
}

static int malformed(struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
	                      "the snapshot's device tree is not as it should be: the file is "
	                      "damaged");
}

/* ---- lists of strings ---- */

/* Strings one behind the other, each with its NUL. */
struct list {
	char *bytes;
	size_t size, room;
	bool is_full; /* something did not fit */
};

static void append(struct list *list, const char *string)
{
	size_t size = strlen(string) + 1;

	list->is_full |= size > list->room - list->size;
	if (list->is_full)
		return;
	memcpy(list->bytes + list->size, string, size);
	list->size += size;
}

/* The program keeps its name. */
static void replace_arguments(struct list *list, const char *old, const struct run_options *options)
{
	append(list, old);
	for (int i = 1; i < options->argc; i++)
		append(list, options->argv[i]);
}

static bool is_asked_for(const struct run_options *options, int index)
{
	return index >= 32 || !(options->default_env >> index & 1);
}

/* What sets the variable of @entry, if the user has said so; NULL: nothing does. */
static const char *replacement(const struct run_options *options, const char *entry)
{
	size_t length = strcspn(entry, "=");

	for (int i = 0; i < options->env_count; i++)
		if (is_asked_for(options, i) && !strncmp(options->env[i], entry, length) &&
		    options->env[i][length] == '=')
			return options->env[i];
	return NULL;
}

static bool has_variable(const char *old, size_t size, const char *entry)
{
	size_t length = strcspn(entry, "=") + 1;

	for (const char *at = old; at < old + size; at += strlen(at) + 1)
		if (!strncmp(at, entry, length))
			return true;
	return false;
}

static void replace_environment(struct list *list, const char *old, size_t size,
                                const struct run_options *options)
{
	for (const char *at = old; at < old + size; at += strlen(at) + 1) {
		const char *instead = replacement(options, at);

		append(list, instead ? instead : at);
	}
	for (int i = 0; i < options->env_count; i++)
		if (is_asked_for(options, i) && !has_variable(old, size, options->env[i]))
			append(list, options->env[i]);
}

/* ---- the tree ---- */

struct work {
	const void *old;
	const struct run_options *options;
	struct list list; /* room for all strings */
	void *to;
	bool has_hostname;
};

/* One property of the node `chosen`. Strings end with a NUL, or the tree is wrong. */
static int put_chosen(struct work *work, const char *name, const char *value, int length)
{
	bool is_strings = length > 0 && !value[length - 1];

	work->list.size = 0;
	if (!strcmp(name, "mote,arguments") && is_strings && work->options->argc > 1) {
		replace_arguments(&work->list, value, work->options);
	} else if (!strcmp(name, "mote,environment") && (is_strings || !length)) {
		replace_environment(&work->list, value, (size_t)length, work->options);
	} else if (!strcmp(name, "mote,hostname") && work->options->hostname) {
		work->has_hostname = true;
		append(&work->list, work->options->hostname);
	} else {
		return fdt_property(work->to, name, value, length);
	}
	return work->list.is_full
	               ? -FDT_ERR_NOSPACE
	               : fdt_property(work->to, name, work->list.bytes, (int)work->list.size);
}

static int put_property(struct work *work, int offset, bool is_chosen)
{
	const char *name, *value;
	int length;

	value = fdt_getprop_by_offset(work->old, offset, &name, &length);
	if (!value)
		return length;
	return is_chosen ? put_chosen(work, name, value, length)
	                 : fdt_property(work->to, name, value, length);
}

/* A host name that there was none of before goes behind the last property of `chosen`. */
static int end_chosen(struct work *work)
{
	if (work->has_hostname || !work->options->hostname)
		return 0;
	work->has_hostname = true;
	return fdt_property_string(work->to, "mote,hostname", work->options->hostname);
}

/* Copies all but devices. Return: 0, or an error of libfdt's. */
static int copy(struct work *work)
{
	int depth = 0, skipped = 0, next = 0, status = 0;
	bool is_chosen = false;

	while (!status) {
		int offset = next;
		uint32_t tag = fdt_next_tag(work->old, offset, &next);
		const char *name;

		switch (tag) {
		case FDT_BEGIN_NODE:
			name = fdt_get_name(work->old, offset, NULL);
			if (!name)
				return -FDT_ERR_BADSTRUCTURE;
			if (skipped ||
			    (depth == DEPTH_ROOT && !strncmp(name, DEVICE, sizeof DEVICE - 1))) {
				skipped++;
				break;
			}
			if (is_chosen)
				status = end_chosen(work);
			is_chosen = depth == DEPTH_ROOT && !strcmp(name, "chosen");
			depth++;
			if (!status)
				status = fdt_begin_node(work->to, name);
			break;
		case FDT_PROP:
			if (!skipped)
				status = put_property(work, offset, is_chosen);
			break;
		case FDT_END_NODE:
			if (skipped) {
				skipped--;
				break;
			}
			if (is_chosen)
				status = end_chosen(work);
			is_chosen = false;
			if (--depth == 0)
				return status;
			if (!status)
				status = fdt_end_node(work->to);
			break;
		case FDT_NOP: break;
		default: return -FDT_ERR_BADSTRUCTURE;
		}
		if (depth == 0 && tag != FDT_NOP)
			return -FDT_ERR_BADSTRUCTURE;
	}
	return status;
}

/* The usual case, in which nothing has to be built to be compared. */
static bool replaces_nothing(const struct run_options *options, const struct devices *devices)
{
	if (options->argc > 1 || options->hostname || devices->count)
		return false;
	for (int i = 0; i < options->env_count; i++)
		if (is_asked_for(options, i))
			return false;
	return true;
}

static size_t strings_size(const struct run_options *options)
{
	size_t size = options->hostname ? strlen(options->hostname) + 1 : 0;

	for (int i = 0; i < options->argc; i++)
		size += strlen(options->argv[i]) + 1;
	for (int i = 0; i < options->env_count; i++)
		size += strlen(options->env[i]) + 1;
	return size;
}

static int build(struct work *work, size_t bound, const struct devices *devices)
{
	return fdt_create(work->to, (int)bound) || fdt_finish_reservemap(work->to) || copy(work) ||
	       devices_describe(devices, work->to) || fdt_end_node(work->to) ||
	       fdt_finish(work->to);
}

/* musl gives large pieces back in its own way. */
/* #syscalls:load madvise(MADV_FREE) */
int start_tree_build(const void *old, size_t old_size, const struct run_options *options,
                     const struct devices *devices, void **tree, size_t *size,
                     struct mote_error *err)
{
	size_t strings = strings_size(options);
	size_t bound = old_size + strings + devices_describe_bound(devices) + OVERHEAD;
	struct work work = {.old = old, .options = options};
	int status = -1;

	*tree = NULL;
	*size = 0;
	if (old_size < sizeof(struct fdt_header) || old_size > TREE_MAX || fdt_check_header(old) ||
	    fdt_totalsize(old) > old_size || fdt_off_dt_struct(old) % sizeof(fdt32_t))
		return malformed(err);
	if (replaces_nothing(options, devices))
		return 0;
	work.to = calloc(1, bound);
	work.list.room = old_size + strings;
	work.list.bytes = malloc(work.list.room);
	if (!work.to || !work.list.bytes)
		mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a device tree");
	else if (build(&work, bound, devices))
		malformed(err);
	else
		status = 0;
	free(work.list.bytes);
	if (status || (fdt_totalsize(work.to) == fdt_totalsize(old) &&
	               !memcmp(work.to, old, fdt_totalsize(old)))) {
		free(work.to);
		return status;
	}
	*tree = work.to;
	*size = fdt_totalsize(work.to);
	return 0;
}
