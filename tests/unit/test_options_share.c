/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --share. */
#include "vmm/options_share.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct share_options shares;
static struct mote_error err;

static int parse(const char *text)
{
	static char values[16][600];
	static unsigned int next;
	char *value = values[next++ % 16];

	snprintf(value, sizeof *values, "%s", text);
	return share_options_parse(&shares, value, &err);
}

static void assert_share(unsigned int index, const char *host, const char *guest, bool read_only,
                         enum fs_cache cache)
{
	cr_assert(index < shares.count);
	cr_assert_str_eq(shares.list[index].host_directory, host);
	cr_assert_str_eq(shares.list[index].mount_point, guest);
	cr_assert_eq(shares.list[index].is_read_only, read_only);
	cr_assert_eq(shares.list[index].cache, cache);
}

Test(options_share, directories_and_their_options_are_read)
{
	cr_assert_eq(parse("/srv:/data"), 0);
	cr_assert_eq(parse("a:b,c:/d:/srv/x,ro"), 0);
	cr_assert_eq(parse(".:/x,cache=none,ro"), 0);
	cr_assert_eq(parse("y:/y,ro,cache=none,cache=auto"), 0);
	assert_share(0, "/srv", "/data", false, FS_CACHE_AUTO);
	assert_share(1, "a:b,c:/d", "/srv/x", true, FS_CACHE_AUTO);
	assert_share(2, ".", "/x", true, FS_CACHE_NONE);
	assert_share(3, "y", "/y", true, FS_CACHE_AUTO);
}

Test(options_share, what_is_no_share_is_refused)
{
	static const char *const bad[] = {
	        "", ":", "/srv", "/srv:", "/srv:data", ":/data", "srv,/data"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_eq(parse(bad[i]), -1, "%s", bad[i]);
	cr_assert_eq(parse("/srv"), -1);
	cr_assert_str_eq(err.text,
	                 "--share: '/srv' is not HOSTDIR:GUESTDIR with an absolute path in "
	                 "the guest, such as ./data:/data (see mote help run)");
	cr_assert_eq(parse("/srv:/data,rw"), -1);
	cr_assert_str_eq(err.text,
	                 "--share: 'rw' is not ro, cache=none or cache=auto (see mote help "
	                 "run)");
	cr_assert_eq(parse("/srv:/data,"), -1);
	cr_assert_eq(parse("/srv:/data,ro,,ro"), -1);
	cr_assert_eq(shares.count, 0);
}

Test(options_share, places_are_short_and_different)
{
	char value[400];

	cr_assert_eq(parse("/srv:/data"), 0);
	cr_assert_eq(parse("/other:/data"), -1);
	cr_assert_str_eq(err.text, "--share: /data is given twice (see mote help run)");
	memset(value, 'x', sizeof value);
	memcpy(value, "s:/", 3);
	value[2 + FS_MOUNT_POINT_MAX] = '\0';
	cr_assert_eq(parse(value), -1);
	value[2 + FS_MOUNT_POINT_MAX - 1] = '\0';
	cr_assert_eq(parse(value), 0);
}

Test(options_share, there_are_at_most_eight)
{
	char value[16];

	for (int i = 0; i < SHARES_MAX; i++) {
		sprintf(value, "s:/%d", i);
		cr_assert_eq(parse(value), 0);
	}
	cr_assert_eq(parse("s:/more"), -1);
	cr_assert_str_eq(err.text,
	                 "--share: a microVM has at most 8 shared directories (see mote help "
	                 "run)");
}
