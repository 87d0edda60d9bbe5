/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest demo guest: an ordinary C program that greets and leaves. */
#include <stdio.h>

int main(void)
{
	puts("Hello from a microVM!");
	return 0;
}
