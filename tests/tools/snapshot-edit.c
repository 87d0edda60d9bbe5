/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes a field of a snapshot file and makes its checksums right again: what a file of another
 * mote, or of another machine, looks like.
 *
 * usage: snapshot-edit FILE FIELD VALUE
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/checksum.h"
#include "snapshot/format.h"

static void die(const char *what)
{
	fprintf(stderr, "snapshot-edit: %s\n", what);
	exit(2);
}

static struct kvm_cpuid_entry2 *cpuid_leaf(unsigned char *file, const struct snapshot_part *part,
                                           uint32_t function)
{
	struct kvm_cpuid_entry2 *entries = (void *)(file + part->offset);

	for (size_t i = 0; i < part->size / sizeof *entries; i++)
		if (entries[i].function == function && entries[i].index == 0)
			return &entries[i];
	die("no such leaf of CPUID");
	return NULL;
}

/* Return: whether there is such a field. */
static bool change(unsigned char *file, const char *field, uint64_t value)
{
	struct snapshot_header *header = (void *)file;
	struct snapshot_machine *machine = (void *)(file + header->parts[SNAPSHOT_MACHINE].offset);
	const struct snapshot_part *cpuid = &header->parts[SNAPSHOT_CPUID];

	if (!strcmp(field, "version"))
		header->version = (uint32_t)value;
	else if (!strcmp(field, "flags"))
		header->flags = (uint32_t)value;
	else if (!strcmp(field, "base-id"))
		header->base_id[0] ^= (uint8_t)value;
	else if (!strcmp(field, "abi"))
		machine->abi_version = (uint32_t)value;
	else if (!strcmp(field, "ram-size"))
		machine->ram_size = value;
	else if (!strcmp(field, "ram-end"))
		machine->ram_end = value;
	else if (!strcmp(field, "free-end"))
		machine->free.end = value;
	else if (!strcmp(field, "xcr0"))
		machine->xcr0 = value;
	else if (!strcmp(field, "cpu-model"))
		machine->cpu_model = (uint32_t)value;
	else if (!strcmp(field, "tsc-khz"))
		machine->tsc_khz = value;
	else if (!strcmp(field, "page-table"))
		machine->page_table = machine->sregs.cr3 = value;
	else if (!strcmp(field, "rip"))
		machine->regs.rip = value;
	else if (!strcmp(field, "cr4"))
		machine->sregs.cr4 = value;
	else if (!strcmp(field, "efer"))
		machine->sregs.efer = value;
	else if (!strcmp(field, "vendor"))
		cpuid_leaf(file, cpuid, 0)->ebx ^= (uint32_t)value;
	else if (!strcmp(field, "features"))
		cpuid_leaf(file, cpuid, 1)->edx |= (uint32_t)value;
	else if (!strcmp(field, "features-7"))
		cpuid_leaf(file, cpuid, 7)->ebx |= (uint32_t)value;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct snapshot_header *header;
	struct stat status;
	unsigned char *file;
	int fd;

	if (argc != 4)
		die("usage: snapshot-edit FILE FIELD VALUE");
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || fstat(fd, &status) || (size_t)status.st_size < sizeof *header)
		die("cannot use the file");
	file = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		die("cannot map the file");
	if (!change(file, argv[2], strtoull(argv[3], NULL, 0)))
		die("no such field");
	header = (void *)file;
	for (int i = 0; i < SNAPSHOT_PARTS; i++)
		if (header->parts[i].size)
			header->parts[i].sum =
			        checksum_64(file + header->parts[i].offset, header->parts[i].size);
	header->sum = checksum_64(header, offsetof(struct snapshot_header, sum));
	return 0;
}
