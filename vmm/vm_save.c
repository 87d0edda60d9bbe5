/* SPDX-License-Identifier: Apache-2.0 */
/* Takes a snapshot of a VM. */
#include "vmm/vm_save.h"

int64_t vm_save_point(struct vm *vm, uint64_t point, mote_gpa_t gpa, uint64_t length)
{
	(void)vm, (void)point, (void)gpa, (void)length;
	return MOTE_SNAPSHOT_NONE;
}
