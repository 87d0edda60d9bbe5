/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stops the running vCPU for the guest's threads and timers.
 *
 * A timer's signal makes KVM_RUN return (stop.c). If the guest has something due then, it is led
 * into the kit by changing RIP, which needs neither an interrupt controller nor an interrupt; but
 * not where the kit's own code is stopped, or an exception is on its way into the guest: then the
 * kit looks at preempt_wanted on its way out, or the next moment is near.
 *
 * The timer runs once, and is set anew at each tick: while the guest waits in the VMM there is no
 * tick after the first, since its signal stays pending.
 */
#include "vmm/tick.h"

#include <string.h>
#include <sys/ioctl.h>

#include "virtio/net.h"
#include "vmm/lost_page.h"
#include "vmm/stop.h"

#define NS_PER_MS    1000000u
#define SOONEST_NS   NS_PER_MS /* between two ticks */
#define LATEST_NS    TICK_LATEST_NS
#define NETWORK_NS   2000000u /* while frames move: what the guest sends waits no longer */
#define QUIET_SLICES 10       /* with one runnable thread, before slicing stops */
#define STILL_NS     3000000u /* between looks at a guest that seems to stand still */
#define STILL_LOOKS  32       /* that find no register changed: not a short loop met by chance */

#define RFLAGS_RESUME (1ull << 16)

/*
 * The run page is the guest's to write: what is there is a wish, and a wrong one harms it alone. No
 * file that could be cut lies under it: the VMM has written to it before.
 */
static void set_field(struct vm *vm, mote_gpa_t gpa, const void *value, size_t size)
{
	void *field = guest_range(&vm->memory, gpa, size);

	if (field)
		memcpy(field, value, size);
}

/* Whether frames have moved since the last tick. */
static bool is_network_busy(const struct vm *vm)
{
	return vm->devices.net && net_frames(vm->devices.net) != vm->tick.frames;
}

/* @may_keep: a tick that is set already and comes sooner will do */
static void choose_next(struct vm *vm, const struct mote_run *page, bool may_keep)
{
	uint64_t now = clock_page_monotonic(&vm->clock), delay = LATEST_NS, next, kept;
	uint32_t slicing;

	vm->tick.quiet_slices = page->runnable > 1 ? 0 : vm->tick.quiet_slices + 1;
	slicing = vm->tick.quiet_slices < QUIET_SLICES;
	if (slicing || vm->devices.count)
		delay = MOTE_SLICE_NS;
	if (stop_patience() && stop_patience() < delay)
		delay = stop_patience();
	if (is_network_busy(vm))
		delay = NETWORK_NS;
	if (vm->tick.still_looks && delay > STILL_NS)
		delay = STILL_NS;
	if (page->deadline && page->deadline < now + delay)
		delay = page->deadline > now + SOONEST_NS ? page->deadline - now : SOONEST_NS;
	if (vm->run_deadline && vm->run_deadline < now + delay)
		delay = vm->run_deadline > now + SOONEST_NS ? vm->run_deadline - now : SOONEST_NS;
	if (stop_deadline_due() < delay)
		delay = stop_deadline_due() > SOONEST_NS ? stop_deadline_due() : SOONEST_NS;
	kept = may_keep ? stop_tick_due() : 0;
	if (kept && kept <= delay)
		delay = kept;
	else
		stop_set_tick(delay);
	vm->tick.next = next = now + delay;
	set_field(vm, VM_RUN_GPA(slicing), &slicing, sizeof slicing);
	set_field(vm, VM_RUN_GPA(next_tick), &next, sizeof next);
}

int tick_init(struct vm *vm, struct mote_error *err)
{
	uint64_t next = clock_page_monotonic(&vm->clock) + LATEST_NS;

	vm->tick.quiet_slices = QUIET_SLICES;
	set_field(vm, VM_RUN_GPA(next_tick), &next, sizeof next);
	return stop_init_tick(LATEST_NS, err);
}

void tick_restart(struct vm *vm)
{
	const volatile struct mote_run *run =
	        guest_range(&vm->memory, (mote_gpa_t){MOTE_RUN_VA - MOTE_WINDOW_VA}, sizeof *run);
	const struct mote_run page = {.runnable = run->runnable, .deadline = run->deadline};

	memset(&vm->tick, 0, sizeof vm->tick);
	vm->tick.quiet_slices = QUIET_SLICES;
	choose_next(vm, &page, true);
}

static bool is_in_kit(const struct vm *vm, uint64_t rip)
{
	const struct mote_kit_note *note = &vm->kit_note;

	return (rip >= note->text_start && rip < note->text_end) ||
	       (rip >= MOTE_RING0_VA && rip < MOTE_RING0_VA + MOTE_PAGE_SIZE);
}

/* #syscalls:run ioctl(KVM_GET_VCPU_EVENTS) */
static bool has_exception(const struct vm *vm)
{
	struct kvm_vcpu_events events;

	return ioctl(vm->kvm.vcpu, KVM_GET_VCPU_EVENTS, &events) < 0 || events.exception.injected ||
	       events.exception.pending || events.nmi.injected;
}

void tick_lead(struct vm *vm)
{
	struct kvm_regs *regs = &vm->kvm.run->s.regs.regs;
	const uint32_t wanted = 1;
	const uint64_t preempted[] = {regs->rip, regs->rsp, regs->rflags};

	/* Registers may not change while an exit is to be completed. */
	if (vm->kvm.run->exit_reason != KVM_EXIT_INTR || is_in_kit(vm, regs->rip) ||
	    has_exception(vm)) {
		set_field(vm, VM_RUN_GPA(preempt_wanted), &wanted, sizeof wanted);
		return;
	}
	set_field(vm, VM_RUN_GPA(preempted), preempted, sizeof preempted);
	regs->rip = vm->kit_note.preempt_entry;
	regs->rflags = MOTE_PREEMPT_RFLAGS;
	vm->kvm.run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

/* The last byte is the first to go. */
static bool is_cut(const void *bytes, uint64_t size)
{
	char last;

	return bytes && size && lost_page_copy(&last, (const char *)bytes + size - 1, 1);
}

/*
 * KVM with a local APIC of its own says nothing of a page that the guest touches and a cut file no
 * longer has (lost_page.h): it tries again for ever. So look when the guest stands still. A program
 * that jumps to one instruction for ever does so, too, and is not told apart once its file is cut.
 */
static bool is_stuck(struct vm *vm)
{
	struct kvm_regs regs = vm->kvm.run->s.regs.regs;
	bool stands_still;

	regs.rflags &= ~RFLAGS_RESUME; /* comes and goes with the attempts */
	stands_still = !memcmp(&vm->tick.registers, &regs, sizeof regs);
	vm->tick.registers = regs;
	if (!stands_still || (!is_cut(vm->application_bytes, vm->application.source.size) &&
	                      !is_cut(vm->root, vm->root_size)))
		vm->tick.still_looks = 0;
	else
		vm->tick.still_looks++;
	return vm->tick.still_looks > STILL_LOOKS;
}

int tick_serve(struct vm *vm, struct mote_error *err)
{
	struct mote_run page;

	if (!stop_take_tick())
		return 0;
	if (vm->kvm.run->exit_reason == KVM_EXIT_INTR && is_stuck(vm))
		return lost_page_error(err, vm->options->app);
	clock_page_refresh(&vm->clock);
	vm_read_run_page(vm, &page);
	devices_look(&vm->devices);
	if (page.runnable > 1 || devices_have_events(&vm->devices) ||
	    (page.deadline && page.deadline <= clock_page_monotonic(&vm->clock)))
		tick_lead(vm);
	choose_next(vm, &page, false);
	if (vm->devices.net)
		vm->tick.frames = net_frames(vm->devices.net);
	return 0;
}

/*
 * While frames move, the guest relies on a look at its queues within NETWORK_NS and does not ask
 * for one (docs/decisions/017-network-kicks.md). This call was such a look: the next one is due
 * NETWORK_NS from now, unless threads wait for their turn.
 */
void tick_after_wait(struct vm *vm)
{
	struct mote_run page;
	uint64_t now;

	if (!is_network_busy(vm))
		return;
	now = clock_page_monotonic(&vm->clock);
	if (vm->tick.next > now + NETWORK_NS / 2 && vm->tick.next <= now + NETWORK_NS)
		return;
	vm_read_run_page(vm, &page);
	if (vm->tick.next > now + NETWORK_NS || page.runnable <= 1)
		choose_next(vm, &page, false);
}

void tick_look(struct vm *vm)
{
	struct mote_run page;

	vm_read_run_page(vm, &page);
	choose_next(vm, &page, false);
}
