/* SPDX-License-Identifier: Apache-2.0 */
/* The application's memory, seen from the kit: copies that survive bad pointers. */
#include "guestkit/user.h"

#include <linux/errno.h>
#include <stdbool.h>

#include "guestkit/memory.h"

/* entry.S: return the bytes not reached because of a fault. */
size_t user_copy(void *to, const void *from, size_t length);
size_t user_clear(void *to, size_t length);

static bool is_user_range(uint64_t start, size_t length)
{
	return start < MOTE_USER_END && length <= MOTE_USER_END - start;
}

/* Bytes of a range that may be tried at all. */
static size_t reachable(uint64_t start, size_t length)
{
	if (start >= MOTE_USER_END)
		return 0;
	return length <= MOTE_USER_END - start ? length : MOTE_USER_END - start;
}

size_t user_read_some(void *to, uint64_t from, size_t length)
{
	length = reachable(from, length);
	return length - user_copy(to, (const void *)from, length);
}

size_t user_write_some(uint64_t to, const void *from, size_t length)
{
	length = reachable(to, length);
	return length - user_copy((void *)to, from, length);
}

int user_read(void *to, uint64_t from, size_t length)
{
	if (!is_user_range(from, length))
		return length ? -EFAULT : 0;
	return user_copy(to, (const void *)from, length) ? -EFAULT : 0;
}

int user_write(uint64_t to, const void *from, size_t length)
{
	if (!is_user_range(to, length))
		return length ? -EFAULT : 0;
	return user_copy((void *)to, from, length) ? -EFAULT : 0;
}

int user_zero(uint64_t to, size_t length)
{
	if (!is_user_range(to, length))
		return length ? -EFAULT : 0;
	return user_clear((void *)to, length) ? -EFAULT : 0;
}

int64_t user_read_string(char *to, uint64_t from, size_t size)
{
	size_t done = 0;

	while (done < size) {
		/* A page at a time: the string may end just before one that is not there. */
		size_t part = PAGE_SIZE - from % PAGE_SIZE;
		size_t got;

		if (part > size - done)
			part = size - done;
		if (part > 64)
			part = 64;
		got = user_read_some(to + done, from, part);
		for (size_t i = 0; i < got; i++)
			if (!to[done + i])
				return (int64_t)(done + i);
		if (got < part)
			return -EFAULT;
		done += part;
		from += part;
	}
	return -ENAMETOOLONG;
}
