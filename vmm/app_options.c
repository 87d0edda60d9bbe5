/* SPDX-License-Identifier: Apache-2.0 */
/* Puts together what an application image says and what the command line says. */
#include "vmm/app_options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Index of the variable that @entry sets, or -1. */
static int find_variable(char *const *env, int count, const char *entry)
{
	size_t key_length = (size_t)(strchr(entry, '=') - entry) + 1;

	for (int i = 0; i < count; i++) {
		if (strncmp(env[i], entry, key_length) == 0)
			return i;
	}
	return -1;
}

static void apply_env(struct run_options *options, const struct app_manifest *manifest)
{
	const int given = options->env_count;

	for (int i = 0; i < manifest->env_count; i++) {
		char *entry = manifest->env[i];
		int at = find_variable(options->env, options->env_count, entry);

		if (at < 0)
			options->env[options->env_count++] = entry;
		else if (at >= given || (at < 32 && options->default_env >> at & 1))
			options->env[at] = entry;
	}
	options->env[options->env_count] = NULL;
}

/* An image says what it wants of the host, and never which: that would be the maker's choice of
 * what of the user's it gets. */
static int check_devices(const struct run_options *options, const struct app_manifest *manifest,
                         struct mote_error *err)
{
	for (unsigned int i = 0; i < manifest->disk_count; i++) {
		if (!disk_options_has(&options->disks, manifest->disks[i]))
			return mote_error_set(
			        err, MOTE_STATUS_FAILED,
			        "the application image wants a disk %s: name one with "
			        "--disk FILE,id=%s",
			        manifest->disks[i], manifest->disks[i]);
	}
	if (manifest->wants_network && options->net.kind == NET_NONE)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the application image wants a network: give it one with "
		                      "--net user or --net tap=NAME");
	if (manifest->wants_vsock && !options->vsock_path)
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "the application image wants sockets of the host: name a path "
		        "for them with --vsock PATH");
	return 0;
}

static int check_shares(const struct run_options *options, const struct app_manifest *manifest,
                        struct mote_error *err)
{
	for (unsigned int i = 0; i < manifest->share_count; i++) {
		if (!share_options_find(&options->shares, manifest->shares[i]))
			return mote_error_set(
			        err, MOTE_STATUS_FAILED,
			        "the application image wants a directory of the host at "
			        "%s: name one with --share HOSTDIR:%s",
			        manifest->shares[i], manifest->shares[i]);
	}
	return 0;
}

int app_options_apply(struct run_options *options, const struct app_manifest *manifest,
                      struct mote_error *err)
{
	size_t env_count = (size_t)options->env_count + (size_t)manifest->env_count;
	size_t argument_count = (size_t)options->argc + (size_t)manifest->argument_count;
	char **env = calloc(env_count + 1 + argument_count + 1, sizeof *env);
	char **argv;

	if (check_shares(options, manifest, err) || check_devices(options, manifest, err)) {
		free(env);
		return -1;
	}
	if (env == NULL)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "the options of %s", options->app);
	argv = env + env_count + 1;
	memcpy(env, options->env, (size_t)options->env_count * sizeof *env);
	argv[0] = (char *)(uintptr_t)manifest->program;
	memcpy(argv + 1, manifest->arguments, (size_t)manifest->argument_count * sizeof *argv);
	memcpy(argv + 1 + manifest->argument_count, options->argv + 1,
	       (size_t)(options->argc - 1) * sizeof *argv);
	options->app = manifest->program;
	options->argv = argv;
	options->argc = (int)argument_count;
	options->env = env;
	apply_env(options, manifest);
	if (manifest->cwd && !options->has_cwd)
		options->cwd = manifest->cwd;
	if (manifest->memory_bytes && !options->has_memory)
		options->memory_bytes = manifest->memory_bytes;
	if (options->argc <= RUN_STRINGS_MAX && options->env_count <= RUN_STRINGS_MAX)
		return run_options_check_strings(options, err);
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "more than %d arguments or variables, those of the application image "
	                      "included",
	                      RUN_STRINGS_MAX);
}
