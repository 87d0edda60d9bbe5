/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For applications: what Mote can do for a program that knows of it. Header only; for C and C++,
 * any C library. Outside Mote all of it does nothing. docs/snapshots.md has the whole story.
 *
 *	load_everything();
 *	mote_on_restore(reseed, NULL);
 *	mote_snapshot_point();	// each start from the snapshot goes on here
 *	serve();
 */
#ifndef MOTE_GUEST_H
#define MOTE_GUEST_H

/*
 * One system call does it all: (operation, two arguments). Linux says of this number that it is
 * never given to a call, and answers -ENOSYS.
 */
#define MOTE_SYSCALL 402

#define MOTE_CALL_MARK        0 /* (name): a mark; MOTE_POINT_*, or a negative errno */
#define MOTE_CALL_GENERATION  1 /* (16 bytes): filled; how often the program was restored */
#define MOTE_CALL_SIGNAL      2 /* (number): sent at a restore; 0: none is */
#define MOTE_CALL_ARGUMENTS   3 /* (buffer, size): strings, each with its NUL; length of all */
#define MOTE_CALL_ENVIRONMENT 4 /* the same */
#define MOTE_CALL_SERVE       5 /* (struct mote_function_call): mote/function_wire.h */

/* What a point or mark was, this time. */
#define MOTE_POINT_PASSED   0 /* nobody wanted a snapshot here */
#define MOTE_POINT_TAKEN    1 /* one was taken, and the program goes on */
#define MOTE_POINT_RESTORED 2 /* the program was started from it */

/* The mark that mote_snapshot_point() sets. */
#define MOTE_MARK_DEFAULT  "point"
#define MOTE_MARK_NAME_MAX 64 /* bytes of a mark's name, with its NUL */
#define MOTE_ID_SIZE       16

#if !defined(MOTE_GUEST_NUMBERS_ONLY) && defined(__linux__) && defined(__x86_64__)

#include <signal.h>
#include <stddef.h>

/*
 * The signal by which mote_on_restore() hears of a restore elsewhere than at a mark. Define it
 * before this header is included where the program has another use for it.
 */
#ifndef MOTE_RESTORE_SIGNAL
#define MOTE_RESTORE_SIGNAL 63
#endif
#ifndef MOTE_CALLBACKS_MAX
#define MOTE_CALLBACKS_MAX 16
#endif

#ifdef __cplusplus
extern "C" {
#endif

static inline long mote_call(long operation, const void *first, size_t second)
{
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"((long)MOTE_SYSCALL), "D"(operation), "S"(first), "d"(second)
	                 : "rcx", "r11", "memory");
	return result;
}

/* Callbacks of all of the program's files: a weak object, of which the linker keeps one. */
struct mote_callbacks {
	struct {
		void (*function)(void *argument);
		void *argument;
	} all[MOTE_CALLBACKS_MAX];
	unsigned count;
	unsigned long seen; /* restores for which they were called */
};
__attribute__((weak)) struct mote_callbacks mote_callbacks;

/**
 * mote_restores() - How often this program was restored: 0 where it runs for the first time.
 * @id: filled with the generation's id, 16 random bytes that no other start has; zeros in the
 * first; NULL is allowed
 *
 * Return: the number; -1 outside Mote, where @id is left alone.
 */
static inline long mote_restores(unsigned char *id)
{
	unsigned char unused[MOTE_ID_SIZE];
	long result = mote_call(MOTE_CALL_GENERATION, id ? id : unused, 0);

	return result < 0 ? -1 : result;
}

static inline int mote_is_restored(void)
{
	return mote_restores(NULL) > 0;
}

/* Call the callbacks, in the order in which they were given, unless that was done for this restore.
 */
static inline void mote_run_callbacks(void)
{
	long restores = mote_restores(NULL);
	unsigned i;

	if (restores <= 0 || mote_callbacks.seen == (unsigned long)restores)
		return;
	mote_callbacks.seen = (unsigned long)restores;
	for (i = 0; i < mote_callbacks.count; i++)
		mote_callbacks.all[i].function(mote_callbacks.all[i].argument);
}

static inline void mote_restore_signal(int signal)
{
	(void)signal;
	mote_run_callbacks();
}

/**
 * mote_on_restore() - Have a function called whenever the program was restored.
 * @function: makes anew what must not be the same twice: random number generators, ids, nonces
 * @argument: passed to it
 *
 * Where the snapshot was taken at a mark it is called by whoever set the mark, before that returns.
 * Where it was taken elsewhere (--snapshot-at=listen, or from outside) it is called by the handler
 * of MOTE_RESTORE_SIGNAL, so it must keep to what handlers may do (signal-safety(7)).
 *
 * Return: 0; -1 where there is no more room. Outside Mote the function is never called.
 */
static inline int mote_on_restore(void (*function)(void *argument), void *argument)
{
	struct mote_callbacks *callbacks = &mote_callbacks;

	if (callbacks->count == MOTE_CALLBACKS_MAX)
		return -1;
	callbacks->all[callbacks->count].function = function;
	callbacks->all[callbacks->count].argument = argument;
	callbacks->count++;
	if (callbacks->count == 1 && mote_restores(NULL) >= 0) {
		callbacks->seen = (unsigned long)mote_restores(NULL);
		signal(MOTE_RESTORE_SIGNAL, mote_restore_signal);
		mote_call(MOTE_CALL_SIGNAL, (const void *)(long)MOTE_RESTORE_SIGNAL, 0);
	}
	return 0;
}

/**
 * mote_snapshot_mark() - From here on the program may start, again and again.
 * @name: that --snapshot-at asks for; of less than MOTE_MARK_NAME_MAX bytes
 *
 * Return: MOTE_POINT_*, or a negative errno where the snapshot that is wanted here was refused.
 * Most programs need not look. Callbacks have been called where it is MOTE_POINT_RESTORED.
 */
static inline int mote_snapshot_mark(const char *name)
{
	long result = mote_call(MOTE_CALL_MARK, name, 0);

	if (result == MOTE_POINT_RESTORED)
		mote_run_callbacks();
	return result == -38 /* ENOSYS */ || result == -1 /* EPERM, of a filter */
	               ? MOTE_POINT_PASSED
	               : (int)result;
}

/* The mark that --snapshot takes where --snapshot-at does not say otherwise. */
static inline int mote_snapshot_point(void)
{
	return mote_snapshot_mark(MOTE_MARK_DEFAULT);
}

/**
 * mote_arguments() - The arguments that this start was given.
 * mote_environment() - The same of its environment.
 * @buffer: filled with strings, each with its NUL, one after the other, as far as they fit
 *
 * `mote restore FILE -- ARGUMENT...` may give others than main() was called with.
 *
 * Return: bytes of all; -1 outside Mote.
 */
static inline long mote_arguments(char *buffer, size_t size)
{
	long result = mote_call(MOTE_CALL_ARGUMENTS, buffer, size);

	return result < 0 ? -1 : result;
}

static inline long mote_environment(char *buffer, size_t size)
{
	long result = mote_call(MOTE_CALL_ENVIRONMENT, buffer, size);

	return result < 0 ? -1 : result;
}

#ifdef __cplusplus
}
#endif

#endif

#endif
