/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the places in a trace: functions of the kit and of the application. */
#ifndef MOTE_MEASURE_TRACE_SYMBOLS_H
#define MOTE_MEASURE_TRACE_SYMBOLS_H

#include "measure/trace_log.h"
#include "vmm/elf_symbols.h"

#define TRACE_PLACE_MAX 160

struct trace_symbol {
	uint64_t address; /* guest-virtual */
	const struct code_image *image;
	struct code_location where;
};

struct trace_symbols {
	struct code_image kit, application; /* elf NULL: not there */
	struct trace_symbol *symbols;       /* ascending, unique */
	size_t count;
};

/**
 * trace_symbols_find() - Look all addresses of a log up, at once.
 * @symbols: kit and application are set; filled, to be given to trace_symbols_free()
 *
 * Return: 0, or -1 when memory is short.
 */
int trace_symbols_find(struct trace_symbols *symbols, const struct trace_log *log);
void trace_symbols_free(struct trace_symbols *symbols);

/**
 * trace_place() - Say what lies at a guest-virtual address that the log has.
 * @text: set to "function+0x1f (kit)" or the like: printable ASCII
 */
void trace_place(const struct trace_symbols *symbols, uint64_t address, char text[TRACE_PLACE_MAX]);

#endif
