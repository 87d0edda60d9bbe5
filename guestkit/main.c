/* SPDX-License-Identifier: Apache-2.0 */
/* The kit's entry point in C: brings everything up, then starts the application. */
#include <linux/errno.h>

#include "guestkit/address_space.h"
#include "guestkit/clock.h"
#include "guestkit/console.h"
#include "guestkit/fpu.h"
#include "guestkit/libc-shim/start.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/machine.h"
#include "guestkit/page_table.h"
#include "guestkit/pages.h"
#include "guestkit/process_end.h"
#include "guestkit/random.h"
#include "guestkit/virtio_balloon.h"
#include "guestkit/virtio_fs.h"

_Noreturn void kit_main(const struct mote_boot *boot);

static void check_versions(const struct mote_boot *boot)
{
	if (boot->magic == MOTE_BOOT_MAGIC && boot->abi_version == MOTE_ABI_VERSION &&
	    boot->size == sizeof *boot)
		return;
	kit_print("mote: guest kit: this mote (version %s, ABI %u) is %s than the guest kit "
	          "(version %s, "
	          "ABI %u). Use the kit that was built with it\n",
	          boot->vmm_version, boot->abi_version,
	          boot->abi_version < MOTE_ABI_VERSION ? "older" : "newer", MOTE_VERSION,
	          MOTE_ABI_VERSION);
	end_exit(125);
}

void kit_main(const struct mote_boot *boot)
{
	const char *share;
	int status;

	((struct mote_run *)MOTE_RUN_VA)->stamp[MOTE_STAMP_KIT] = clock_tsc();
	check_versions(boot);
	machine_read(boot);
	pages_init(boot->free.start, boot->ram_usable, boot->free.end);
	page_table_init(boot->page_table);
	random_seed(machine.seed, machine.seed_size);
	fpu_init(machine.xsave_size);
	status = vfs_init(machine.root_size ? (const void *)MOTE_ROOT_VA : NULL, machine.root_size,
	                  machine.root_physical);
	if (!status && machine.device_count && (status = virtio_fs_mount(&share)) != 0) {
		kit_print("mote: guest: cannot mount %s: %s (errno %d)\n", share,
		          status == -ENOTDIR ? "what is there above it is no directory"
		          : status == -EROFS ? "the file system above it is read-only"
		                             : "it failed",
		          -status);
		end_exit(125);
	}
	if (!status)
		status = vfs_start_in(machine.working_directory);
	if (status) {
		kit_print("mote: guest: cannot start in %s: %s (errno %d)\n",
		          machine.working_directory,
		          status == -ENOENT ? "there is no such directory in the root"
		                            : "the root failed",
		          -status);
		end_exit(125);
	}
	if (machine.device_count)
		balloon_start();
	start_application();
}
