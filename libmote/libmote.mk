# SPDX-License-Identifier: Apache-2.0
# libmote, static and shared: the sources of mote, compiled for the C library of the system. Included
# by the Makefile.

LIB_DIR     := $(BUILD)/lib
LIB_SONAME  := libmote.so.0
LIBRARIES   := $(LIB_DIR)/libmote.a $(LIB_DIR)/libmote.so
# Of the sources of mote, what the public functions need is taken.
LIB_SRC     := $(filter-out $(VMM_SRC),$(wildcard libmote/*.c)) serve/request.c serve/answer.c $(filter-out vmm/main.c,$(VMM_SRC)) $(SHARED_SRC)
LIB_OBJ     := $(LIB_SRC:%.c=$(BUILD)/libmote/%.o) $(FDT_SRC:%.c=$(BUILD)/libmote/libfdt/%.o) \
	$(BUILD)/libmote/vmm/kit_blob.o
LIB_CFLAGS  := $(COMMON) -O2 -g -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections \
	-D_FORTIFY_SOURCE=2 -fstack-protector-strong -isystem $(FDT)/libfdt
# One name a line: what programs may be linked with, and what a version may not lose.
LIB_SYMBOLS = $(shell sed -n 's/^	*\(mote_[a-z_]*\);$$/\1/p' libmote/libmote.map)

# The headers that mote-cc finds are for programs in the guest; mote.h is for those of the host.
GUEST_HEADERS = $(filter-out include/mote/mote.h,$(wildcard include/mote/*.h))

$(BUILD)/libmote/vmm/confine.o: $(BUILD)/seccomp_filters.h

$(BUILD)/libmote/%.o: %.c $(FDT_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) $(LIB_CFLAGS) $(DEPS) -c $< -o $@

$(BUILD)/libmote/libfdt/%.o: $(FDT_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(HOSTCC) -O2 -fPIC -fvisibility=hidden -w -I$(FDT)/libfdt -c $(FDT)/libfdt/$*.c -o $@

$(BUILD)/libmote/vmm/kit_blob.o: vmm/kit_blob.S $(BUILD)/kit.elf
	@mkdir -p $(@D)
	$(call say,AS,$@)$(HOSTCC) -DKIT_ELF='"$(BUILD)/kit.elf"' -c $< -o $@

# One object of what the public functions reach, whose other names are its own.
$(BUILD)/libmote/whole.o: $(LIB_OBJ) libmote/libmote.map
	$(call say,LINK,$@)rm -f $(BUILD)/libmote/objects.a && ar rcs $(BUILD)/libmote/objects.a $(LIB_OBJ) && \
		ld -r --gc-sections $(LIB_SYMBOLS:%=-u %) $(BUILD)/libmote/objects.a -o $@.all && \
		objcopy $(LIB_SYMBOLS:%=--keep-global-symbol=%) $@.all $@ && rm -f $@.all

$(LIB_DIR)/libmote.a: $(BUILD)/libmote/whole.o
	@mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $<

$(LIB_DIR)/$(LIB_SONAME): $(BUILD)/libmote/whole.o libmote/libmote.map
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(HOSTCC) -shared -Wl,-soname,$(LIB_SONAME) -Wl,--version-script,libmote/libmote.map \
		-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--no-undefined $< -o $@

$(LIB_DIR)/libmote.so: $(LIB_DIR)/$(LIB_SONAME)
	@ln -sfn $(LIB_SONAME) $@

all: $(LIBRARIES)

.PHONY: install-library
install-library: $(LIBRARIES)
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/mote
	install -m 644 include/mote/mote.h $(DESTDIR)$(PREFIX)/include/mote
	install -m 644 $(LIB_DIR)/libmote.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(LIB_DIR)/$(LIB_SONAME) $(DESTDIR)$(PREFIX)/lib
	ln -sfn $(LIB_SONAME) $(DESTDIR)$(PREFIX)/lib/libmote.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' libmote/mote.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/mote.pc
