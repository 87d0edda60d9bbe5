/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of application images: written and read back, and refused unless exactly so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/app_manifest.h"
#include "vmm/options.h"

static struct app_manifest manifest;
static const char *reason;

static int read_text(const char *text)
{
	return app_manifest_read(&manifest, text, strlen(text), &reason);
}

static void expect_refused(const char *text, const char *why)
{
	reason = NULL;
	cr_assert_lt(read_text(text), 0, "accepted: %s", text);
	cr_assert_not_null(reason);
	cr_assert_not_null(strstr(reason, why), "%s: %s", text, reason);
	cr_assert_null(manifest.storage);
}

/* What is accepted is written as it was read. */
static void expect_same(const char *text)
{
	char *written = malloc(APP_MANIFEST_MAX);
	size_t length;

	cr_assert_eq(read_text(text), 0, "%s: %s", text, reason);
	length = app_manifest_write(&manifest, written);
	cr_assert_eq(length, strlen(text));
	cr_assert_eq(memcmp(written, text, length), 0);
	app_manifest_free(&manifest);
	free(written);
}

Test(app_manifest, reads_all_lines)
{
	cr_assert_eq(read_text("entry /bin/sh\narg -c\narg echo  $A\narg \nenv A=1\nenv B=\n"
	                       "cwd /tmp\nmem 67108864\nshare /data\nshare /x y\ndisk db\n"
	                       "disk log.1\nnet wanted\nvsock wanted\n"),
	             0);
	cr_assert_str_eq(manifest.program, "/bin/sh");
	cr_assert(manifest.is_in_root);
	cr_assert_eq(manifest.argument_count, 3);
	cr_assert_str_eq(manifest.arguments[1], "echo  $A");
	cr_assert_str_eq(manifest.arguments[2], "");
	cr_assert_null(manifest.arguments[3]);
	cr_assert_eq(manifest.env_count, 2);
	cr_assert_str_eq(manifest.env[0], "A=1");
	cr_assert_str_eq(manifest.env[1], "B=");
	cr_assert_null(manifest.env[2]);
	cr_assert_str_eq(manifest.cwd, "/tmp");
	cr_assert_eq(manifest.memory_bytes, 64u << 20);
	cr_assert_eq(manifest.share_count, 2);
	cr_assert_str_eq(manifest.shares[0], "/data");
	cr_assert_str_eq(manifest.shares[1], "/x y");
	cr_assert_eq(manifest.disk_count, 2);
	cr_assert_str_eq(manifest.disks[1], "log.1");
	cr_assert(manifest.wants_network && manifest.wants_vsock);
	app_manifest_free(&manifest);
	app_manifest_free(&manifest);
}

Test(app_manifest, leaves_out_what_is_not_said)
{
	cr_assert_eq(read_text("app hello\n"), 0);
	cr_assert_str_eq(manifest.program, "hello");
	cr_assert_not(manifest.is_in_root);
	cr_assert_eq(manifest.argument_count, 0);
	cr_assert_null(manifest.arguments[0]);
	cr_assert_eq(manifest.env_count, 0);
	cr_assert_null(manifest.cwd);
	cr_assert_eq(manifest.memory_bytes, 0);
	app_manifest_free(&manifest);
}

Test(app_manifest, writes_what_it_reads)
{
	expect_same("app hello\n");
	expect_same("app with space\narg a b\n");
	expect_same("entry /x\nenv A=\\x0a\\x5c\\x7f\\x01\xff\xc3\xa4\n");
	expect_same("app x\ncwd /\nmem 4194304\n");
	expect_same("app x\nmem 4194304\nshare /a\nshare /\\x0a\n");
	expect_same("app x\ndisk a\ndisk b\nvsock wanted\n");
	expect_same("app x\nshare /a\nnet wanted\n");
}

Test(app_manifest, decodes_escapes)
{
	cr_assert_eq(read_text("app a\narg one\\x0atwo\\x5cx41\n"), 0);
	cr_assert_str_eq(manifest.arguments[0], "one\ntwo\\x41");
	app_manifest_free(&manifest);
}

Test(app_manifest, keeps_every_byte)
{
	char every[256], *arguments[] = {every, NULL}, *text = malloc(APP_MANIFEST_MAX);
	struct app_manifest all = {.program = "x", .arguments = arguments, .argument_count = 1};
	size_t length;

	for (size_t i = 0; i < 255; i++)
		every[i] = (char)(i + 1);
	every[255] = '\0';
	length = app_manifest_write(&all, text);
	cr_assert_gt(length, 0);
	cr_assert_eq(app_manifest_read(&manifest, text, length, &reason), 0, "%s", reason);
	cr_assert_str_eq(manifest.arguments[0], every);
	app_manifest_free(&manifest);
	free(text);
}

Test(app_manifest, does_not_write_what_is_too_long)
{
	char *text = malloc(APP_MANIFEST_MAX), *argument = malloc(APP_MANIFEST_MAX);
	char *arguments[] = {argument, NULL};
	struct app_manifest all = {.program = "x", .arguments = arguments, .argument_count = 1};

	memset(argument, 'a', APP_MANIFEST_MAX - 1);
	argument[APP_MANIFEST_MAX - 1] = '\0';
	cr_assert_eq(app_manifest_write(&all, text), 0);
	free(argument);
	free(text);
}

Test(app_manifest, refuses_what_is_no_manifest)
{
	expect_refused("", "no text");
	expect_refused("app x", "no text");
	expect_refused("\n", "no key");
	expect_refused("app x\n\n", "no key");
	expect_refused("app\n", "no key");
	expect_refused("apple x\n", "no key");
	expect_refused("App x\n", "no key");
	expect_refused(" app x\n", "no key");
	cr_assert_lt(app_manifest_read(&manifest, "app x\0\n", 7, &reason), 0);
	cr_assert_lt(app_manifest_read(&manifest, "app x\n", APP_MANIFEST_MAX + 1ul, &reason), 0);
}

Test(app_manifest, refuses_another_order)
{
	expect_refused("arg x\n", "order");
	expect_refused("mem 4194304\napp x\n", "order");
	expect_refused("app x\napp y\n", "order");
	expect_refused("app x\nentry /y\n", "order");
	expect_refused("app x\nenv A=1\narg y\n", "order");
	expect_refused("app x\ncwd /\ncwd /\n", "order");
	expect_refused("app x\nmem 4194304\nmem 4194304\n", "order");
}

Test(app_manifest, refuses_other_spellings)
{
	expect_refused("app x\narg \\x41\n", "characters");
	expect_refused("app x\narg \\x0A\n", "characters");
	expect_refused("app x\narg \\n\n", "characters");
	expect_refused("app x\narg \\\n", "characters");
	expect_refused("app x\narg \\x\n", "characters");
	expect_refused("app x\narg \\x0\n", "characters");
	expect_refused("app x\narg \\x00\n", "characters");
	expect_refused("app x\narg \t\n", "characters");
	expect_refused("app x\narg a\r\n", "characters");
	expect_refused("app x\narg \x7f\n", "characters");
}

Test(app_manifest, refuses_bad_values)
{
	static const char *const sizes[] = {"",
	                                    "0",
	                                    "x",
	                                    "04194304",
	                                    "4194305",
	                                    "4190208",
	                                    "68719480832",
	                                    "-4194304",
	                                    "18446744073713745920",
	                                    "4194304 "};
	char text[8200];

	expect_refused("app \n", "name");
	expect_refused("app a/b\n", "name");
	expect_refused("entry x\n", "entry");
	expect_refused("entry \n", "entry");
	expect_refused("app x\nenv A\n", "K=V");
	expect_refused("app x\nenv =A\n", "K=V");
	expect_refused("app x\ncwd x\n", "cwd");
	expect_refused("app x\nshare x\n", "share");
	expect_refused("app x\nshare /x,ro\n", "share");
	expect_refused("app x\nshare /x\nmem 4194304\n", "order");
	expect_refused("app x\ndisk a/b\n", "disk");
	expect_refused("app x\ndisk a\nshare /x\n", "order");
	expect_refused("app x\nnet wanted\nnet wanted\n", "order");
	expect_refused("app x\nnet user\n", "net");
	expect_refused("app x\nvsock\n", "key");
	expect_refused("app x\ndisk 1\ndisk 2\ndisk 3\ndisk 4\ndisk 5\ndisk 6\ndisk 7\n"
	               "disk 8\ndisk 9\n",
	               "more disks");
	expect_refused("app x\nshare /1\nshare /2\nshare /3\nshare /4\nshare /5\nshare /6\n"
	               "share /7\nshare /8\nshare /9\n",
	               "more shares");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		snprintf(text, sizeof text, "app x\nmem %s\n", sizes[i]);
		expect_refused(text, "mem");
	}
	snprintf(text, sizeof text, "app x\ncwd /%04096d\n", 0);
	expect_refused(text, "cwd");
	snprintf(text, sizeof text, "entry /%04096d\n", 0);
	expect_refused(text, "entry");
}
