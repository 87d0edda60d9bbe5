/* SPDX-License-Identifier: Apache-2.0 */
/* The few C library functions that the kit and the compiler use. */
#include "guestkit/string.h"

/* rep movsb and rep stosb are fast from about 256 bytes (ERMS) and small everywhere. */
void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t length)
{
	unsigned char *out = to;
	const unsigned char *in = from;

	if (out <= in || out >= in + length)
		return memcpy(to, from, length);
	while (length--)
		out[length] = in[length];
	return to;
}

void *memset(void *to, int byte, size_t length)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(byte) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t length)
{
	const unsigned char *left = a, *right = b;

	for (; length; length--, left++, right++)
		if (*left != *right)
			return *left - *right;
	return 0;
}

void *memchr(const void *memory, int byte, size_t length)
{
	const unsigned char *at = memory;

	for (; length; length--, at++)
		if (*at == (unsigned char)byte)
			return (void *)(size_t)at;
	return NULL;
}

size_t strnlen(const char *string, size_t limit)
{
	size_t length = 0;

	while (length < limit && string[length])
		length++;
	return length;
}

size_t strlen(const char *string)
{
	return strnlen(string, (size_t)-1);
}

int strncmp(const char *a, const char *b, size_t limit)
{
	for (; limit; limit--, a++, b++)
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, (size_t)-1);
}

char *strchr(const char *string, int byte)
{
	for (;; string++) {
		if (*string == (char)byte)
			return (char *)(size_t)string;
		if (!*string)
			return NULL;
	}
}

char *strrchr(const char *string, int byte)
{
	char *found = NULL;

	for (;; string++) {
		if (*string == (char)byte)
			found = (char *)(size_t)string;
		if (!*string)
			return found;
	}
}
