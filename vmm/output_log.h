/* SPDX-License-Identifier: Apache-2.0 */
/* The last output of a microVM that has a name: NAME.log beside its control socket. docs/control.md
 */
#ifndef MOTE_VMM_OUTPUT_LOG_H
#define MOTE_VMM_OUTPUT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/control_directory.h"

#define OUTPUT_LOG_SIZE  0x40000u
#define OUTPUT_LOG_PIECE 0x4000u /* bytes that are written at a time */
#define OUTPUT_LOG_KEPT  (OUTPUT_LOG_SIZE - OUTPUT_LOG_PIECE)
#define OUTPUT_LOG_START 4096u /* where the bytes are in the file */

/* The file begins with it. Byte number N of the output is at START + N modulo SIZE. */
struct output_log_head {
	char magic[8]; /* OUTPUT_LOG_MAGIC */
	uint64_t size;
	uint64_t written; /* bytes in all */
};

#define OUTPUT_LOG_MAGIC "MoteLog1"

/* Of one microVM that writes; all zero: there is none. */
struct output_log {
	bool is_open;
	int fd;
	uint64_t written;
};

/**
 * output_log_create() - Begin the log of a microVM, in place of an earlier one of the name.
 *
 * To be called before confinement, by who has the control socket of the name. It is locked
 * (flock()) until output_log_close(), or for as long as the process lives. SIGXFSZ is to be
 * ignored: output beyond RLIMIT_FSIZE is not kept.
 */
int output_log_create(struct output_log *log, const struct control_directory *directory,
                      const char *name, struct mote_error *err);

/* Add what the guest has written; does nothing where there is no log. Only the kernel touches
 * @bytes. */
void output_log_add(struct output_log *log, const void *bytes, size_t size);

void output_log_close(struct output_log *log);

struct output_log_reader {
	int fd;
	uint64_t next; /* byte of the output to be read next */
};

/**
 * output_log_open() - Open the log of a microVM that runs, or has ended.
 *
 * Its owner's processes may have done anything to the file.
 */
int output_log_open(struct output_log_reader *reader, const struct control_directory *directory,
                    const char *name, struct mote_error *err);

/**
 * output_log_read() - Take what there is from reader->next on, or from the first byte that is kept.
 * @buffer: of OUTPUT_LOG_SIZE bytes
 *
 * Return: bytes; 0: no more for now; -1 with @err: the file is no log.
 */
int64_t output_log_read(struct output_log_reader *reader, unsigned char *buffer,
                        struct mote_error *err);

/* Whether the microVM has ended: then what is read afterwards is all. */
bool output_log_has_ended(const struct output_log_reader *reader);

#endif
