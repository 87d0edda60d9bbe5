/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot is taken of a program that makes the hypercall itself, behind the kit's back, and so
 * never takes the generation of its start. The argument says what it does next, which the VMM is
 * not to let it do. A second one is how many frames of RAM it says that it needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "hostile.h"

int main(int argc, char **argv)
{
	static const char text[] = "it went on\n";
	volatile struct mote_run *run = (volatile struct mote_run *)MOTE_RUN_VA;
	const char *next = argc > 1 ? argv[1] : "";
	unsigned char byte;
	int result;

	if (argc > 2)
		run->usable = (uint32_t)strtoul(argv[2], NULL, 0);
	result = hypercall(MOTE_HC_snapshot, MOTE_SNAPSHOT_MARK, 0, 0);
	if (result != MOTE_SNAPSHOT_RESTORED)
		return result == MOTE_SNAPSHOT_TAKEN ? 0 : 1;
	if (!strcmp(next, "forge"))
		for (int i = 0; i < 16; i++)
			run->generation.taken[i] = (unsigned char)(run->generation.id[i] ^ 1);
	else if (!strcmp(next, "random"))
		(void)!getrandom(&byte, 1, 0);
	else if (!strcmp(next, "wait"))
		hypercall(MOTE_HC_wait, 0, 0, 0);
	fputs(text, stdout);
	return 0;
}
