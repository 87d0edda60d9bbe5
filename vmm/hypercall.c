/* SPDX-License-Identifier: Apache-2.0 */
/* Serves hypercalls (mote/abi.h). Every argument is hostile. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio/console.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/crash.h"
#include "vmm/serve.h"
#include "vmm/stop.h"
#include "vmm/tick.h"
#include "vmm/vm.h"
#include "vmm/vm_restore.h"
#include "vmm/vm_save.h"

/* One call moves at most this much, so that no single call takes long. */
#define TRANSFER_MAX (1u << 20)

struct hypercall {
	uint64_t number;
	uint64_t argument[3];
};

/* What was interrupted for those who run the guest, who does not notice. */
static int64_t later(int64_t result)
{
	return result == -EINTR && stop_is_due() ? VM_LATER : result;
}

static int64_t call_console_write(struct vm *vm, const struct hypercall *call)
{
	uint64_t length = call->argument[2] < TRANSFER_MAX ? call->argument[2] : TRANSFER_MAX;
	const void *from = guest_range(&vm->memory, (mote_gpa_t){call->argument[1]}, length);

	/* It waits on its own then, where it can be asked for a snapshot. */
	if (vm->is_wanted_outside && !console_has_room((int)call->argument[0]))
		return -EAGAIN;
	return from ? later(console_write((int)call->argument[0], from, length)) : -EFAULT;
}

static int64_t call_console_read(struct vm *vm, const struct hypercall *call)
{
	uint64_t length = call->argument[1] < TRANSFER_MAX ? call->argument[1] : TRANSFER_MAX;
	void *to = guest_range(&vm->memory, (mote_gpa_t){call->argument[0]}, length);
	uint32_t flags = (uint32_t)call->argument[2];
	int64_t result;

	if (!to)
		return -EFAULT;
	if (!vm->is_wanted_outside)
		return later(console_read(to, length, flags));
	/* It is to ask for the snapshot, and then to read on. */
	result = console_read(to, length, flags & ~MOTE_CONSOLE_BLOCK);
	return result == -EAGAIN && flags & MOTE_CONSOLE_BLOCK ? -EINTR : result;
}

static int64_t call_console_control(struct vm *vm, const struct hypercall *call)
{
	static const size_t sizes[] = {
	        [MOTE_CONSOLE_GET_TERMIOS] = 36,       [MOTE_CONSOLE_SET_TERMIOS] = 36,
	        [MOTE_CONSOLE_SET_TERMIOS_DRAIN] = 36, [MOTE_CONSOLE_SET_TERMIOS_FLUSH] = 36,
	        [MOTE_CONSOLE_GET_WINDOW_SIZE] = 8,
	};
	uint64_t operation = call->argument[1];
	size_t size = operation < sizeof sizes / sizeof sizes[0] ? sizes[operation] : 0;
	mote_gpa_t gpa = {call->argument[2]};
	unsigned char block[64] = {0};
	int64_t result;

	if (operation > MOTE_CONSOLE_GET_READABLE)
		return -EINVAL;
	if (size && guest_read(&vm->memory, gpa, block, size))
		return -EFAULT;
	result = console_control((int)call->argument[0], (uint32_t)operation, block);
	if (size && result == 0 && guest_write(&vm->memory, gpa, block, size))
		return -EFAULT;
	return result;
}

static int64_t call_exit(struct vm *vm, const struct hypercall *call)
{
	uint64_t status = call->argument[0];

	vm->is_over = true;
	vm->is_out_of_memory = status & MOTE_EXIT_OUT_OF_MEMORY;
	if (vm->is_out_of_memory)
		vm->signal = MOTE_STATUS_OUT_OF_MEMORY - MOTE_STATUS_SIGNAL_BASE;
	else if (status & MOTE_EXIT_SIGNAL)
		vm->signal = (int)(status & 0x7f);
	vm->exit_status = vm->signal ? MOTE_STATUS_SIGNAL_BASE + vm->signal : (int)(status & 0xff);
	return 0;
}

static uint64_t time_until(const struct vm *vm, uint64_t deadline)
{
	uint64_t now;

	if (deadline == MOTE_WAIT_FOREVER)
		return UINT64_MAX;
	now = clock_page_monotonic(&vm->clock);
	return deadline > now ? deadline - now : 0;
}

/* A driver of the console is told of the window's size by the device. */
static bool is_window_of_device(const struct vm *vm, uint64_t events)
{
	return vm->devices.console && events & MOTE_EVENT_CONFIG && !(events & MOTE_EVENT_WINDOW);
}

static void tell_window(struct vm *vm, uint64_t events)
{
	if (is_window_of_device(vm, events) && stop_take_window_change())
		virtio_console_resized(vm->devices.console);
}

/* Devices may be busy without having news for the guest. */
static int64_t wait_on_host(struct vm *vm, uint64_t deadline, uint64_t events)
{
	struct pollfd input[1], *polls = vm->devices.count ? vm->devices.polls : input;
	unsigned first = events & MOTE_EVENT_INPUT ? 1 : 0, count;
	uint64_t happened = 0;
	int ready;

	if (vm->run_deadline && vm->run_deadline < deadline)
		deadline = vm->run_deadline;

	do {
		polls[0] = (struct pollfd){.fd = console_fd(STDIN_FILENO), .events = POLLIN};
		count = devices_poll(&vm->devices, first);
		ready = stop_poll(polls, first + count, time_until(vm, deadline),
		                  events & MOTE_EVENT_WINDOW || is_window_of_device(vm, events));
		if (ready <= 0)
			break;
		if (first && polls[0].revents)
			happened |= MOTE_EVENT_INPUT;
		devices_polled(&vm->devices);
		happened |= devices_take_events(&vm->devices, events);
	} while (!happened && time_until(vm, deadline));
	clock_page_refresh(&vm->clock);
	if (ready < 0) {
		tell_window(vm, events);
		happened |= devices_take_events(&vm->devices, events);
	}
	if (vm_wants_snapshot(vm))
		happened |= MOTE_EVENT_SNAPSHOT;
	if (ready < 0 && !happened && stop_is_due())
		return VM_LATER;
	if (ready < 0 && !happened)
		return events & MOTE_EVENT_WINDOW && stop_take_window_change()
		               ? (int64_t)MOTE_EVENT_WINDOW
		               : -EINTR;
	return (int64_t)happened;
}

static int64_t call_wait(struct vm *vm, const struct hypercall *call)
{
	uint64_t deadline = call->argument[0], events = call->argument[1];
	/* A plain notification is as short as can be. */
	bool is_notification = !events && !deadline;
	uint64_t happened;
	int64_t result;

	if (events & ~(uint64_t)(MOTE_EVENT_INPUT | MOTE_EVENT_WINDOW | MOTE_EVENT_DEVICE |
	                         MOTE_EVENT_CONFIG))
		return -EINVAL;
	if (events & MOTE_EVENT_WINDOW && stop_take_window_change())
		return MOTE_EVENT_WINDOW;
	tell_window(vm, events);
	devices_serve(&vm->devices, is_notification);
	happened = devices_take_events(&vm->devices, events);
	if (vm_wants_snapshot(vm))
		happened |= MOTE_EVENT_SNAPSHOT;
	if (happened || is_notification)
		result = (int64_t)happened;
	else
		result = wait_on_host(vm, deadline, events);
	tick_after_wait(vm);
	return result;
}

static int64_t call_clock(struct vm *vm, const struct hypercall *call)
{
	(void)call;
	clock_page_refresh(&vm->clock);
	return 0;
}

static int64_t call_discard(struct vm *vm, const struct hypercall *call)
{
	struct mote_range ranges[MOTE_DISCARD_MAX];
	uint64_t count = call->argument[1];

	if (count > MOTE_DISCARD_MAX)
		return -EINVAL;
	if (guest_read(&vm->memory, (mote_gpa_t){call->argument[0]}, ranges,
	               count * sizeof ranges[0]))
		return -EFAULT;
	for (uint64_t i = 0; i < count; i++) {
		const struct mote_range *range = &ranges[i];

		if (range->start > range->end ||
		    guest_memory_discard(&vm->memory, (mote_gpa_t){range->start},
		                         range->end - range->start))
			return -EINVAL;
	}
	return (int64_t)count;
}

static int64_t call_crash(struct vm *vm, const struct hypercall *call)
{
	struct mote_crash crash;

	if (guest_read(&vm->memory, (mote_gpa_t){call->argument[0]}, &crash, sizeof crash))
		return -EFAULT;
	crash.reason[sizeof crash.reason - 1] = '\0';
	if (crash.signal < 1 || crash.signal > 64)
		return -EINVAL;
	crash_report(vm, &crash);
	vm->is_over = true;
	vm->signal = (int)crash.signal;
	vm->exit_status = MOTE_STATUS_SIGNAL_BASE + (int)crash.signal;
	return 0;
}

static int64_t call_ready(struct vm *vm, const struct hypercall *call)
{
	(void)call;
	if (!vm->moment[VM_MOMENT_READY])
		vm_mark(vm, VM_MOMENT_READY);
	return 0;
}

/* #syscalls:run getrandom */
static int64_t call_random(struct vm *vm, const struct hypercall *call)
{
	uint64_t length = call->argument[1] < 256 ? call->argument[1] : 256;
	void *to = guest_range(&vm->memory, (mote_gpa_t){call->argument[0]}, length);
	ssize_t got = to ? getrandom(to, length, 0) : -1;

	return !to ? -EFAULT : got < 0 ? -errno : got;
}

/* At least four times what there was: few calls, few slots. */
static int64_t call_memory(struct vm *vm, const struct hypercall *call)
{
	uint64_t end = call->argument[0];
	struct mote_error err;

	if (end > vm->memory.size)
		return -EINVAL;
	if (end > vm->kvm.ram_end) {
		if (end < 4 * vm->kvm.ram_end)
			end = 4 * vm->kvm.ram_end;
		if (kvm_add_ram(&vm->kvm, &vm->memory, end, &err))
			return -ENOMEM;
		guest_memory_prefer_huge(&vm->memory, vm->kvm.ram_end);
	}
	return (int64_t)(vm->kvm.ram_end / MOTE_PAGE_SIZE);
}

static int64_t call_tick(struct vm *vm, const struct hypercall *call)
{
	(void)call;
	tick_look(vm);
	return 0;
}

static int64_t call_snapshot(struct vm *vm, const struct hypercall *call)
{
	return vm_save_point(vm, call->argument[0], (mote_gpa_t){call->argument[1]},
	                     call->argument[2]);
}

static int64_t call_start_tree(struct vm *vm, const struct hypercall *call)
{
	uint64_t length = call->argument[1];

	if (length < vm->start_tree_size)
		return -EINVAL;
	if (guest_write(&vm->memory, (mote_gpa_t){call->argument[0]}, vm->start_tree,
	                vm->start_tree_size))
		return -EFAULT;
	return (int64_t)vm->start_tree_size;
}

static int64_t call_serve(struct vm *vm, const struct hypercall *call)
{
	return serve_call(vm, call->argument[0], (mote_gpa_t){call->argument[1]},
	                  call->argument[2]);
}

typedef int64_t hypercall_handler(struct vm *vm, const struct hypercall *call);

static hypercall_handler *const handlers[MOTE_HC_LIMIT] = {
#define X(number, name, arguments, purpose) [number] = call_##name,
        MOTE_HYPERCALLS(X)
#undef X
};

int vm_hypercall(struct vm *vm, struct mote_error *err)
{
	struct kvm_run *run = vm->kvm.run;
	const struct kvm_regs *regs = &run->s.regs.regs;
	struct hypercall call = {.number = regs->rax,
	                         .argument = {regs->rdi, regs->rsi, regs->rdx}};
	uint64_t offset = run->io.data_offset;
	int64_t value = -ENOSYS;
	int32_t result;

	if (run->io.port != MOTE_HYPERCALL_PORT || run->io.direction != KVM_EXIT_IO_IN ||
	    run->io.size != sizeof result || run->io.count != 1) {
		vm->exits[VM_EXIT_PORT]++;
		crash_unexpected_exit(vm, "accessed an I/O port that is not the hypercall port");
		return 0;
	}
	if (vm->must_take_generation && !vm_check_generation(vm))
		return 0;
	if (offset > vm->kvm.run_size - sizeof result)
		return mote_error_set(err, MOTE_STATUS_FAILED, "KVM gave a port access no data");
	if (call.number < MOTE_HC_LIMIT && handlers[call.number]) {
		vm->hypercalls[call.number]++;
		value = handlers[call.number](vm, &call);
		if (value == VM_LATER) {
			vm->hypercalls[call.number]--;
			vm->pause.is_at_exit = true;
			return 0;
		}
	} else {
		vm->hypercalls[0]++;
	}
	result = (int32_t)value;
	memcpy((unsigned char *)run + offset, &result, sizeof result);
	return 0;
}
