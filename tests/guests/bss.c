/* SPDX-License-Identifier: Apache-2.0 */
/* Has 64 MiB of zeroed data: too much for a small microVM. */
#include <stdio.h>

static char big[64 << 20];

int main(void)
{
	for (unsigned i = 0; i < sizeof big; i += 1 << 20)
		big[i]++;
	puts("bss ok");
	return 0;
}
