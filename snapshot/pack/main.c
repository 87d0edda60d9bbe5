/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mote-pack: packs snapshots for transport and unpacks them, as `mote snapshot pack` and `unpack`.
 *
 * Files are opened here; what reads them is confined, and the new one gets its name only after.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/pack/pack.h"
#include "vmm/confined_child.h"
#include "vmm/lost_page.h"
#include "vmm/new_file.h"

#define SUFFIX ".zst"

struct work {
	const char *input;
	int from;
	uint64_t size; /* of it */
	struct new_file file;
};

static int do_pack(void *ctx, struct mote_error *err)
{
	struct work *work = ctx;
	struct snapshot snapshot;

	if (snapshot_open_file(&snapshot, work->from, work->size, work->input, err))
		return -1;
	snapshot.is_only_looked_at = true;
	return pack(&snapshot, work->file.fd, err);
}

static int do_unpack(void *ctx, struct mote_error *err)
{
	struct work *work = ctx;

	return unpack(work->from, work->input, work->file.fd, err);
}

static int open_input(struct work *work, struct mote_error *err)
{
	struct stat stat;

	work->from = open(work->input, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (work->from < 0)
		return mote_error_errno(
		        err, errno == ENOENT ? MOTE_STATUS_NOT_FOUND : MOTE_STATUS_CANNOT_RUN,
		        "cannot open %s", work->input);
	if (fstat(work->from, &stat) || !S_ISREG(stat.st_mode))
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN, "%s is not a regular file",
		                      work->input);
	work->size = (uint64_t)stat.st_size;
	return 0;
}

/* What the output is called where nobody said. */
static int derive_name(const char *input, bool is_packing, char name[PATH_MAX],
                       struct mote_error *err)
{
	size_t length = strlen(input), suffix = strlen(SUFFIX);

	if (length + suffix >= PATH_MAX)
		return mote_error_set(err, MOTE_STATUS_FAILED, "the path is too long");
	if (!is_packing && (length <= suffix || strcmp(input + length - suffix, SUFFIX) != 0))
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "%s does not end in " SUFFIX ": give the name of the output by -o", input);
	if (is_packing)
		snprintf(name, PATH_MAX, "%s" SUFFIX, input);
	else
		snprintf(name, PATH_MAX, "%.*s", (int)(length - suffix), input);
	return 0;
}

static int run(int argc, char **argv, struct mote_error *err)
{
	bool is_packing = strcmp(argv[0], "pack") == 0;
	struct work work = {.input = NULL};
	const char *output = NULL;
	char name[PATH_MAX];
	int status = -1;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0)
			output = i + 1 < argc ? argv[++i] : "";
		else if (argv[i][0] == '-' || work.input)
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "one file is wanted: mote snapshot %s FILE [-o "
			                      "FILE]",
			                      argv[0]);
		else
			work.input = argv[i];
	}
	if (!work.input || (output && !*output))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "no file given: mote snapshot %s FILE [-o FILE]", argv[0]);
	if (!output) {
		if (derive_name(work.input, is_packing, name, err))
			return -1;
		output = name;
	}
	if (lost_page_init(err) || open_input(&work, err) ||
	    new_file_create(&work.file, output, err))
		return -1;
	if (confined_child_run(is_packing ? do_pack : do_unpack, &work,
	                       is_packing ? "packs the snapshot" : "unpacks the snapshot",
	                       err) == 0)
		status = new_file_keep(&work.file, err);
	new_file_discard(&work.file);
	return status;
}

int main(int argc, char **argv)
{
	struct mote_error err = {0};

	if (argc < 1 || (strcmp(argv[0], "pack") != 0 && strcmp(argv[0], "unpack") != 0)) {
		fputs("mote-pack: started by mote snapshot pack and mote snapshot unpack\n",
		      stderr);
		return MOTE_STATUS_FAILED;
	}
	if (run(argc, argv, &err) == 0)
		return 0;
	fprintf(stderr, "mote: %s\n", err.text);
	return err.code;
}
