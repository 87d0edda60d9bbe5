/* SPDX-License-Identifier: Apache-2.0 */
/* Writes 100 MB to stdout. */
#include <string.h>
#include <unistd.h>

static char block[100000];

int main(void)
{
	memset(block, 'x', sizeof block);
	for (int i = 0; i < 1000; i++) {
		for (size_t done = 0; done < sizeof block;) {
			ssize_t written = write(1, block + done, sizeof block - done);

			if (written < 0)
				return 1;
			done += (size_t)written;
		}
	}
	return 0;
}
