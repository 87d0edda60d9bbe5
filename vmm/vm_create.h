/* SPDX-License-Identifier: Apache-2.0 */
/* What making a VM by a boot and from a snapshot have in common. */
#ifndef MOTE_VMM_VM_CREATE_H
#define MOTE_VMM_VM_CREATE_H

#include "vmm/vm.h"

/* Memory slot of the root image: behind those of RAM, each of which quadruples it. */
#define VM_ROOT_SLOT 31

/* Open the files that the options want written, and those of --stats; before confinement. */
int vm_open_outputs(struct vm *vm, struct mote_error *err);

/* All bytes of a file, for backtraces; touched only then. NULL: they cannot be had. */
const unsigned char *vm_map_whole(struct vm *vm, const struct elf_file *file);

/* A mapping of a file is the VM's, which ends with it. */
void vm_keep_map(struct vm *vm, const void *bytes, size_t size);

#endif
