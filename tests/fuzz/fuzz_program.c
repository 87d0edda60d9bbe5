/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of the kit's program loader (execve): reads the input as an ELF file and maps it. */
#define MOTE_HOSTED
#include "../unit/program_fakes.h"

#include "../../guestkit/libc-shim/program.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program_file *program = NULL;
	struct program mapped;
	int result = program_read(fake_open(data, size), size & 1, &program);

	require(!result == (program != NULL));
	if (program) {
		require(!program->interpreter || strlen(program->interpreter) < VFS_PATH_MAX);
		if (!program_map(program, size & 2 ? MOTE_PIE_BASE : 0, &mapped)) {
			require(mapped.entry < MOTE_USER_END && mapped.end <= MOTE_USER_END);
			require(mapped.end == fake_mappings[0].end);
			require(mapped.headers < MOTE_USER_END);
		}
	}
	program_close(program);
	require(!fake_open_files && !fake_blocks);
	return 0;
}
