/* SPDX-License-Identifier: Apache-2.0 */
/* The symbolised backtrace of a guest: collect frames, print them as text. */
#include "vmm/backtrace.h"

#include <inttypes.h>
#include <stdio.h>

#include "vmm/dwarf_line.h"

/*
 * How it works: unwinding comes first and yields addresses only; then each image's tables are
 * passed over once for all its frames together, so that the cost does not grow with the depth. Each
 * phase has a budget of steps of some nanoseconds, since the guest chose the tables.
 */
#define UNWIND_STEPS 8000000
#define SYMBOL_STEPS 8000000
#define LINE_STEPS   8000000

#define NAME_MAX_SHOWN 160 /* characters of a name, before escaping */

static size_t collect_addresses(struct unwinder *unwinder, struct unwind_registers regs,
                                struct backtrace_frame *frames, size_t max)
{
	bool is_exact = true;
	size_t count = 0;

	while (count < max) {
		frames[count] = (struct backtrace_frame){.pc = regs.rip, .is_exact = is_exact};

		enum unwind_result result = unwind_step(unwinder, &regs, is_exact);

		/* A trampoline starts where the handler returns to: the byte before is not its. */
		is_exact = result == UNWIND_INTERRUPTED;
		frames[count].is_exact |= is_exact;
		count++;
		if (result == UNWIND_STOP)
			break;
	}
	return count;
}

static void locate(const struct code_image *images, size_t image_count,
                   struct backtrace_frame *frame)
{
	uint64_t inside = frame->pc - (frame->is_exact ? 0 : 1);
	struct code_segment segment;

	frame->image = unwind_find_image(images, image_count, inside, &segment);
	if (!frame->image)
		return;
	frame->where.address = inside - frame->image->bias;
	frame->where.segment_start = segment.start;
}

/* The locations of an image's frames in ascending order. */
static size_t sort_locations(const struct code_image *image, struct backtrace_frame *frames,
                             size_t frame_count, struct code_location **sorted)
{
	size_t count = 0;

	for (size_t i = 0; i < frame_count; i++) {
		size_t place = count;

		if (frames[i].image != image)
			continue;
		for (; place > 0 && sorted[place - 1]->address > frames[i].where.address; place--)
			sorted[place] = sorted[place - 1];
		sorted[place] = &frames[i].where;
		count++;
	}
	return count;
}

size_t backtrace_collect(const struct code_image *images, size_t count,
                         const struct unwind_registers *registers,
                         const struct guest_reader *reader, struct backtrace_frame *frames,
                         size_t max)
{
	struct unwinder unwinder = {images, count, reader, UNWIND_STEPS};
	uint64_t symbol_steps = SYMBOL_STEPS, line_steps = LINE_STEPS;
	struct code_location *sorted[BACKTRACE_MAX];
	size_t used = collect_addresses(&unwinder, *registers, frames,
	                                max < BACKTRACE_MAX ? max : BACKTRACE_MAX);

	for (size_t i = 0; i < used; i++)
		locate(images, count, &frames[i]);
	for (size_t i = 0; i < count; i++) {
		size_t located = sort_locations(&images[i], frames, used, sorted);

		elf_lookup_symbols(&images[i], sorted, located, &symbol_steps);
		dwarf_lookup_lines(&images[i], sorted, located, &line_steps);
	}
	return used;
}

/* Text under construction in a caller's buffer; what does not fit is dropped. */
struct text {
	char *buffer;
	size_t size;
	size_t length;
};

static void append_char(struct text *text, char c)
{
	if (text->length + 1 < text->size)
		text->buffer[text->length++] = c;
	text->buffer[text->length] = '\0';
}

static void append_string(struct text *text, const char *string)
{
	for (; *string; string++)
		append_char(text, *string);
}

static void append_offset(struct text *text, uint64_t offset)
{
	char digits[32];

	snprintf(digits, sizeof digits, "+0x%" PRIx64, offset);
	append_string(text, digits);
}

/* Bytes from a file, so that a terminal does nothing but show them. */
static void append_escaped(struct text *text, const char *bytes, size_t length)
{
	static const char hex[] = "0123456789abcdef";
	size_t shown = length < NAME_MAX_SHOWN ? length : NAME_MAX_SHOWN;

	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= 0x20 && c < 0x7f && c != '\\') {
			append_char(text, (char)c);
			continue;
		}
		append_string(text, "\\x");
		append_char(text, hex[c >> 4]);
		append_char(text, hex[c & 15]);
	}
	if (shown < length)
		append_string(text, "...");
}

size_t backtrace_format_frame(size_t index, const struct backtrace_frame *frame, char *buffer,
                              size_t size)
{
	const struct code_location *where = &frame->where;
	struct text text = {buffer, size, 0};
	char number[64];

	snprintf(number, sizeof number, "#%-2zu 0x%016" PRIx64 " in ", index, frame->pc);
	append_string(&text, number);
	if (!frame->image) {
		append_string(&text, "??");
		return text.length;
	}

	uint64_t linked = frame->pc - frame->image->bias;

	if (where->symbol.data) {
		append_escaped(&text, where->symbol.data, where->symbol.length);
		append_offset(&text, linked - where->symbol_start);
	} else {
		append_string(&text, "??");
	}
	if (where->line != 0 && where->file.data) {
		append_string(&text, " at ");
		if (where->directory.data) {
			append_escaped(&text, where->directory.data, where->directory.length);
			append_char(&text, '/');
		}
		append_escaped(&text, where->file.data, where->file.length);
		snprintf(number, sizeof number, ":%" PRIu32 " ", where->line);
		append_string(&text, number);
	}
	append_string(&text, " (");
	append_escaped(&text, frame->image->name, strlen(frame->image->name));
	if (!where->symbol.data)
		append_offset(&text, linked);
	append_char(&text, ')');
	return text.length;
}

void backtrace_print(const struct backtrace_frame *frames, size_t count,
                     void (*emit)(void *ctx, const char *line, size_t length), void *ctx)
{
	char line[BACKTRACE_LINE_MAX + 4] = "  ";

	for (size_t i = 0; i < count; i++) {
		size_t length =
		        2 + backtrace_format_frame(i, &frames[i], line + 2, BACKTRACE_LINE_MAX);

		line[length++] = '\n';
		line[length] = '\0';
		emit(ctx, line, length);
	}
}
