/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For applications: what Mote can do for a program that knows of it. Header only, for any C
 * library; outside of Mote all of it does nothing.
 */
#ifndef MOTE_GUEST_H
#define MOTE_GUEST_H

/* A system call that Linux does not have and answers with ENOSYS: (operation, argument). */
#define MOTE_SYSCALL   0x6d6f74
#define MOTE_CALL_MARK 1 /* argument: the mark's name, a string; NULL: MOTE_MARK_DEFAULT */

#define MOTE_MARK_DEFAULT "point"

#if !defined(MOTE_NO_INLINE) && defined(__x86_64__)

static inline long mote_call(long operation, const void *argument)
{
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"((long)MOTE_SYSCALL), "D"(operation), "S"(argument)
	                 : "rcx", "r11", "memory");
	return result;
}

/**
 * mote_snapshot_mark() - From here on the program may start again and again.
 * @name: that --snapshot-at asks for; at most 63 bytes
 *
 * Return: 1 in a program that was started from a snapshot that was taken here; 0 else.
 */
static inline int mote_snapshot_mark(const char *name)
{
	return mote_call(MOTE_CALL_MARK, name) == 2;
}

/* The mark that is taken where no other is asked for. */
static inline int mote_snapshot_point(void)
{
	return mote_snapshot_mark(MOTE_MARK_DEFAULT);
}

#endif

#endif
