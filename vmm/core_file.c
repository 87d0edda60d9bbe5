/* SPDX-License-Identifier: Apache-2.0 */
/* ELF core files of a stopped guest, as Linux writes them and gdb reads them. */
#include "vmm/core_file.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "vmm/lost_page.h"

/*
 * How it works: the file is ELF header, program headers (one PT_NOTE, then a PT_LOAD a segment),
 * notes, and from the next page on the contents of the segments in order. Every size is known
 * beforehand, so everything is written front to back; only holes are skipped over.
 */
#define PAGE         4096
#define WRITE_MAX    (1 << 20) /* one write: large, but soon interrupted */
#define FXSAVE_SIZE  512
#define XCR0_OFFSET  464 /* among the bytes FXSAVE leaves to software; debuggers read it */
#define XSTATE_MIN   576 /* FXSAVE area and XSAVE header */
#define SEGMENTS_MAX (PN_XNUM - 2) /* beside PT_NOTE, without extended numbering */
#define OWNER        "CORE"
#define XSTATE_OWNER "LINUX"

_Static_assert(sizeof(struct elf_prstatus) == 336, "NT_PRSTATUS of x86-64 Linux");
_Static_assert(sizeof(struct elf_prpsinfo) == 136, "NT_PRPSINFO of x86-64 Linux");

struct core_writer {
	int fd;
	bool is_regular; /* holes are possible */
	uint64_t offset; /* where the next byte goes */
	struct mote_error *err;
};

static int write_error(const struct core_writer *writer)
{
	return mote_error_errno(writer->err, MOTE_STATUS_FAILED,
	                        "cannot write the core file at byte %llu",
	                        (unsigned long long)writer->offset);
}

/* #syscalls:run write */
static int put(struct core_writer *writer, const void *data, uint64_t size)
{
	const char *bytes = data;

	while (size > 0) {
		ssize_t written =
		        write(writer->fd, bytes, size < WRITE_MAX ? (size_t)size : WRITE_MAX);

		if (written < 0 && errno == EINTR)
			continue;
		if (written == 0)
			errno = EIO;
		if (written <= 0)
			return write_error(writer);
		bytes += written;
		size -= (uint64_t)written;
		writer->offset += (uint64_t)written;
	}
	return 0;
}

/* #syscalls:run lseek */
static int put_zeros(struct core_writer *writer, uint64_t size)
{
	static const char zeros[PAGE];

	if (writer->is_regular) {
		if (lseek(writer->fd, (off_t)size, SEEK_CUR) < 0)
			return write_error(writer);
		writer->offset += size;
		return 0;
	}
	for (; size > 0; size -= size < PAGE ? size : PAGE)
		if (put(writer, zeros, size < PAGE ? size : PAGE))
			return -1;
	return 0;
}

/* Or lost: then there is nothing else to write. */
static bool is_zero_page(const char *page)
{
	char bytes[PAGE];

	return lost_page_copy(bytes, page, PAGE) ||
	       (bytes[0] == 0 && memcmp(bytes, bytes + 1, PAGE - 1) == 0);
}

/* The bytes of a segment, in runs of pages that are all zero or all not. */
static int put_memory(struct core_writer *writer, const struct core_segment *segment)
{
	const char *bytes = segment->host;
	uint64_t start = 0;

	while (start < segment->length) {
		bool is_zero = is_zero_page(bytes + start);
		uint64_t end = start + PAGE;

		while (end < segment->length && is_zero_page(bytes + end) == is_zero)
			end += PAGE;
		if (is_zero ? put_zeros(writer, end - start)
		            : put(writer, bytes + start, end - start))
			return -1;
		start = end;
	}
	return 0;
}

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) / alignment * alignment;
}

/* The file's bytes of a note with its header, name and padding. */
static uint64_t note_size(const char *owner, size_t size)
{
	return sizeof(Elf64_Nhdr) + align_up(strlen(owner) + 1, 4) + align_up(size, 4);
}

/* The start of a note; size bytes of contents and the padding are to follow. */
static int put_note_header(struct core_writer *writer, const char *owner, uint32_t type,
                           size_t size)
{
	Elf64_Nhdr header = {(Elf64_Word)strlen(owner) + 1, (Elf64_Word)size, type};
	char name[8] = {0};

	memcpy(name, owner, strlen(owner));
	return put(writer, &header, sizeof header) ||
	       put(writer, name, align_up(strlen(owner) + 1, 4));
}

static int put_note(struct core_writer *writer, const char *owner, uint32_t type, const void *data,
                    size_t size)
{
	static const char padding[4];

	return put_note_header(writer, owner, type, size) || put(writer, data, size) ||
	       put(writer, padding, align_up(size, 4) - size);
}

static bool has_xstate(const struct core_description *core)
{
	return core->xsave && core->xsave_size >= XSTATE_MIN;
}

static uint64_t notes_size(const struct core_description *core)
{
	uint64_t size = note_size(OWNER, sizeof(struct elf_prstatus)) +
	                note_size(OWNER, sizeof(struct elf_prpsinfo)) +
	                note_size(OWNER, sizeof(siginfo_t));

	if (core->auxv)
		size += note_size(OWNER, core->auxv_size);
	if (core->xsave)
		size += note_size(OWNER, FXSAVE_SIZE);
	if (has_xstate(core))
		size += note_size(XSTATE_OWNER, core->xsave_size);
	return size;
}

/* Linux: struct user_regs_struct, as PTRACE_GETREGS gives it. */
static void fill_registers(const struct core_description *core, elf_gregset_t out)
{
	const uint64_t *gpr = core->registers.gpr;
	const struct user_regs_struct regs = {
	        .r15 = gpr[UNWIND_R15],
	        .r14 = gpr[UNWIND_R14],
	        .r13 = gpr[UNWIND_R13],
	        .r12 = gpr[UNWIND_R12],
	        .rbp = gpr[UNWIND_RBP],
	        .rbx = gpr[UNWIND_RBX],
	        .r11 = gpr[UNWIND_R11],
	        .r10 = gpr[UNWIND_R10],
	        .r9 = gpr[UNWIND_R9],
	        .r8 = gpr[UNWIND_R8],
	        .rax = gpr[UNWIND_RAX],
	        .rcx = gpr[UNWIND_RCX],
	        .rdx = gpr[UNWIND_RDX],
	        .rsi = gpr[UNWIND_RSI],
	        .rdi = gpr[UNWIND_RDI],
	        .orig_rax = core->orig_rax,
	        .rip = core->registers.rip,
	        .cs = core->cs,
	        .eflags = core->rflags,
	        .rsp = gpr[UNWIND_RSP],
	        .ss = core->ss,
	        .fs_base = core->fs_base,
	        .gs_base = core->gs_base,
	        .ds = core->ds,
	        .es = core->es,
	        .fs = core->fs,
	        .gs = core->gs,
	};

	_Static_assert(sizeof regs == sizeof(elf_gregset_t), "one layout, two names");
	memcpy(out, &regs, sizeof regs);
}

static int put_prstatus(struct core_writer *writer, const struct core_description *core)
{
	struct elf_prstatus status = {.pr_info.si_signo = core->signal,
	                              .pr_info.si_code = core->signal_code,
	                              .pr_cursig = (short)core->signal,
	                              .pr_pid = core->pid,
	                              .pr_pgrp = core->pid,
	                              .pr_sid = core->pid,
	                              .pr_fpvalid = core->xsave != NULL};

	fill_registers(core, status.pr_reg);
	return put_note(writer, OWNER, NT_PRSTATUS, &status, sizeof status);
}

static void copy_text(char *field, size_t size, const char *text)
{
	size_t length = text ? strnlen(text, size - 1) : 0;

	if (length > 0)
		memcpy(field, text, length);
}

static int put_prpsinfo(struct core_writer *writer, const struct core_description *core)
{
	struct elf_prpsinfo info = {
	        .pr_sname = 'R', .pr_pid = core->pid, .pr_pgrp = core->pid, .pr_sid = core->pid};

	copy_text(info.pr_fname, sizeof info.pr_fname, core->program);
	copy_text(info.pr_psargs, sizeof info.pr_psargs, core->arguments);
	return put_note(writer, OWNER, NT_PRPSINFO, &info, sizeof info);
}

static int put_siginfo(struct core_writer *writer, const struct core_description *core)
{
	siginfo_t info;

	memset(&info, 0, sizeof info);
	info.si_signo = core->signal;
	info.si_code = core->signal_code;
	memcpy(&info.si_addr, &core->fault_address, sizeof info.si_addr);
	return put_note(writer, OWNER, NT_SIGINFO, &info, sizeof info);
}

/* The XSAVE area with XCR0 among the bytes that are left to software. */
static int put_xstate(struct core_writer *writer, const struct core_description *core)
{
	static const char padding[4];
	const char *area = core->xsave;
	size_t rest = XCR0_OFFSET + sizeof core->xcr0;

	return put_note_header(writer, XSTATE_OWNER, NT_X86_XSTATE, core->xsave_size) ||
	       put(writer, area, XCR0_OFFSET) || put(writer, &core->xcr0, sizeof core->xcr0) ||
	       put(writer, area + rest, core->xsave_size - rest) ||
	       put(writer, padding, align_up(core->xsave_size, 4) - core->xsave_size);
}

static int put_notes(struct core_writer *writer, const struct core_description *core)
{
	if (put_prstatus(writer, core) || put_prpsinfo(writer, core) || put_siginfo(writer, core))
		return -1;
	if (core->auxv && put_note(writer, OWNER, NT_AUXV, core->auxv, core->auxv_size))
		return -1;
	if (core->xsave && put_note(writer, OWNER, NT_FPREGSET, core->xsave, FXSAVE_SIZE))
		return -1;
	return has_xstate(core) ? put_xstate(writer, core) : 0;
}

static int put_headers(struct core_writer *writer, const struct core_description *core,
                       const struct core_segment *segments, size_t count)
{
	Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
	                                 ELFDATA2LSB, EV_CURRENT, ELFOSABI_NONE},
	                     .e_type = ET_CORE,
	                     .e_machine = EM_X86_64,
	                     .e_version = EV_CURRENT,
	                     .e_phoff = sizeof header,
	                     .e_ehsize = sizeof header,
	                     .e_phentsize = sizeof(Elf64_Phdr),
	                     .e_phnum = (Elf64_Half)(count + 1)};
	Elf64_Phdr notes = {.p_type = PT_NOTE,
	                    .p_offset = sizeof header + (count + 1) * sizeof(Elf64_Phdr),
	                    .p_filesz = notes_size(core),
	                    .p_align = 4};
	uint64_t offset = align_up(notes.p_offset + notes.p_filesz, PAGE);

	if (put(writer, &header, sizeof header) || put(writer, &notes, sizeof notes))
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct core_segment *segment = &segments[i];
		Elf64_Phdr load = {.p_type = PT_LOAD,
		                   .p_flags = (segment->prot & PROT_READ ? PF_R : 0u) |
		                              (segment->prot & PROT_WRITE ? PF_W : 0u) |
		                              (segment->prot & PROT_EXEC ? PF_X : 0u),
		                   .p_offset = offset,
		                   .p_vaddr = segment->va,
		                   .p_filesz = segment->host ? segment->length : 0,
		                   .p_memsz = segment->length,
		                   .p_align = PAGE};

		if (put(writer, &load, sizeof load))
			return -1;
		offset += load.p_filesz;
	}
	return 0;
}

/* Refuse what the format or off_t cannot hold. */
static int check(const struct core_description *core, const struct core_segment *segments,
                 size_t count, struct mote_error *err)
{
	uint64_t total = 0;

	if (count > SEGMENTS_MAX)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot write the core file: %zu mapped ranges, and the "
		                      "format has room for %d",
		                      count, SEGMENTS_MAX);
	if (core->xsave && core->xsave_size < FXSAVE_SIZE)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot write the core file: %zu bytes of vector registers, "
		                      "at least %d are needed",
		                      core->xsave_size, FXSAVE_SIZE);
	for (size_t i = 0; i < count; i++) {
		const struct core_segment *segment = &segments[i];

		if (segment->va % PAGE != 0 || segment->length % PAGE != 0 ||
		    (segment->length > 0 && segment->va > UINT64_MAX - (segment->length - 1)) ||
		    (segment->host && segment->length > INT64_MAX / 2 - total))
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "cannot write the core file: bad range of %#llx "
			                      "bytes at guest address %#llx",
			                      (unsigned long long)segment->length,
			                      (unsigned long long)segment->va);
		total += segment->host ? segment->length : 0;
	}
	return 0;
}

/* Empty a regular file, so that what is skipped over reads as zeros. */
/* #syscalls:run fstat ftruncate lseek */
static int start(struct core_writer *writer)
{
	struct stat status;

	if (fstat(writer->fd, &status) < 0)
		return mote_error_errno(writer->err, MOTE_STATUS_FAILED,
		                        "cannot look at the core file");
	writer->is_regular = S_ISREG(status.st_mode);
	if (writer->is_regular &&
	    (ftruncate(writer->fd, 0) < 0 || lseek(writer->fd, 0, SEEK_SET) < 0))
		return mote_error_errno(writer->err, MOTE_STATUS_FAILED,
		                        "cannot empty the core file");
	return 0;
}

int core_file_write(int fd, const struct core_description *core,
                    const struct core_segment *segments, size_t count, struct mote_error *err)
{
	struct core_writer writer = {.fd = fd, .err = err};

	if (check(core, segments, count, err) || start(&writer) ||
	    put_headers(&writer, core, segments, count) || put_notes(&writer, core) ||
	    put_zeros(&writer, align_up(writer.offset, PAGE) - writer.offset))
		return -1;
	for (size_t i = 0; i < count; i++)
		if (segments[i].host && put_memory(&writer, &segments[i]))
			return -1;
	/* A hole at the end counts only once the file is that long. */
	if (writer.is_regular && ftruncate(fd, (off_t)writer.offset) < 0)
		return write_error(&writer);
	return 0;
}
