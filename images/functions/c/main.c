/* @NAME@: a function. mote/function.h says what there is. */
#include <mote/function.h>

static unsigned long answered;

static void answer(struct mote_request *request)
{
	/* Always 1: each request begins with memory as it was at mote_serve(). */
	answered++;
	mote_set_header(request, "Content-Type", "text/plain");
	mote_print(request, "Hello from @NAME@: %s %s, request number %lu of this memory\n",
	           mote_method(request), mote_path(request), answered);
}

int main(void)
{
	/* What takes its time goes here: it is done once, before the snapshot. */
	return mote_serve(answer);
}
