/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPL 3 can change beside general and vector registers: the kit leaves it to the application,
 * but carries it across a snapshot. Not every KVM knows these of its guest (kvm-pvm leaves them in
 * the processor), and then nobody else puts them back.
 */
#ifndef MOTE_GUESTKIT_SELECTORS_H
#define MOTE_GUESTKIT_SELECTORS_H

#include <stdint.h>

struct selectors {
	uint16_t ds, es, fs, gs;
	uint32_t pkru; /* 0 where there are no protection keys */
	uint64_t fs_base, gs_base;
};

void selectors_save(struct selectors *selectors);

/* Puts them back, and forgets the matrix registers, which no program has by right. */
void selectors_load(const struct selectors *selectors);

#endif
