/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `mote run --trace`: writes down what host and guest did, and when.
 *
 * How it works. Records go into a buffer that is there from the start, and to the file when that is
 * full and at the end, so that a run of some hundred exits writes nothing while the guest runs. The
 * run loop tells of each exit; system calls and page faults the kit puts into a ring in its own
 * memory, which is emptied at each exit. Pages are sampled at exits (trace_pages.c), after the
 * exit's own time has been taken: at the first SAMPLE_ALWAYS ones, later as often as it takes no
 * more than a share of the time.
 *
 * Everything in the ring is the guest's: nothing but numbers is taken from it, as many as there are
 * slots at most.
 */
#include "vmm/trace.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/trace_format.h"
#include "vmm/trace_pages.h"

#define BUFFER_RECORDS 8192
#define SAMPLE_ALWAYS  64
#define SAMPLE_SHARE   32 /* of the time: one part in so many */
#define RING_SLOTS \
	((TRACE_RING_BYTES - sizeof(struct mote_trace)) / sizeof(struct mote_trace_event))

struct trace {
	int fd;
	bool has_failed; /* writing the file */
	struct trace_record *buffer;
	size_t count;         /* records in it */
	uint64_t written;     /* records in the file and in the buffer */
	uint64_t exits;       /* records of them */
	uint64_t samples;     /* likewise */
	mote_gpa_t ring;      /* 0: none */
	uint64_t taken, lost; /* events of the ring */
	bool has_pages;       /* pages are sampled */
	struct trace_pages pages;
	uint64_t next_sample;    /* host TSC, once SAMPLE_ALWAYS are taken */
	struct trace_record now; /* the exit that is being handled */
};

/* ---- records ---- */

/* #syscalls:run write */
static void flush(struct trace *trace)
{
	const char *at = (const char *)trace->buffer;
	size_t left = trace->count * sizeof *trace->buffer;

	while (left && !trace->has_failed) {
		ssize_t done = write(trace->fd, at, left);

		if (done <= 0) {
			trace->has_failed = true;
			break;
		}
		at += done;
		left -= (size_t)done;
	}
	trace->count = 0;
}

static void add(struct trace *trace, const struct trace_record *record)
{
	trace->buffer[trace->count++] = *record;
	trace->written++;
	if (trace->count == BUFFER_RECORDS)
		flush(trace);
}

static void add_page(void *ctx, const struct trace_record *record)
{
	add(ctx, record);
}

static void add_text(struct trace *trace, enum trace_text what, const char *text)
{
	size_t length = strlen(text) + 1;

	for (size_t at = 0; at < length; at += sizeof trace->now.word) {
		struct trace_record record = {.kind = TRACE_TEXT, .code = what};
		size_t some = length - at < sizeof record.word ? length - at : sizeof record.word;

		memcpy(record.word, text + at, some);
		add(trace, &record);
	}
}

static void add_moment(struct trace *trace, unsigned moment, uint64_t when)
{
	struct trace_record record = {.kind = TRACE_MOMENT, .code = moment, .word = {when}};

	if (when)
		add(trace, &record);
}

/* ---- before the guest ---- */

int trace_open(struct vm *vm, const char *path, bool has_pages, struct mote_error *err)
{
	struct trace *trace = calloc(1, sizeof *trace);

	if (!trace)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a trace");
	vm->trace = trace;
	trace->fd =
	        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (trace->fd < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot create the trace %s",
		                        path);
	/* Touched now: a page fault of ours would be in the trace as time of the guest. */
	trace->buffer = mmap(NULL, BUFFER_RECORDS * sizeof *trace->buffer, PROT_READ | PROT_WRITE,
	                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (trace->buffer == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no memory for a trace");
	trace->has_pages = has_pages;
	trace->pages.pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	vm->backend = kvm_backend();
	return 0;
}

int trace_prepare(struct vm *vm, struct mote_error *err)
{
	struct trace *trace = vm->trace;

	if (!trace || !trace->has_pages)
		return 0;
	return trace_pages_prepare(&trace->pages, &vm->memory, &vm->kvm.ram_end,
	                           trace->pages.pagemap_fd, err);
}

void trace_image(struct vm *vm, unsigned image, uint64_t start, uint64_t end, uint64_t va)
{
	const struct elf_file *file = image == TRACE_IMAGE_KIT           ? &vm->kit
	                              : image == TRACE_IMAGE_APPLICATION ? &vm->application
	                                                                 : NULL;
	struct trace_record record = {
	        .kind = TRACE_IMAGE,
	        .code = image,
	        .word = {file ? file->bias : 0, file ? file->source.start : 0, start, end, va}};

	if (vm->trace && start < end)
		add(vm->trace, &record);
}

int trace_place_ring(struct vm *vm, struct mote_error *err)
{
	struct trace *trace = vm->trace;
	struct mote_trace head = {.size = RING_SLOTS};

	if (!trace)
		return 0;
	trace->ring.value = vm->layout.next;
	vm->layout.next += TRACE_RING_BYTES;
	trace_image(vm, TRACE_IMAGE_TRACE, trace->ring.value, vm->layout.next, 0);
	if (guest_memory_populate(&vm->memory, trace->ring, TRACE_RING_BYTES, err))
		return -1;
	return guest_write(&vm->memory, trace->ring, &head, sizeof head);
}

uint64_t trace_ring(const struct vm *vm)
{
	return vm->trace ? vm->trace->ring.value : 0;
}

bool trace_wants_pages(const struct vm *vm)
{
	return vm->trace && vm->trace->has_pages;
}

static void take_sample(struct vm *vm)
{
	struct trace *trace = vm->trace;
	uint64_t before = clock_host_tsc(), after;
	struct trace_record record = {.kind = TRACE_SAMPLE};

	trace_pages_sample(&trace->pages);
	after = clock_host_tsc();
	record.code = trace->pages.sample;
	record.word[0] = before;
	record.word[1] = after;
	trace->samples++;
	trace->next_sample = after + SAMPLE_SHARE * (after - before);
	add(trace, &record);
}

void trace_begin(struct vm *vm)
{
	struct trace *trace = vm->trace;
	struct trace_record head = {.kind = TRACE_HEAD,
	                            .code = TRACE_VERSION,
	                            .word = {TRACE_MAGIC, vm->clock.tsc_khz, MOTE_ABI_VERSION,
	                                     vm->memory.size, vm->start_cpu_ns}};

	/* What was said of images is behind the head. */
	memmove(trace->buffer + 1, trace->buffer, trace->count * sizeof *trace->buffer);
	trace->buffer[0] = head;
	trace->count++;
	trace->written++;
	add_text(trace, TRACE_TEXT_APPLICATION, vm->image.name ? vm->image.name : vm->options->app);
	add_text(trace, TRACE_TEXT_BACKEND, kvm_backend_name(vm->backend));
	if (!trace->has_pages)
		return;
	/* In a snapshot accessed bits are set: they tell nothing. */
	trace->pages.root = vm->snapshot ? 0 : vm->layout.tables.root;
	take_sample(vm);
}

/* ---- while it runs ---- */

static uint32_t cause_of(const struct kvm_run *run)
{
	uint64_t number = run->s.regs.regs.rax;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		if (run->io.port != MOTE_HYPERCALL_PORT || run->io.direction != KVM_EXIT_IO_IN)
			return TRACE_CAUSE_OTHER + VM_EXIT_PORT;
		return number < MOTE_HC_LIMIT ? (uint32_t)number : 0;
	case KVM_EXIT_MMIO: return TRACE_CAUSE_OTHER + VM_EXIT_MMIO;
	case KVM_EXIT_INTR: return TRACE_CAUSE_OTHER + VM_EXIT_INTERRUPTED;
	default: return TRACE_CAUSE_OTHER + VM_EXIT_OTHER;
	}
}

void trace_left(struct vm *vm, uint64_t entered)
{
	const struct kvm_regs *regs = &vm->kvm.run->s.regs.regs;

	vm->trace->now =
	        (struct trace_record){.kind = TRACE_EXIT,
	                              .code = cause_of(vm->kvm.run),
	                              .word = {entered, clock_host_tsc(), 0, regs->rip, regs->rdi}};
}

static uint64_t host_time(const struct vm *vm, uint64_t guest_tsc)
{
	return guest_tsc ? guest_tsc - vm->clock.tsc_offset : 0;
}

static void add_event(struct vm *vm, const struct mote_trace_event *event)
{
	bool is_fault = event->what & MOTE_TRACE_FAULT;
	struct trace_record record = {.kind = is_fault ? TRACE_FAULT : TRACE_CALL,
	                              .code = is_fault ? event->what & 0xffff : event->what,
	                              .word = {host_time(vm, event->start),
	                                       host_time(vm, event->end), event->value, event->rip,
	                                       event->thread}};

	add(vm->trace, &record);
}

/* What the kit has put into the ring. A guest that says more than there can be has lost the rest.
 */
static void empty_ring(struct vm *vm)
{
	struct trace *trace = vm->trace;
	uint64_t written, count;

	if (!trace->ring.value || guest_read(&vm->memory, trace->ring, &written, sizeof written))
		return;
	count = written - trace->taken;
	if (count > RING_SLOTS) {
		trace->lost += count - RING_SLOTS;
		trace->taken = written - RING_SLOTS;
		count = RING_SLOTS;
	}
	for (; count; count--, trace->taken++) {
		struct mote_trace_event event;
		uint64_t slot = trace->taken % RING_SLOTS;
		mote_gpa_t at = {trace->ring.value + offsetof(struct mote_trace, event) +
		                 slot * sizeof event};

		if (guest_read(&vm->memory, at, &event, sizeof event))
			return;
		add_event(vm, &event);
	}
	guest_write(&vm->memory,
	            (mote_gpa_t){trace->ring.value + offsetof(struct mote_trace, taken)},
	            &trace->taken, sizeof trace->taken);
}

void trace_handled(struct vm *vm)
{
	struct trace *trace = vm->trace;

	trace->now.word[2] = clock_host_tsc();
	trace->exits++;
	add(trace, &trace->now);
	empty_ring(vm);
	if (trace->has_pages && !vm->is_over &&
	    (trace->samples < SAMPLE_ALWAYS || clock_host_tsc() >= trace->next_sample))
		take_sample(vm);
}

/* ---- after it ---- */

int trace_end(struct vm *vm, struct mote_error *err)
{
	struct trace *trace = vm->trace;
	struct trace_record end = {.kind = TRACE_END, .code = (uint32_t)vm->exit_status};
	struct mote_run run;

	if (trace->has_pages)
		take_sample(vm);
	vm_read_run_page(vm, &run);
	for (unsigned i = 0; i < VM_MOMENTS; i++)
		add_moment(trace, i, vm->moment[i]);
	for (unsigned i = 0; i < MOTE_STAMPS; i++)
		add_moment(trace, VM_MOMENTS + i, host_time(vm, run.stamp[i]));
	if (trace->has_pages)
		trace_pages_report(&trace->pages, add_page, trace);
	end.word[0] = trace->exits;
	end.word[1] = trace->lost;
	end.word[2] = trace->samples;
	end.word[3] = trace->ring.value ? run.syscalls : 0;
	end.word[4] = trace->written;
	add(trace, &end);
	flush(trace);
	if (trace->has_failed)
		return mote_error_set(err, MOTE_STATUS_FAILED, "the trace %s could not be written",
		                      vm->options->trace_path);
	return 0;
}

void trace_close(struct vm *vm)
{
	struct trace *trace = vm->trace;

	vm->trace = NULL;
	if (!trace)
		return;
	if (trace->fd >= 0)
		close(trace->fd);
	if (trace->pages.pagemap_fd >= 0)
		close(trace->pages.pagemap_fd);
	if (trace->buffer && trace->buffer != MAP_FAILED)
		munmap(trace->buffer, BUFFER_RECORDS * sizeof *trace->buffer);
	trace_pages_close(&trace->pages);
	free(trace);
}
