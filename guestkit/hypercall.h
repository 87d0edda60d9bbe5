/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from the kit to the VMM; see mote/abi.h. */
#ifndef MOTE_GUESTKIT_HYPERCALL_H
#define MOTE_GUESTKIT_HYPERCALL_H

#include "mote/abi.h"

/**
 * hypercall() - Call the VMM: one exit.
 * @number: enum mote_hypercall
 * @a, @b, @c: arguments; addresses are guest-physical
 *
 * Return: >= 0, or a negative Linux errno.
 */
static inline int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	int32_t result;

	__asm__ volatile("in %[port], %%eax"
	                 : "=a"(result)
	                 : [port] "i"(MOTE_HYPERCALL_PORT), "a"(number), "D"(a), "S"(b), "d"(c)
	                 : "memory");
	return result;
}

/*
 * The same by one instruction and with the same flags always: for the calls at which a guest or a
 * request ends, or a start from a snapshot begins. The VMM then goes from the one to the other
 * without another look into the guest (snapshot/reset_vcpu.h).
 */
int64_t hypercall_turn(uint64_t number, uint64_t a, uint64_t b, uint64_t c);

/* Guest-physical address of an object in the kit's own image or in the direct map. */
uint64_t kit_physical(const void *object);

#endif
