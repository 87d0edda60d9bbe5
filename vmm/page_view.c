/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a snapshot for `mote inspect` and `mote diff`. */
#include "vmm/page_view.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "snapshot/format.h"
#include "vmm/lost_page.h"

bool page_view_is_snapshot(const char *path)
{
	char magic[sizeof SNAPSHOT_MAGIC - 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool is_one = fd >= 0 && pread(fd, magic, sizeof magic, 0) == sizeof magic &&
	              memcmp(magic, SNAPSHOT_MAGIC, sizeof magic) == 0;

	if (fd >= 0)
		close(fd);
	return is_one;
}

struct finding {
	struct page_view *view;
	struct mote_error *err;
	int status;
};

static void find_kinds(void *ctx)
{
	struct finding *finding = ctx;
	struct page_view *view = finding->view;

	page_names_load(&view->names, &view->snapshot);
	finding->status =
	        page_kinds_find(&view->snapshot, &view->names.program, view->uses, finding->err);
}

int page_view_open(struct page_view *view, const char *path, struct mote_error *err)
{
	struct finding finding = {.view = view, .err = err};

	if (lost_page_init(err) || snapshot_open(&view->snapshot, path, err))
		return -1;
	view->snapshot.is_only_looked_at = true;
	if (snapshot_read(&view->snapshot, err) || snapshot_verify(&view->snapshot, err))
		return -1;
	view->frames = view->snapshot.machine->ram_size / MOTE_PAGE_SIZE;
	view->uses = calloc(view->frames, sizeof *view->uses);
	if (!view->uses)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the pages of %s",
		                      path);
	if (lost_page_guard(find_kinds, &finding))
		return lost_page_error(err, path);
	return finding.status;
}

bool page_view_find(const struct page_view *view, uint64_t frame, unsigned *layer)
{
	const unsigned char *page = snapshot_page(&view->snapshot, frame);

	for (unsigned i = 0; i < view->snapshot.layer_count; i++) {
		const struct snapshot_layer *at = &view->snapshot.layers[i];

		if (page >= at->bytes && page < at->bytes + at->size) {
			*layer = i;
			return true;
		}
	}
	return false;
}

void page_view_print_text(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			printf("\\x%02x", (unsigned char)text[i]);
		else
			putchar(text[i]);
	}
}

void page_view_print_name(const struct page_view *view, uint64_t frame)
{
	uint64_t va = view->uses[frame].va;
	const struct page_symbol *symbol = va ? page_names_find(&view->names, va) : NULL;

	if (!symbol)
		return;
	page_view_print_text(symbol->name.data, symbol->name.length);
	if (symbol->start < va)
		printf("+0x%" PRIx64, va - symbol->start);
	else if (symbol->start > va)
		printf("..");
}
