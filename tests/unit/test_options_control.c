/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --name and --label. */
#include "vmm/options_control.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct control_options options;
static struct mote_error err;

Test(options_control, names)
{
	static const char *const good[] = {"a", "web-1", "A_b.c", "x9"};
	static const char *const bad[] = {"",    "1",   "1a",  "-a",       ".a",
	                                  "a/b", "a b", "a\n", "\xc3\xa9", ".."};
	char longest[CONTROL_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		cr_assert_eq(control_options_name(&options, good[i], &err), 0, "%s", good[i]);
		cr_assert_eq(options.name, good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_eq(control_options_name(&options, bad[i], &err), -1, "%s", bad[i]);
	cr_assert_str_eq(err.text,
	                 "--name '..' is no name: that is a letter, and up to 62 letters, "
	                 "digits, '-', '_' and '.' (see mote help run)");
	memset(longest, 'a', sizeof longest);
	longest[CONTROL_NAME_MAX + 1] = '\0';
	cr_assert_eq(control_options_name(&options, longest, &err), -1);
	longest[CONTROL_NAME_MAX] = '\0';
	cr_assert_eq(control_options_name(&options, longest, &err), 0);
}

Test(options_control, labels)
{
	static const char *const bad[] = {"", "a", "=b", "a b=c", "\xc3\xa9=1"};
	static char labels[CONTROL_LABELS_MAX + 1][CONTROL_LABEL_MAX + 2];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_eq(control_options_label(&options, bad[i], &err), -1, "%s", bad[i]);
	cr_assert_eq(options.label_count, 0);
	cr_assert_eq(control_options_label(&options, "a=", &err), 0);
	cr_assert_eq(control_options_label(&options, "ab=x=y z", &err), 0);
	cr_assert_eq(control_options_label(&options, "a=2", &err), 0);
	cr_assert_eq(options.label_count, 2);
	cr_assert_str_eq(options.labels[0], "a=2");
	cr_assert_str_eq(options.labels[1], "ab=x=y z");
	for (unsigned i = 2; i <= CONTROL_LABELS_MAX; i++) {
		snprintf(labels[i], sizeof labels[i], "k%u=", i);
		cr_assert_eq(control_options_label(&options, labels[i], &err),
		             i < CONTROL_LABELS_MAX ? 0 : -1);
	}
	cr_assert_str_eq(err.text, "more than 16 labels (see mote help run)");
	memset(labels[0], 'x', sizeof labels[0]);
	memcpy(labels[0], "a=", 2);
	labels[0][CONTROL_LABEL_MAX + 1] = '\0';
	cr_assert_eq(control_options_label(&options, labels[0], &err), -1);
	labels[0][CONTROL_LABEL_MAX] = '\0';
	cr_assert_eq(control_options_label(&options, labels[0], &err), 0);
}
