/* SPDX-License-Identifier: Apache-2.0 */
/* A function whose answer has 1,000 bytes; with an argument, the same as a program that is started
 * for it. */
#include "mote/function.h"

static char text[1000];

static void answer(struct mote_request *request)
{
	mote_write(request, text, sizeof text);
}

int main(int argc, char **argv)
{
	(void)argv;
	memset(text, 'x', sizeof text);
	if (argc > 1)
		return write(STDOUT_FILENO, text, sizeof text) != sizeof text;
	return mote_serve(answer);
}
