/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to its own code. */
#include <stdint.h>

__attribute__((noinline)) static void overwrite(volatile char *code)
{
	*code = (char)0xc3;
}

int main(void)
{
	overwrite((volatile char *)(uintptr_t)main);
	return 0;
}
