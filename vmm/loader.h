/* SPDX-License-Identifier: Apache-2.0 */
/* Puts kit.elf and the application into guest memory and maps them. */
#ifndef MOTE_VMM_LOADER_H
#define MOTE_VMM_LOADER_H

#include "vmm/elf_image.h"
#include "vmm/guest_memory.h"
#include "vmm/page_tables.h"

/* A file that holds an ELF image; the file stays open and is owned by whoever filled this. */
struct elf_file {
	struct elf_source source;
	struct elf_image image;
	uint64_t bias; /* added to every address in image */
	uint64_t gpa;  /* of the first segment's first page; the others follow without gaps */
};

/* Guest memory while it is filled from the bottom. */
struct layout {
	struct guest_memory *memory;
	uint64_t next; /* guest-physical address of the first unused page */
	struct page_tables tables;
	uint64_t copy_limit; /* segments up to this many bytes are copied, larger ones mapped */
};

/**
 * elf_file_open() - Open a program.
 *
 * Errors: MOTE_STATUS_NOT_FOUND when there is no such file, MOTE_STATUS_CANNOT_RUN when it cannot
 * be read or is no regular file.
 */
int elf_file_open(struct elf_file *file, const char *path, struct mote_error *err);

/**
 * kit_open() - Open the kit: @path, or where that is NULL the one inside the running program.
 */
int kit_open(struct elf_file *file, const char *path, struct mote_error *err);

/**
 * kit_read() - Read the kit's headers and note, and compare versions.
 * @note: filled; its ABI version equals MOTE_ABI_VERSION on success
 */
int kit_read(struct elf_file *kit, struct mote_kit_note *note, struct mote_error *err);

/*
 * KVM brings in this much at one fault where tables are shadowed (mote/abi.h). Of the kit's
 * constant part the first groups, from that of its entry on, are copied: what starts, and nearly
 * all programs, execute (kit.lds).
 */
#define KIT_GROUP         0x8000ull
#define KIT_COPIED_GROUPS 2

/* Guest-virtual: where the part of the kit that is copied begins and ends. */
struct mote_range kit_copied(const struct elf_file *kit);

/**
 * kit_load() - Place the kit at its window: guest-physical = virtual - MOTE_WINDOW_VA.
 *
 * Maps nothing: the page tables are made after it, behind the kit. Sets layout->next behind it.
 */
int kit_load(const struct elf_file *kit, struct layout *layout, struct mote_error *err);

/* Map the kit's segments (after page_tables_create()). */
int kit_map(const struct elf_file *kit, struct layout *layout, struct mote_error *err);

/**
 * application_load() - Place an application whose headers have been read at layout->next and up.
 *
 * Small file segments are copied, large ones mapped copy-on-write; the rest reads as zeros.
 */
int application_load(struct elf_file *application, struct layout *layout, struct mote_error *err);

/* Map what application_load() has placed (after page_tables_create()). */
int application_map(const struct elf_file *application, struct layout *layout,
                    struct mote_error *err);

#endif
