# SPDX-License-Identifier: Apache-2.0
# Unit tests, end-to-end tests, fuzzing, benchmarks, lint. Included by the Makefile.

# ---- unit tests: Criterion, with the C library of the system ----

UNIT_CFLAGS := $(COMMON) -O1 -g -isystem $(FDT)/libfdt
UNIT_LIB_SRC := $(filter-out vmm/main.c,$(VMM_SRC)) packer/image_writer.c $(SHARED_SRC)
UNIT_LIB_OBJ := $(UNIT_LIB_SRC:%.c=$(BUILD)/unit/%.o) $(FDT_SRC:%.c=$(BUILD)/unit/libfdt/%.o) \
	$(BUILD)/unit/vmm/kit_blob.o
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_TEST_OBJ := $(UNIT_TESTS:$(BUILD)/unit/%=$(BUILD)/unit/tests/unit/%.o)

$(BUILD)/unit/libfdt/%.o: $(FDT)/libfdt/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) -O1 -w -I$(FDT)/libfdt -c $< -o $@

$(BUILD)/unit/vmm/confine.o: $(BUILD)/seccomp_filters.h

$(BUILD)/unit/vmm/kit_blob.o: vmm/kit_blob.S $(BUILD)/kit.elf
	@mkdir -p $(@D)
	$(call say,AS,$@)$(HOSTCC) -DKIT_ELF='"$(BUILD)/kit.elf"' -c $< -o $@

$(UNIT_TEST_OBJ): UNIT_CFLAGS += -Itests/unit

$(BUILD)/unit/%.o: %.c $(FDT_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) $(UNIT_CFLAGS) $(DEPS) -c $< -o $@

$(BUILD)/unit/libmote.a: $(UNIT_LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

# Under a temporary name: a link that is interrupted leaves nothing that looks done.
$(UNIT_TESTS): $(BUILD)/unit/%: $(BUILD)/unit/tests/unit/%.o $(BUILD)/unit/libmote.a
	$(call say,LINK,$@)$(HOSTCC) $^ -lcriterion $(UNIT_MORE) -o $@.tmp && mv $@.tmp $@

$(BUILD)/unit/test_bench_spec $(BUILD)/unit/test_bench_check $(BUILD)/unit/test_statistics: UNIT_MORE := -ljansson -lm

# ---- tests of libmote: programs that are linked with it, and with one that sanitizers watch ----

LIB_TESTS := $(addprefix $(BUILD)/lib-tests/,bad confined devices many streams bad-asan devices-asan many-asan many-tsan)
LIB_TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Iinclude -pthread
SANITIZED_CFLAGS := $(COMMON) -O1 -g -fno-omit-frame-pointer -isystem $(FDT)/libfdt
asan := -fsanitize=address
# Fences order what the guest reads, which no sanitizer sees.
tsan := -fsanitize=thread -Wno-tsan

define sanitized
$(BUILD)/$(1)/%.o: %.c $(FDT_STAMP) $(BUILD)/seccomp_filters.h $(BUILD)/blake2/config.h
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)$(HOSTCC) $(SANITIZED_CFLAGS) $(BLAKE2_FLAGS) $($(1)) $(DEPS) -c $$< -o $$@

$(BUILD)/$(1)/libmote.a: $(LIB_SRC:%.c=$(BUILD)/$(1)/%.o) $(FDT_SRC:%.c=$(BUILD)/libmote/libfdt/%.o) \
	$(BUILD)/libmote/vmm/kit_blob.o
	$$(call say,AR,$$@)rm -f $$@ && ar rcs $$@ $$^

$(BUILD)/lib-tests/%-$(1): tests/lib/%.c tests/lib/check.h include/mote/mote.h $(BUILD)/$(1)/libmote.a
	@mkdir -p $$(@D)
	$$(call say,HOSTCC,$$@)$(HOSTCC) $(LIB_TEST_CFLAGS) $($(1)) $$< $(BUILD)/$(1)/libmote.a -o $$@

-include $(LIB_SRC:%.c=$(BUILD)/$(1)/%.d)
endef
$(eval $(call sanitized,asan))
$(eval $(call sanitized,tsan))

$(BUILD)/lib-tests/%: tests/lib/%.c tests/lib/check.h include/mote/mote.h $(LIB_DIR)/libmote.a
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(HOSTCC) $(LIB_TEST_CFLAGS) $< $(LIB_DIR)/libmote.a -o $@

.PHONY: lib-tests
lib-tests: all $(LIB_TESTS)

# ---- guests of the end-to-end tests ----

GUEST_CFLAGS := -O1 -g -Wall -Wextra -Iinclude

$(BUILD)/guests/%: tests/guests/%.c $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc $(GUEST_CFLAGS) $< -o $@ -lm

$(BUILD)/guests/%: tests/guests/%.S $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc $(GUEST_CFLAGS) -nostdlib -static $< -o $@

$(GUESTS): $(wildcard tests/guests/*.h include/mote/*.h)

# ---- tools of the end-to-end tests that have to be compiled ----

$(BUILD)/tools/%: tests/tools/%.c $(BUILD)/unit/libmote.a
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(HOSTCC) $(UNIT_CFLAGS) $^ -o $@

TEST_TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))

.PHONY: guests
guests: $(GUESTS) $(TEST_TOOLS)

# ---- conformance programs: a file a program; some with glibc, too ----

CONFORMANCE_GLIBC := threads signals time netlink
CONFORMANCE := $(patsubst tests/conformance/%.c,$(BUILD)/conformance/%, \
	$(filter-out %/harness.c,$(wildcard tests/conformance/*.c))) \
	$(CONFORMANCE_GLIBC:%=$(BUILD)/conformance/%-glibc)
CONFORMANCE_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Wno-unused-result \
	-fno-toplevel-reorder -pthread
CONFORMANCE_HARNESS := tests/conformance/harness.c $(wildcard tests/conformance/*.h)

$(BUILD)/conformance/%: tests/conformance/%.c $(CONFORMANCE_HARNESS) $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc $(CONFORMANCE_CFLAGS) $< tests/conformance/harness.c -o $@

$(BUILD)/conformance/%-glibc: tests/conformance/%.c $(CONFORMANCE_HARNESS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) $(CONFORMANCE_CFLAGS) -static $< tests/conformance/harness.c -o $@

# Programs that execute themselves have to be in the root.
CONFORMANCE_ROOTS := exec
ifneq ($(shell command -v mkfs.erofs),)
CONFORMANCE += $(CONFORMANCE_ROOTS:%=$(BUILD)/conformance/%.erofs)
else
CONFORMANCE := $(filter-out $(CONFORMANCE_ROOTS:%=$(BUILD)/conformance/%),$(CONFORMANCE))
endif

$(BUILD)/conformance/%.erofs: $(BUILD)/conformance/%
	@rm -rf $@.tree && mkdir $@.tree && cp $< $@.tree/
	$(call say,EROFS,$@)mkfs.erofs -T0 --quiet $@ $@.tree >/dev/null && rm -rf $@.tree

.PHONY: conformance-programs conformance
conformance-programs: $(CONFORMANCE)

conformance: all $(CONFORMANCE)
	$(Q)BUILD=$(BUILD) tests/conformance/run.sh

# ---- running them ----

.PHONY: unit-test
unit-test: $(UNIT_TESTS)
	$(Q)BUILD=$(BUILD) tests/run-unit.sh $(UNIT_TESTS)

.PHONY: test
test: all images guests $(CONFORMANCE) $(UNIT_TESTS) $(LIB_TESTS)
	$(Q)BUILD=$(BUILD) tests/run.sh $(UNIT_TESTS)

# ---- long ones ----

# mote serve: 100,000 requests of two tenants, and an hour at 80 % load
SOAK_SECONDS := 3600

.PHONY: soak soak-resets
soak: all guests
	$(Q)BUILD=$(BUILD) tests/soak.sh $(SOAK_SECONDS)

# SOAK_ROUNDS resets (a million) with random work between them: a quarter of an hour
soak-resets: all $(BUILD)/guests/reset_work
	$(Q)BUILD=$(BUILD) tests/soak-resets.sh

# ---- benchmarks ----

$(BUILD)/bench/floor: tests/bench/floor.c $(UAPI)/.stamp
	@mkdir -p $(@D)
	$(call say,CC,$@)musl-gcc -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -static -idirafter $(UAPI) $< -o $@

$(BUILD)/bench/serve-floor: tests/bench/serve_floor.c tests/bench/floor.c $(UAPI)/.stamp
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) -I . -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -Wno-unused-function -idirafter $(UAPI) $< -o $@ -lmicrohttpd

$(BUILD)/bench/pairs: tests/bench/pairs.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) $< -o $@

$(BUILD)/bench/compute: tests/bench/compute.c $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 $< -o $@ -lm

$(BUILD)/bench/micro: tests/bench/micro.c $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 $< -o $@ -lm

$(BUILD)/bench/memory: tests/bench/memory.c $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 $< -o $@

$(BUILD)/bench/stream: tests/bench/stream.c $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 $< -o $@

$(BUILD)/bench/tree-walk: tests/bench/tree.c $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 $< -o $@

$(BUILD)/bench/start: tests/bench/start.c include/mote/guest.h $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 -Iinclude $< -o $@

$(BUILD)/bench/disk: tests/bench/disk.c $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 $< -o $@

$(BUILD)/bench/function: tests/bench/function.c $(wildcard include/mote/*.h) $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 $< -o $@

$(BUILD)/bench/request: tests/bench/request.c include/mote/guest.h $(BUILD)/mote-cc
	@mkdir -p $(@D)
	$(call say,MOTE-CC,$@)$(BUILD)/mote-cc -O2 -Iinclude $< -o $@

$(BUILD)/bench/restore: tests/bench/restore.c $(VMM_OBJ)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC_HOST) $(HOST_CFLAGS) $< $(filter-out %/vmm/main.o %/vmm/confine.o,$(VMM_OBJ)) -static -o $@

.PHONY: bench
bench: all images $(BUILD)/bench/floor $(BUILD)/bench/pairs $(BUILD)/bench/compute $(BUILD)/bench/micro $(BUILD)/bench/memory \
	$(BUILD)/bench/tree-walk $(BUILD)/bench/disk $(BUILD)/bench/stream $(BUILD)/bench/start $(BUILD)/bench/function \
	$(BUILD)/bench/request $(BUILD)/bench/restore $(BUILD)/bench/serve-floor
	tests/bench/run.sh

# The tables of docs/performance.md, from what `make bench` measured.
.PHONY: bench-docs
bench-docs:
	$(Q)tests/bench/put-table docs/performance.md $(BUILD)/bench/table.md

# ---- fuzzing: clang, one translation unit a target ----

FUZZ_SECONDS := 60
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

$(FUZZERS): $(BUILD)/fuzz/%: tests/fuzz/%.c $(FDT_STAMP)
	@mkdir -p $(@D)
	$(call say,CLANG,$@)clang $(filter-out $(WARN),$(COMMON)) -O1 -g -isystem $(FDT)/libfdt \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-MMD -MP -MF $@.d -MT $@ $< $(FUZZ_MORE) -o $@

$(BUILD)/fuzz/fuzz_snapshot: FUZZ_MORE := $(BLAKE2_FLAGS)

# The network stack is lwIP for the most part: compiled for the fuzzer, but with its own ways of casting.
FUZZ_LWIP := $(LWIP_SRC:%.c=$(BUILD)/fuzz/lwip/%.o)

$(FUZZ_LWIP): $(BUILD)/fuzz/lwip/%.o: $(LWIP_STAMP) guestkit/net/lwipopts.h
	@mkdir -p $(@D)
	$(call say,CLANG,$@)clang $(filter-out $(WARN),$(COMMON)) -O1 -g -w -Iguestkit/net -isystem $(LWIP)/src/include \
		-fsanitize=fuzzer-no-link,address -c $(LWIP)/src/$*.c -o $@

$(BUILD)/fuzz/fuzz_net_stack: $(FUZZ_LWIP)
$(BUILD)/fuzz/fuzz_net_stack: FUZZ_MORE := -Iguestkit/net -isystem $(LWIP)/src/include $(FUZZ_LWIP)

# Devices of all kinds, whose files do not go into one translation unit.
FUZZ_DEVICES := $(wildcard virtio/*.c) $(addprefix vmm/,devices.c devices_net.c \
	devices_snapshot.c disk.c error.c guest_memory.c lost_page.c page_tables.c passt.c \
	siphash.c start_tree.c) $(FDT_SRC:%.c=$(FDT)/libfdt/%.c)
$(BUILD)/fuzz/fuzz_devices_state: $(filter-out $(FDT)/%,$(FUZZ_DEVICES))
$(BUILD)/fuzz/fuzz_devices_state: FUZZ_MORE := $(FUZZ_DEVICES)

$(BUILD)/fuzz/fuzz_bench: FUZZ_MORE := -ljansson -lm

.PHONY: fuzz fuzz-long
fuzz: $(FUZZERS)
	$(Q)BUILD=$(BUILD) tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZERS)

fuzz-long: $(FUZZERS)
	$(Q)BUILD=$(BUILD) tests/fuzz/run.sh 120 $(FUZZERS)

# Everything that continuous integration runs.
.PHONY: ci
ci: all images guests $(CONFORMANCE) $(UNIT_TESTS) $(LIB_TESTS) $(FUZZERS)
	$(Q)BUILD=$(BUILD) FUZZERS='$(FUZZERS)' tests/run.sh $(UNIT_TESTS)

# ---- lint ----

.PHONY: lint
lint: $(FDT_STAMP) $(LWIP_STAMP) $(BUILD)/blake2/config.h $(XXHASH)/.stamp $(BUILD)/seccomp_filters.h
	$(Q)BUILD=$(BUILD) scripts/lint.sh

-include $(UNIT_LIB_OBJ:.o=.d) $(UNIT_TEST_OBJ:.o=.d) $(FUZZERS:=.d)
