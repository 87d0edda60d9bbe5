/* SPDX-License-Identifier: Apache-2.0 */
/* The few C library functions that the kit and the compiler use. */
#ifndef MOTE_GUESTKIT_STRING_H
#define MOTE_GUESTKIT_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);
void *memchr(const void *memory, int byte, size_t length);
size_t strlen(const char *string);
size_t strnlen(const char *string, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
char *strchr(const char *string, int byte);
char *strrchr(const char *string, int byte);

#endif
