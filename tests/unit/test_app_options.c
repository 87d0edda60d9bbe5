/* SPDX-License-Identifier: Apache-2.0 */
/* What of a manifest and of the command line counts. */
#include <criterion/criterion.h>
#include <string.h>

#include "vmm/app_options.h"

static struct run_options options;
static struct mote_error err;

static void parse(int argc, char **argv)
{
	static char *environment[] = {"TERM=vt100", NULL};

	cr_assert_eq(run_options_parse(&options, argc, argv, environment, &err), 0, "%s", err.text);
}

#define PARSE(...)                                          \
	do {                                                \
		char *words[] = {"run", __VA_ARGS__};       \
		parse(sizeof words / sizeof *words, words); \
	} while (0)

static const char *variable(const char *name)
{
	size_t length = strlen(name);
	const char *found = NULL;

	for (int i = 0; i < options.env_count; i++) {
		if (!strncmp(options.env[i], name, length) && options.env[i][length] == '=') {
			cr_assert_null(found, "%s is there twice", name);
			found = options.env[i] + length + 1;
		}
	}
	cr_assert_null(options.env[options.env_count]);
	return found;
}

static char *manifest_arguments[] = {"one", "two", NULL};
static char *manifest_env[] = {"PATH=/m", "A=m", "B=m", "A=again", NULL};
static const struct app_manifest full = {.program = "prog",
                                         .arguments = manifest_arguments,
                                         .argument_count = 2,
                                         .env = manifest_env,
                                         .env_count = 4,
                                         .cwd = "/m",
                                         .memory_bytes = 32u << 20};
static char *none[] = {NULL};
static const struct app_manifest bare = {.program = "/p", .arguments = none, .env = none};

Test(app_options, takes_the_manifest)
{
	PARSE("x.mote");
	cr_assert_eq(app_options_apply(&options, &full, &err), 0);
	cr_assert_str_eq(options.app, "prog");
	cr_assert_eq(options.argc, 3);
	cr_assert_str_eq(options.argv[0], "prog");
	cr_assert_str_eq(options.argv[2], "two");
	cr_assert_null(options.argv[3]);
	cr_assert_str_eq(options.cwd, "/m");
	cr_assert_eq(options.memory_bytes, 32u << 20);
	cr_assert_str_eq(variable("PATH"), "/m");
	cr_assert_str_eq(variable("HOME"), "/root");
	cr_assert_str_eq(variable("TERM"), "vt100");
	cr_assert_str_eq(variable("A"), "again");
	cr_assert_str_eq(variable("B"), "m");
}

Test(app_options, lets_the_command_line_win)
{
	PARSE("--env", "A=c", "--env", "PATH=/c", "--cwd", "/c", "--mem", "16M", "x.mote", "--",
	      "three");
	cr_assert_eq(app_options_apply(&options, &full, &err), 0);
	cr_assert_eq(options.argc, 4);
	cr_assert_str_eq(options.argv[1], "one");
	cr_assert_str_eq(options.argv[3], "three");
	cr_assert_str_eq(options.cwd, "/c");
	cr_assert_eq(options.memory_bytes, 16u << 20);
	cr_assert_str_eq(variable("PATH"), "/c");
	cr_assert_str_eq(variable("A"), "c");
	cr_assert_str_eq(variable("B"), "m");
}

/* What is asked for by its name counts, also where it is what was there anyway. */
Test(app_options, knows_a_default_from_a_wish)
{
	static char *terminal[] = {"TERM=dumb", "HOME=/m", NULL};
	struct app_manifest manifest = bare;

	manifest.env = terminal;
	manifest.env_count = 2;
	PARSE("--env", "TERM", "--mem", "128M", "--cwd", "/", "x.mote");
	cr_assert(options.has_cwd && options.has_memory);
	cr_assert_eq(app_options_apply(&options, &manifest, &err), 0);
	cr_assert_str_eq(variable("TERM"), "vt100");
	cr_assert_str_eq(variable("HOME"), "/m");
}

Test(app_options, keeps_what_the_manifest_does_not_say)
{
	PARSE("x.mote", "arg");
	cr_assert_eq(app_options_apply(&options, &bare, &err), 0);
	cr_assert_eq(options.argc, 2);
	cr_assert_str_eq(options.argv[0], "/p");
	cr_assert_str_eq(options.argv[1], "arg");
	cr_assert_str_eq(options.cwd, "/");
	cr_assert_eq(options.memory_bytes, RUN_MEMORY_DEFAULT);
	cr_assert_str_eq(variable("HOME"), "/root");
}

Test(app_options, an_image_does_not_choose_directories_of_the_host)
{
	struct app_manifest manifest = bare;
	char good[] = "--share=/srv:/data", wrong[] = "--share=/srv:/other";

	manifest.shares[0] = "/data";
	manifest.share_count = 1;
	PARSE("x.mote");
	cr_assert_lt(app_options_apply(&options, &manifest, &err), 0);
	cr_assert_str_eq(err.text,
	                 "the application image wants a directory of the host at /data: name one "
	                 "with --share HOSTDIR:/data");
	PARSE(wrong, "x.mote");
	cr_assert_lt(app_options_apply(&options, &manifest, &err), 0);
	PARSE(good, "x.mote");
	cr_assert_eq(app_options_apply(&options, &manifest, &err), 0);
	cr_assert_eq(options.shares.count, 1);
}

Test(app_options, an_image_does_not_choose_disks_and_networks)
{
	struct app_manifest manifest = bare;
	char disk[] = "--disk=/some/file,id=db";

	manifest.disks[0] = "db";
	manifest.disk_count = 1;
	PARSE("x.mote");
	cr_assert_lt(app_options_apply(&options, &manifest, &err), 0);
	cr_assert_str_eq(err.text, "the application image wants a disk db: name one with --disk "
	                           "FILE,id=db");
	PARSE(disk, "x.mote");
	cr_assert_eq(app_options_apply(&options, &manifest, &err), 0);
	manifest = bare;
	manifest.wants_network = true;
	PARSE("x.mote");
	cr_assert_lt(app_options_apply(&options, &manifest, &err), 0);
	cr_assert_not_null(strstr(err.text, "--net user or --net tap=NAME"));
	PARSE("--net", "user", "x.mote");
	cr_assert_eq(app_options_apply(&options, &manifest, &err), 0);
	manifest = bare;
	manifest.wants_vsock = true;
	PARSE("x.mote");
	cr_assert_lt(app_options_apply(&options, &manifest, &err), 0);
	cr_assert_not_null(strstr(err.text, "--vsock PATH"));
	PARSE("--vsock", "path", "x.mote");
	cr_assert_eq(app_options_apply(&options, &manifest, &err), 0);
}

Test(app_options, has_the_limits_of_a_run)
{
	static char long_text[RUN_STRINGS_BYTES_MAX - 200];
	static char *many[RUN_STRINGS_MAX + 1];
	char *one[] = {long_text, NULL};
	struct app_manifest manifest = bare;

	memset(long_text, 'x', sizeof long_text - 1);
	manifest.arguments = one;
	manifest.argument_count = 1;
	PARSE("x.mote");
	cr_assert_eq(app_options_apply(&options, &manifest, &err), 0, "%s", err.text);
	PARSE("--env",
	      "A=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	      "--env",
	      "B=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	      "x.mote");
	cr_assert_lt(app_options_apply(&options, &manifest, &err), 0);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);

	for (size_t i = 0; i < RUN_STRINGS_MAX; i++)
		many[i] = "";
	manifest.arguments = many;
	manifest.argument_count = RUN_STRINGS_MAX - 1;
	PARSE("x.mote");
	cr_assert_eq(app_options_apply(&options, &manifest, &err), 0);
	PARSE("x.mote", "more");
	cr_assert_lt(app_options_apply(&options, &manifest, &err), 0);
	cr_assert_not_null(strstr(err.text, "4096"));
}
