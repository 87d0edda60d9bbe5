/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says "started", waits for a byte, meanwhile its file may be cut, and then: `cut crash` dies, `cut
 * host` has the host read a page of the file and returns 3 where that is EFAULT, `cut touch` reads
 * one, `cut spin` computes. Its data are long enough for mote to map them, so they go, and standard
 * I/O with them; code and constants are copied.
 */
#include <errno.h>
#include <unistd.h>

#include "hostile.h"

#define PAGES 4096

static volatile char ballast[PAGES][4096] = {[PAGES - 1] = {1}};

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	uint64_t gpa = guest_physical(ballast[PAGES / 2]);
	char byte;

	if (write(1, "started\n", 8) != 8 || read(0, &byte, 1) != 1)
		return 1;
	if (!strcmp(how, "crash"))
		*(volatile int *)16 = 0;
	while (!strcmp(how, "spin"))
		byte++;
	if (!strcmp(how, "touch"))
		_exit(ballast[PAGES / 2][0]);
	_exit(hypercall(MOTE_HC_console_write, 1, gpa, 16) == -EFAULT &&
	                      hypercall(MOTE_HC_discard, gpa, 1, 0) == -EFAULT
	              ? 3
	              : 2);
}
