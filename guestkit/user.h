/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application's memory, seen from the kit: copies that survive bad pointers.
 *
 * An address from the application is a uint64_t and is never dereferenced: these functions check
 * it (below MOTE_USER_END, no wrap) and turn a fault into -EFAULT. A copy may fault pages in, so it
 * must not be made while the memory manager's own structures are being changed.
 */
#ifndef MOTE_GUESTKIT_USER_H
#define MOTE_GUESTKIT_USER_H

#include <stddef.h>
#include <stdint.h>

/* Copy between the kit and the application. Return 0 or -EFAULT (then a part may be copied). */
int user_read(void *to, uint64_t from, size_t length);
int user_write(uint64_t to, const void *from, size_t length);
int user_zero(uint64_t to, size_t length);

/* The same, but returning how many bytes were copied before a fault (reads and writes that may end
 * short). */
size_t user_read_some(void *to, uint64_t from, size_t length);
size_t user_write_some(uint64_t to, const void *from, size_t length);

/**
 * user_read_string() - Copy a NUL-terminated string from the application.
 * @to:   buffer of @size bytes
 *
 * Return: length without the NUL, -EFAULT, or -ENAMETOOLONG when it does not fit.
 */
int64_t user_read_string(char *to, uint64_t from, size_t size);

#endif
