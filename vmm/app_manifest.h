/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of an application image: what to run, and how. docs/image-format.md has its lines.
 */
#ifndef MOTE_VMM_APP_MANIFEST_H
#define MOTE_VMM_APP_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/options_disk.h"
#include "vmm/options_share.h"

/* More than the longest manifest, in which every byte of every string is escaped. */
#define APP_MANIFEST_MAX (1u << 20)

/* Strings belong to the object, or to whoever filled it. */
struct app_manifest {
	const char *program; /* path inside the root, or the name of the program in the image */
	bool is_in_root;
	char **arguments; /* behind the program's name; [argument_count] is NULL */
	int argument_count;
	char **env; /* "K=V"; [env_count] is NULL */
	int env_count;
	const char *cwd;       /* absolute; NULL: not said */
	uint64_t memory_bytes; /* 0: not said */
	/* What it wants of the host; which directory, file and so on is for the user to say. */
	const char *shares[SHARES_MAX]; /* directories: where in the guest */
	unsigned int share_count;
	const char *disks[DISKS_MAX]; /* by their names */
	unsigned int disk_count;
	bool wants_network, wants_vsock;

	void *storage; /* of app_manifest_read(); NULL otherwise */
};

/**
 * app_manifest_read() - Read a manifest.
 * @manifest: filled; on success given back by app_manifest_free()
 * @text:     hostile; @size bytes, copied once
 * @reason:   set to what is wrong with it
 *
 * A manifest is accepted only as app_manifest_write() would write it, so that one content has one
 * text. Values are in the limits that `mote run` has for its options (options.h).
 *
 * Return: 0, or -1 with @reason set and nothing to free.
 */
int app_manifest_read(struct app_manifest *manifest, const void *text, size_t size,
                      const char **reason);

void app_manifest_free(struct app_manifest *manifest);

/**
 * app_manifest_write() - Write a manifest.
 * @text: APP_MANIFEST_MAX bytes
 *
 * Return: its length; 0 if it does not fit.
 */
size_t app_manifest_write(const struct app_manifest *manifest, char *text);

#endif
