/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the places in a trace: functions of the kit and of the application. */
#include "measure/trace_symbols.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS_EACH 4000000u /* of work for one batch of addresses: a table of so many symbols */

static int compare(const void *a, const void *b)
{
	uint64_t left = ((const struct trace_symbol *)a)->address;
	uint64_t right = ((const struct trace_symbol *)b)->address;

	return (left > right) - (left < right);
}

static void add(struct trace_symbols *symbols, uint64_t address)
{
	if (address)
		symbols->symbols[symbols->count++].address = address;
}

static void collect(struct trace_symbols *symbols, const struct trace_log *log)
{
	size_t unique = 0;

	for (size_t i = 0; i < log->count; i++) {
		const struct trace_record *record = &log->records[i];

		switch (record->kind) {
		case TRACE_EXIT:
		case TRACE_CALL:
		case TRACE_FAULT: add(symbols, record->word[3]); break;
		case TRACE_PAGE: add(symbols, record->word[1]); break;
		default: break;
		}
	}
	qsort(symbols->symbols, symbols->count, sizeof *symbols->symbols, compare);
	for (size_t i = 0; i < symbols->count; i++)
		if (!i || symbols->symbols[i].address != symbols->symbols[unique - 1].address)
			symbols->symbols[unique++] = symbols->symbols[i];
	symbols->count = unique;
}

/* Which image @address is code of; with the segment for the search. */
static const struct code_image *find_image(const struct trace_symbols *symbols,
                                           struct trace_symbol *symbol)
{
	const struct code_image *images[] = {&symbols->kit, &symbols->application};

	for (size_t i = 0; i < 2; i++) {
		struct code_segment segment;

		symbol->where =
		        (struct code_location){.address = symbol->address - images[i]->bias};
		if (images[i]->elf && elf_find_code(images[i], symbol->where.address, &segment)) {
			symbol->where.segment_start = segment.start;
			return images[i];
		}
	}
	return NULL;
}

static void look_up(struct trace_symbols *symbols, const struct code_image *image)
{
	struct code_location *batch[LOCATIONS_MAX];
	size_t count = 0;

	for (size_t i = 0; i <= symbols->count; i++) {
		uint64_t steps = STEPS_EACH;

		if (i < symbols->count && symbols->symbols[i].image == image)
			batch[count++] = &symbols->symbols[i].where;
		if (count == LOCATIONS_MAX || (count && i == symbols->count)) {
			elf_lookup_symbols(image, batch, count, &steps);
			count = 0;
		}
	}
}

int trace_symbols_find(struct trace_symbols *symbols, const struct trace_log *log)
{
	symbols->symbols = calloc(log->count + 1, sizeof *symbols->symbols);
	symbols->count = 0;
	if (!symbols->symbols)
		return -1;
	collect(symbols, log);
	for (size_t i = 0; i < symbols->count; i++)
		symbols->symbols[i].image = find_image(symbols, &symbols->symbols[i]);
	look_up(symbols, &symbols->kit);
	look_up(symbols, &symbols->application);
	return 0;
}

void trace_symbols_free(struct trace_symbols *symbols)
{
	free(symbols->symbols);
	symbols->symbols = NULL;
	symbols->count = 0;
}

void trace_place(const struct trace_symbols *symbols, uint64_t address, char text[TRACE_PLACE_MAX])
{
	const struct trace_symbol key = {.address = address}, *symbol;
	int length = 0;

	symbol = symbols->count
	                 ? bsearch(&key, symbols->symbols, symbols->count, sizeof key, compare)
	                 : NULL;
	if (!symbol || !symbol->image) {
		snprintf(text, TRACE_PLACE_MAX, "0x%llx", (unsigned long long)address);
		return;
	}
	if (symbol->where.symbol.data)
		length = snprintf(
		        text, TRACE_PLACE_MAX, "%.*s+0x%llx",
		        (int)(symbol->where.symbol.length < 100 ? symbol->where.symbol.length
		                                                : 100),
		        symbol->where.symbol.data,
		        (unsigned long long)(symbol->where.address - symbol->where.symbol_start));
	else
		length = snprintf(text, TRACE_PLACE_MAX, "0x%llx", (unsigned long long)address);
	snprintf(text + length, TRACE_PLACE_MAX - (size_t)length, " (%.24s)",
	         symbol->image == &symbols->kit ? "kit" : "application");
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '?';
}
