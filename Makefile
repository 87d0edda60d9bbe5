# SPDX-License-Identifier: Apache-2.0
# Builds mote, its guest kit, and everything that tests them. `make help` lists the targets.

VERSION := 0.1.0
BUILD   := build
PREFIX  := /usr/local
DESTDIR :=
V       := 0

# No implicit rules: what is not written here is not made.
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:

ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2);
endif

WARN := -Wall -Wextra -Wshadow -Wcast-qual -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Werror
COMMON := -std=gnu11 -D_GNU_SOURCE -DMOTE_VERSION='"$(VERSION)"' -I. -Iinclude -I$(BUILD) $(WARN)
DEPS = -MMD -MP

# libfdt comes from a Debian source package (scripts/sources.txt); its own warnings are its own.
FDT      := $(BUILD)/third_party/device-tree-compiler
FDT_SRC  := fdt.c fdt_ro.c fdt_sw.c fdt_wip.c fdt_strerror.c
FDT_STAMP := $(FDT)/.stamp

# So does lwIP, of which the kit takes IPv4, IPv6 and what is on top of them.
LWIP       := $(BUILD)/third_party/lwip
LWIP_SRC   := $(addprefix core/,def.c inet_chksum.c init.c ip.c memp.c netif.c pbuf.c raw.c \
	tcp.c tcp_in.c tcp_out.c udp.c) \
	$(addprefix core/ipv4/,dhcp.c etharp.c icmp.c igmp.c ip4.c ip4_addr.c ip4_frag.c) \
	$(addprefix core/ipv6/,ethip6.c icmp6.c inet6.c ip6.c ip6_addr.c ip6_frag.c mld6.c nd6.c) \
	netif/ethernet.c
LWIP_STAMP := $(LWIP)/.stamp

# Debian's musl has no kernel headers: a folder of links to those of the C library.
UAPI := $(BUILD)/uapi
# And xxHash, which is a header: a folder of its own, so that musl sees no other of the C library's.
XXHASH := $(BUILD)/xxhash
# BLAKE2b, for snapshots that are written with a key: a source file that snapshot/auth.c includes.
BLAKE2       := $(BUILD)/third_party/libb2
BLAKE2_STAMP := $(BLAKE2)/.stamp
BLAKE2_FLAGS := -isystem $(BLAKE2)/src -isystem $(BUILD)/blake2

HOSTCC := gcc
CC_HOST := musl-gcc
HOST_CFLAGS := $(COMMON) -O2 -g -isystem $(FDT)/libfdt -isystem $(XXHASH) \
	-idirafter $(UAPI)
HOST_LDFLAGS := -static -s -Wl,-z,noseparate-code -Wl,--build-id=none

KIT_CFLAGS := $(COMMON) -ffreestanding -nostdlib -mcmodel=kernel -fno-pic -mgeneral-regs-only \
	-mno-red-zone -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections \
	-fcf-protection=none -fno-omit-frame-pointer -Os -isystem $(FDT)/libfdt
# Files that include lwIP's headers. What every packet goes through is for speed.
NET_CFLAGS := $(KIT_CFLAGS) -Iguestkit/net -isystem $(LWIP)/src/include
LWIP_FAST  := core/inet_chksum core/pbuf core/tcp_in core/tcp_out core/ipv4/ip4

# mote is a program of libmote, whose options are parsed already.
VMM_SRC := $(wildcard vmm/*.c virtio/*.c snapshot/*.c) libmote/process.c libmote/vm.c
SHARED_SRC := guestkit/libc-shim/erofs.c guestkit/libc-shim/erofs_directory.c
VMM_OBJ := $(VMM_SRC:%.c=$(BUILD)/host/%.o) $(SHARED_SRC:%.c=$(BUILD)/host/%.o) \
	$(FDT_SRC:%.c=$(BUILD)/host/libfdt/%.o) $(BUILD)/host/vmm/kit_blob.o
KIT_SRC := $(wildcard guestkit/*.c guestkit/libc-shim/*.c guestkit/net/*.c)
NET_SRC := $(wildcard guestkit/net/*.c guestkit/virtio_net*.c guestkit/libc-shim/inet*.c \
	guestkit/libc-shim/net*.c)
KIT_OBJ := $(KIT_SRC:%.c=$(BUILD)/kit/%.o) $(BUILD)/kit/guestkit/entry.o \
	$(BUILD)/kit/guestkit/ring0.o $(BUILD)/kit/vdso_blob.o $(FDT_SRC:%.c=$(BUILD)/kit/libfdt/%.o) \
	$(LWIP_SRC:%.c=$(BUILD)/kit/lwip/%.o)
GUESTS := $(patsubst tests/guests/%.c,$(BUILD)/guests/%,$(wildcard tests/guests/*.c)) \
	$(patsubst tests/guests/%.S,$(BUILD)/guests/%,$(wildcard tests/guests/*.S))

# Executables behind subcommands of mote (vmm/command_tool.c).
TOOLS := $(addprefix $(BUILD)/,mote-build mote-serve mote-new mote-bench mote-trace mote-pack)

.PHONY: all
all: $(BUILD)/mote $(TOOLS) $(BUILD)/kit.elf $(BUILD)/mote-cc $(BUILD)/images/hello

.PHONY: help
help:
	@echo 'all (default)   mote, its tools, the guest kit, mote-cc and the hello image'
	@echo 'images          Lua, SQLite, Go and Python from Debian'
	@echo 'test            unit tests and end-to-end tests'
	@echo 'soak            mote serve for an hour at 80 % load (SOAK_SECONDS)'
	@echo 'soak-resets     a million resets with random work between them (SOAK_ROUNDS)'
	@echo 'bench           speed against the KVM floor and other tools'
	@echo 'fuzz            each fuzz target for FUZZ_SECONDS (60)'
	@echo 'fuzz-long       each fuzz target for 120 seconds'
	@echo 'ci              all tests, and each fuzz target for 20 seconds'
	@echo 'lint            format, static analysis, shell scripts'
	@echo 'install         into DESTDIR and PREFIX ($(PREFIX))'
	@echo 'clean           remove what was built; keeps downloaded sources'

include images/images.mk
include libmote/libmote.mk
include tests/tests.mk

# ---- third-party sources ----

$(BUILD)/third_party/%/.stamp: scripts/sources.txt scripts/fetch-source.sh
	$(call say,FETCH,$*)scripts/fetch-source.sh $*
	@touch $@

$(UAPI)/.stamp:
	@mkdir -p $(UAPI)
	@ln -sfn /usr/include/linux $(UAPI)/linux
	@ln -sfn /usr/include/asm-generic $(UAPI)/asm-generic
	@ln -sfn /usr/include/x86_64-linux-gnu/asm $(UAPI)/asm
	@touch $@

# The header that a configure script would make.
$(BUILD)/blake2/config.h: $(BLAKE2_STAMP)
	@mkdir -p $(@D)
	@echo '#define NATIVE_LITTLE_ENDIAN 1' >$@

$(BUILD)/host/snapshot/auth.o: HOST_CFLAGS += $(BLAKE2_FLAGS)
$(BUILD)/unit/snapshot/auth.o: UNIT_CFLAGS += $(BLAKE2_FLAGS)
$(BUILD)/packer/snapshot/auth.o: PACKER_CFLAGS += $(BLAKE2_FLAGS)
$(BUILD)/libmote/snapshot/auth.o: LIB_CFLAGS += $(BLAKE2_FLAGS)
$(BUILD)/host/snapshot/auth.o $(BUILD)/unit/snapshot/auth.o $(BUILD)/packer/snapshot/auth.o \
	$(BUILD)/libmote/snapshot/auth.o \
	$(BUILD)/fuzz/fuzz_snapshot: $(BUILD)/blake2/config.h

$(XXHASH)/.stamp:
	@mkdir -p $(XXHASH)
	@ln -sfn /usr/include/xxhash.h $(XXHASH)/xxhash.h
	@touch $@

# ---- the host program ----

$(BUILD)/seccomp-gen: tools/seccomp-gen.c tools/seccomp-names.h
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(HOSTCC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -o $@ $< -lseccomp

$(BUILD)/seccomp_filters.h: $(BUILD)/seccomp-gen $(VMM_SRC)
	$(call say,GEN,$@)$(BUILD)/seccomp-gen -o $@ $(VMM_SRC)

$(BUILD)/host/%.o: %.c $(FDT_STAMP) $(UAPI)/.stamp $(XXHASH)/.stamp
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC_HOST) $(HOST_CFLAGS) $(DEPS) -c $< -o $@

$(BUILD)/host/vmm/confine.o: $(BUILD)/seccomp_filters.h

$(BUILD)/host/libfdt/%.o: $(FDT_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC_HOST) -O2 -w -I$(FDT)/libfdt -c $(FDT)/libfdt/$*.c -o $@

$(BUILD)/host/vmm/kit_blob.o: vmm/kit_blob.S $(BUILD)/kit.elf
	@mkdir -p $(@D)
	$(call say,AS,$@)$(CC_HOST) -DKIT_ELF='"$(BUILD)/kit.elf"' -c $< -o $@

$(BUILD)/mote: $(VMM_OBJ)
	$(call say,LINK,$@)$(CC_HOST) $(HOST_LDFLAGS) $^ -o $@

# ---- the guest kit ----

$(BUILD)/kit/%.o: %.c $(FDT_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) $(KIT_CFLAGS) $(DEPS) -c $< -o $@

$(NET_SRC:%.c=$(BUILD)/kit/%.o): KIT_CFLAGS := $(NET_CFLAGS)
$(NET_SRC:%.c=$(BUILD)/kit/%.o): $(LWIP_STAMP) guestkit/net/lwipopts.h

$(BUILD)/kit/%.o: %.S
	@mkdir -p $(@D)
	$(call say,AS,$@)$(HOSTCC) $(COMMON) $(DEPS) -c $< -o $@

$(BUILD)/kit/libfdt/%.o: $(FDT_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) $(filter-out $(WARN),$(KIT_CFLAGS)) -w -c $(FDT)/libfdt/$*.c -o $@

$(LWIP_FAST:%=$(BUILD)/kit/lwip/%.o): NET_CFLAGS += -O2
$(BUILD)/kit/lwip/%.o: $(LWIP_STAMP) guestkit/net/lwipopts.h guestkit/net/arch/cc.h
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) $(filter-out $(WARN),$(NET_CFLAGS)) -w -c $(LWIP)/src/$*.c -o $@

$(BUILD)/vdso.so: guestkit/vdso/vdso.c guestkit/vdso/vdso.lds guestkit/clock_page.h include/mote/abi.h
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(HOSTCC) $(COMMON) -O2 -fPIC -shared -nostdlib -ffreestanding -fno-stack-protector \
		-mgeneral-regs-only -fcf-protection=none -Wl,-T,guestkit/vdso/vdso.lds -Wl,-soname,linux-vdso.so.1 \
		-Wl,--hash-style=both -Wl,--build-id=none -Wl,-z,max-page-size=4096 -s $< -o $@

$(BUILD)/kit/vdso_blob.o: guestkit/vdso/vdso_blob.S $(BUILD)/vdso.so
	@mkdir -p $(@D)
	$(call say,AS,$@)$(HOSTCC) -DVDSO_SO='"$(BUILD)/vdso.so"' -c $< -o $@

$(BUILD)/kit.elf: $(KIT_OBJ) guestkit/kit.lds
	$(call say,LINK,$@)$(HOSTCC) -nostdlib -static -no-pie -Wl,-T,guestkit/kit.lds -Wl,--gc-sections \
		-Wl,--build-id=none -Wl,-z,max-page-size=4096 $(KIT_OBJ) -o $@

# ---- mote-build, which needs libarchive: linked, as all tools, with the C library of the system ----

PACKER_SRC := $(wildcard packer/*.c)
PACKER_SHARED := app_image app_manifest command_build command_tool elf_image error mkfs_erofs options options_control options_disk options_net \
	options_share root_lookup siphash typo
PACKER_OBJ := $(PACKER_SRC:%.c=$(BUILD)/packer/%.o) $(PACKER_SHARED:%=$(BUILD)/packer/vmm/%.o) \
	$(SHARED_SRC:%.c=$(BUILD)/packer/%.o)
PACKER_CFLAGS := $(COMMON) -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong

$(BUILD)/packer/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) $(PACKER_CFLAGS) $(DEPS) -c $< -o $@

$(BUILD)/mote-build: $(PACKER_OBJ)
	$(call say,LINK,$@)$(HOSTCC) -s $^ -larchive -o $@

# ---- mote-serve, which needs libmicrohttpd ----

SERVE_OBJ := $(patsubst %.c,$(BUILD)/serve/%.o,$(wildcard serve/*.c))

$(BUILD)/serve/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) $(PACKER_CFLAGS) $(DEPS) -c $< -o $@

$(BUILD)/mote-serve: $(SERVE_OBJ)
	$(call say,LINK,$@)$(HOSTCC) -s $^ -lmicrohttpd -ljansson -lpthread -o $@

# ---- mote-bench, which needs jansson ----

BENCH_SRC := $(addprefix measure/,bench_main.c check.c file.c measures.c mote_path.c plot.c report.c result.c runner.c spec.c \
	statistics.c xml.c) $(addprefix vmm/,command_bench.c command_tool.c error.c typo.c)
BENCH_OBJ := $(BENCH_SRC:%.c=$(BUILD)/packer/%.o)

$(BUILD)/mote-bench: $(BENCH_OBJ)
	$(call say,LINK,$@)$(HOSTCC) -s $^ -ljansson -lm -o $@

# ---- mote-pack, which needs libzstd ----

PACK_SRC := $(wildcard snapshot/pack/*.c) $(addprefix snapshot/,auth.c checksum.c index.c open.c read.c verify.c) \
	$(addprefix vmm/,confine.c confined_child.c error.c landlock.c lost_page.c new_file.c)
PACK_OBJ := $(PACK_SRC:%.c=$(BUILD)/packer/%.o)

$(BUILD)/packer/vmm/confine.o: $(BUILD)/seccomp_filters.h

$(BUILD)/mote-pack: $(PACK_OBJ)
	$(call say,LINK,$@)$(HOSTCC) -s $^ -lzstd -o $@

# ---- mote-trace ----

TRACE_SRC := $(wildcard measure/trace_*.c) $(addprefix measure/,file.c mote_path.c xml.c) \
	$(addprefix vmm/,command_tool.c command_trace.c elf_symbols.c error.c)
TRACE_OBJ := $(TRACE_SRC:%.c=$(BUILD)/packer/%.o)

$(BUILD)/mote-trace: $(TRACE_OBJ) $(BUILD)/host/vmm/kit_blob.o
	$(call say,LINK,$@)$(HOSTCC) -s $^ -o $@

$(BUILD)/mote-new: images/functions/mote-new
	@mkdir -p $(@D)
	$(call say,COPY,$@)cp $< $@

# ---- tools for guests ----

$(BUILD)/mote-cc: guestkit/mote-cc.in
	@mkdir -p $(@D)
	$(call say,GEN,$@)sed 's|@VERSION@|$(VERSION)|' $< >$@ && chmod +x $@

# ---- the rest ----

.PHONY: install
install: all install-library
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/mote/include/mote \
		$(DESTDIR)$(PREFIX)/libexec/mote \
		$(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(BUILD)/mote $(BUILD)/mote-cc $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(TOOLS) $(DESTDIR)$(PREFIX)/libexec/mote
	install -m 644 $(BUILD)/kit.elf $(DESTDIR)$(PREFIX)/lib/mote
	install -m 644 -D images/python/mote.py $(DESTDIR)$(PREFIX)/lib/mote/python/mote.py
	for file in images/functions/test.sh images/functions/*/*; do \
		install -D $$file $(DESTDIR)$(PREFIX)/share/mote/functions/$${file#images/functions/}; done
	install -m 644 $(GUEST_HEADERS) $(DESTDIR)$(PREFIX)/lib/mote/include/mote
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 docs/completion/mote.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/mote

.PHONY: clean
clean:
	find $(BUILD) -mindepth 1 -maxdepth 1 ! -name third_party -exec rm -rf {} +

-include $(VMM_OBJ:.o=.d) $(LIB_OBJ:.o=.d) $(KIT_OBJ:.o=.d) $(PACKER_OBJ:.o=.d) $(BENCH_OBJ:.o=.d) $(PACK_OBJ:.o=.d) $(TRACE_OBJ:.o=.d) $(SERVE_OBJ:.o=.d)
