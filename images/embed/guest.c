/* SPDX-License-Identifier: Apache-2.0 */
/* The guest of embed.c: a function that counts its requests, and can be asked never to answer. */
#include <mote/function.h>

static unsigned count;

static void answer(struct mote_request *request)
{
	const char *path = mote_path(request);

	while (!strcmp(path, "/spin"))
		;
	mote_set_header(request, "Content-Type", "text/plain");
	mote_print(request, "request %u: %s %s\n", ++count, mote_method(request), path);
}

int main(void)
{
	puts("the guest has started");
	return mote_serve(answer);
}
