/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of when free memory goes back to the host. */
#include "kit_space.h"

TestSuite(kit_give_back, .init = space_start, .timeout = 60);

/* Take and free frames: they are stale then. */
static void use(size_t count)
{
	page_free(page_alloc(count), count);
}

Test(kit_give_back, a_handful_stays)
{
	use(KEPT);
	pages_idle();
	cr_assert_not(let_expire());
	cr_assert_eq(arena_discards, 0);
}

Test(kit_give_back, much_goes_before_sleep)
{
	use(KEPT_AT_SLEEP + 1);
	pages_idle();
	cr_assert_eq(arena_discards, 1);
	cr_assert_eq(pages_stale(), 0);
}

Test(kit_give_back, a_little_goes_after_a_while_of_sleep)
{
	use(KEPT + 1);
	pages_idle();
	cr_assert_eq(arena_discards, 0);
	cr_assert(let_expire());
	cr_assert_eq(pages_stale(), 0);
	cr_assert_not(let_expire());
}

/* A program that computes goes on as long as it likes, without a call. */
Test(kit_give_back, much_goes_after_a_while_of_computing)
{
	use(STALE_KEPT);
	for (int i = 0; i < 2; i++)
		cr_assert(i || let_expire());
	cr_assert_eq(pages_stale(), 0);
	cr_assert_not(let_expire());
}

Test(kit_give_back, what_is_used_again_and_again_stays)
{
	use(2000);
	for (int i = 0; i < 20; i++) {
		use(1500);
		cr_assert(let_expire());
		cr_assert(pages_stale() >= 1500);
	}
	cr_assert_eq(arena_discards, 1);
	while (let_expire())
		;
	cr_assert_eq(pages_stale(), 0);
}

/* Ranges that were unmapped and not cleared yet, too, unless they serve again. */
Test(kit_give_back, retired_ranges)
{
	uint64_t at[20];

	for (int i = 0; i < EXACT_UNMAPS; i++)
		address_space_unmap(map_anywhere(1), PAGE_SIZE);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 20; i++) {
			at[i] = map_anywhere(50);
			put(at[i], 1);
		}
		for (int i = 0; i < 20; i++)
			address_space_unmap(at[i], 50 * PAGE_SIZE);
		if (round % 2)
			cr_assert(let_expire());
		cr_assert(is_any_in(at[0], at[0] + 1));
	}
	for (int i = 0; let_expire(); i++)
		cr_assert_lt(i, 4);
	cr_assert_not(is_any_in(at[0], at[0] + 1));
	cr_assert_leq(pages_stale(), KEPT);
}
