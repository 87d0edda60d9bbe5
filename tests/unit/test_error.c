/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the error object: codes, texts, hints, and text that is too long. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "vmm/error.h"

Test(error, set_fills_code_and_text_and_returns_minus_one)
{
	struct mote_error err = {0};

	cr_assert_eq(mote_error_set(&err, MOTE_STATUS_CANNOT_RUN, "%s: segment %d", "a.out", 3),
	             -1);
	cr_assert_eq(err.code, 126);
	cr_assert_str_eq(err.text, "a.out: segment 3");
}

Test(error, set_replaces_what_was_there)
{
	struct mote_error err = {0};

	mote_error_set(&err, MOTE_STATUS_FAILED, "a first and longer text");
	mote_error_set(&err, MOTE_STATUS_NOT_FOUND, "second");
	cr_assert_eq(err.code, 127);
	cr_assert_str_eq(err.text, "second");
}

Test(error, set_works_on_an_object_that_was_never_filled)
{
	struct mote_error err;

	memset(&err, 'x', sizeof err);
	mote_error_set(&err, MOTE_STATUS_FAILED, "text");
	cr_assert_str_eq(err.text, "text");
}

Test(error, errno_is_appended_and_kept)
{
	struct mote_error err = {0};

	errno = ENOENT;
	cr_assert_eq(mote_error_errno(&err, MOTE_STATUS_NOT_FOUND, "opening %s", "/nowhere"), -1);
	cr_assert_eq(errno, ENOENT);
	cr_assert_eq(err.code, 127);
	cr_assert_str_eq(err.text, "opening /nowhere: No such file or directory");
}

Test(error, hint_is_appended_and_leaves_the_code)
{
	struct mote_error err = {0};

	mote_error_set(&err, MOTE_STATUS_FAILED, "/dev/kvm: no permission");
	cr_assert_eq(mote_error_hint(&err, "Join group %s", "kvm"), -1);
	cr_assert_eq(err.code, 125);
	cr_assert_str_eq(err.text, "/dev/kvm: no permission. Join group kvm");
}

Test(error, long_text_is_cut_and_terminated)
{
	struct {
		struct mote_error err;
		char guard[16];
	} box;
	char text[2 * MOTE_ERROR_TEXT];

	memset(&box, 'g', sizeof box);
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	mote_error_set(&box.err, MOTE_STATUS_FAILED, "%s", text);
	cr_assert_eq(strlen(box.err.text), MOTE_ERROR_TEXT - 1);
	errno = EIO;
	mote_error_errno(&box.err, MOTE_STATUS_FAILED, "%s", text);
	cr_assert_eq(strlen(box.err.text), MOTE_ERROR_TEXT - 1);
	mote_error_hint(&box.err, "%s", text);
	cr_assert_eq(strlen(box.err.text), MOTE_ERROR_TEXT - 1);
	for (size_t i = 0; i < sizeof box.guard; i++)
		cr_assert_eq(box.guard[i], 'g', "byte %zu behind the object was written", i);
}

Test(error, hint_at_the_last_byte_is_cut)
{
	struct mote_error err = {0};
	char text[MOTE_ERROR_TEXT - 1]; /* one byte is left */

	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	mote_error_set(&err, MOTE_STATUS_FAILED, "%s", text);
	mote_error_hint(&err, "hint");
	cr_assert_eq(strlen(err.text), MOTE_ERROR_TEXT - 1);
	cr_assert_eq(err.text[MOTE_ERROR_TEXT - 2], '.');
}

Test(error, statuses_are_those_of_container_tools)
{
	cr_assert_eq(MOTE_STATUS_TIMEOUT, 124);
	cr_assert_eq(MOTE_STATUS_FAILED, 125);
	cr_assert_eq(MOTE_STATUS_CANNOT_RUN, 126);
	cr_assert_eq(MOTE_STATUS_NOT_FOUND, 127);
	cr_assert_eq(MOTE_STATUS_OUT_OF_MEMORY, 137);
	cr_assert_eq(MOTE_STATUS_SIGNAL_BASE, 128);
}
