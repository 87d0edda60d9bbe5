/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: devices, sockets and shares, before one and after a start from it (snapshot.h).
 *
 * How it works
 *
 * Drivers and caches are in memory, and so is where the rings are: what a device is asked for next
 * follows on what it was asked for before, whichever VM it is in. What is different lies behind the
 * devices. The VMM gives another device tree where it has replaced something. Nothing that was
 * known of a share's files is believed before it was asked for, and networks are looked for again:
 * what memory has of them is of the VM in which the snapshot was taken, after a reset as well.
 */
#include "guestkit/console.h"
#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/fuse.h"
#include "guestkit/libc-shim/inet_tcp_cut.h"
#include "guestkit/libc-shim/name_files.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/vsock.h"
#include "guestkit/machine.h"
#include "guestkit/memory.h"
#include "guestkit/process_end.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"
#include "guestkit/virtio_block.h"
#include "guestkit/virtio_net.h"

#define LINE_MAX 96

/* ---- before ---- */

void snapshot_settle_devices(void)
{
	fuse_prepare();
}

static void name_vsock(const struct vsock_socket *socket, void *context)
{
	char line[LINE_MAX];

	(void)context;
	kit_format(line, sizeof line, "the vsock connection of port %u with port %u of the host",
	           socket->port, socket->peer_port);
	snapshot_problem(line);
}

void snapshot_lint(void)
{
	inet_tcp_name_connections(snapshot_problem);
	vsock_visit(name_vsock, NULL);
	if (block_flush_all())
		snapshot_problem("what was written to a disk, and is not on stable storage");
}

void snapshot_cut(void)
{
	inet_tcp_cut(true);
	vsock_cut();
}

/* ---- after ---- */

/* The tree stays for ever; that of the start before is part of what the snapshot holds. */
static void take_tree(uint64_t size)
{
	size_t pages = page_round_up(size) / PAGE_SIZE;
	uint64_t tree = page_alloc(pages);

	if (!tree) {
		kit_print("mote: guest kit: no memory for the device tree of this start\n");
		end_exit(125);
	}
	if (hypercall(MOTE_HC_start_tree, tree, pages * PAGE_SIZE, 0) != (int64_t)size) {
		kit_print("mote: guest kit: the VMM did not give the device tree of this start\n");
		end_exit(125);
	}
	machine_read_again(direct_map(tree), size);
}

static bool is_same_name(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void take_changes(uint64_t tree_size)
{
	const char *name = machine.hostname;
	bool is_other_name;

	take_tree(tree_size);
	block_restart();
	is_other_name = !is_same_name(name, machine.hostname);
	if (is_other_name)
		system_renew_host_name();
	name_files_renew(is_other_name);
}

void snapshot_renew_devices(uint64_t tree_size, uint32_t flags)
{
	if (tree_size)
		take_changes(tree_size);
	fuse_restart(flags & MOTE_GENERATION_OTHER_SHARES);
	if (!(flags & MOTE_GENERATION_NEW_NETWORK))
		return;
	inet_tcp_cut(false);
	virtio_net_restart();
}
