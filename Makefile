# livestick: see README.md. `make`, `make test`, `make try`, `make bench`, `make install`.
#
#   V=1      shows the commands            SAN=1    AddressSanitizer and UBSan (build/san); make test: unless SAN=0
#   WERROR=1 warnings are errors           CC=..., DESTDIR, PREFIX as usual

CC      ?= cc
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
VERSION := 0.1.0

PACKAGES := fdisk blkid ext2fs com_err libcrypto json-c zlib liblzma libzstd liblz4 lzo2 libsquashfs1 libarchive libseccomp
PKGCONF  ?= pkg-config

WARN   := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
          -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wnull-dereference
CFLAGS ?= -O2 -g
override CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DLIVESTICK_VERSION='"$(VERSION)"'
override CFLAGS   += -std=gnu11 $(WARN) -fstack-protector-strong -pthread
override LDFLAGS  += -pthread -Wl,-z,relro,-z,now

ifeq ($(SAN),fuzz)
B := build/fuzz
CC := clang
WARN :=
override CFLAGS  += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -O1
override LDFLAGS += -fsanitize=address,undefined
FUZZ_FLAGS := -fsanitize=fuzzer
else ifeq ($(SAN),coverage)
B := build/coverage
CC := clang
WARN :=
override CFLAGS  += -fprofile-instr-generate -fcoverage-mapping -O1
override LDFLAGS += -fprofile-instr-generate
FUZZ_FLAGS := -DFUZZ_MAIN
else ifneq ($(filter-out 0,$(SAN)),)
B := build/san
override CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
override LDFLAGS += -fsanitize=address,undefined
else
B := build
override CPPFLAGS += -D_FORTIFY_SOURCE=2
endif
ifdef WERROR
override CFLAGS += -Werror
endif
ifdef V
Q :=
else
Q := @
endif
say = @printf '  %-6s %s\n' $(1) $(2)

# A missing -dev package must not fail `make test`, which installs them first.
LIB_CFLAGS  = $(shell $(PKGCONF) --cflags $(PACKAGES))
# bzip2 has no .pc file.
LIB_LDLIBS  = $(shell $(PKGCONF) --libs $(PACKAGES)) -lbz2

DIRS := src/base src/media src/source src/fs partition bootinst persist src
LIB_SRC  := $(filter-out src/main.c,$(foreach d,$(DIRS),$(wildcard $(d)/*.c)))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/obj/%.o) $(B)/obj/persist/own_init_bytes.o
TEST_LIB := $(wildcard tests/lib/*.c)
TESTS    := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS    := $(patsubst tests/tools/%.c,$(B)/tools/%,$(wildcard tests/tools/*.c))

.PHONY: all clean install test try bench fuzz torture format
all: $(B)/livestick

$(B)/livestick: $(B)/obj/src/main.o $(B)/liblivestick.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LDLIBS)

$(B)/liblivestick.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LIB_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# /init of our own initrd (persist/own_init.h): static, for itself, with the headers of the kernel but not of the libc.
MUSL_CC     ?= musl-gcc
INIT_SRC    := $(wildcard persist/init/*.c) src/base/utf8.c
INIT_CFLAGS := -std=gnu11 $(WARN) $(if $(WERROR),-Werror) -Os -I. -D_GNU_SOURCE -ffunction-sections -fdata-sections \
               -fno-asynchronous-unwind-tables -fstack-protector-strong -static -no-pie -fno-pie
INIT_KERNEL  = -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch)

$(B)/init: $(INIT_SRC:%.c=$(B)/obj-init/%.o)
	$(call say,LINK,$@)
	$(Q)$(MUSL_CC) $(INIT_CFLAGS) -s -Wl,--gc-sections,--build-id=none,-z,noexecstack -o $@ $^

$(B)/obj-init/%.o: %.c Makefile
	$(call say,MUSL,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(INIT_CFLAGS) $(INIT_KERNEL) -MMD -MP -c -o $@ $<

$(B)/obj/persist/own_init_bytes.o: persist/own_init_bytes.S $(B)/init
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -DOWN_INIT='"$(B)/init"' -c -o $@ $<

# What of it can be tested without being process 1.
INIT_TESTED := $(addprefix persist/init/,cmdline.c conf.c device.c files.c fstab.c say.c super.c text.c)
$(filter $(B)/tests/test_init_%,$(TESTS)): $(INIT_TESTED:%.c=$(B)/obj/%.o)

$(B)/tests/%: tests/unit/%.c $(TEST_LIB:%.c=$(B)/obj/%.o) $(B)/liblivestick.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LIB_CFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $(filter %.c %.o %.a,$^) $(LIB_LDLIBS) $(TEST_LDLIBS)

$(B)/tools/%: tests/tools/%.c $(TEST_LIB:%.c=$(B)/obj/%.o) $(B)/liblivestick.a
	$(call say,TOOL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LIB_CFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $(filter %.c %.o %.a,$^) $(LIB_LDLIBS) $(TEST_LDLIBS)

$(B)/fuzz/fuzz_machine: $(B)/obj/tests/lib/machine.o

$(B)/fuzz/%: tests/fuzz/%.c $(B)/liblivestick.a
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LIB_CFLAGS) $(CFLAGS) $(FUZZ_FLAGS) -MMD -MP $(LDFLAGS) -o $@ $(filter %.c %.o %.a,$^) $(LIB_LDLIBS)

# Kept between runs: make would delete them as steps on the way.
.SECONDARY:

-include $(shell find $(B) -name '*.d' 2>/dev/null)

clean:
	rm -rf build

# ---- what people call

install: $(B)/livestick
	install -D -m 755 $(B)/livestick $(DESTDIR)$(BINDIR)/livestick
	install -D -m 644 docs/livestick.1 $(DESTDIR)$(MANDIR)/man1/livestick.1

# Installs what is missing, builds, makes a small real live ISO, writes it, boots it twice.
try:
	$(Q)tests/install-deps.sh try
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/try.sh $(B)

# The whole suite, with sanitizers unless SAN=0. Needs root or sudo once, to install what it needs.
test:
	$(Q)tests/install-deps.sh test
	$(Q)$(MAKE) --no-print-directory SAN=$(or $(SAN),1) test-built

.PHONY: test-built
test-built: all $(TESTS) $(TOOLS)
	$(Q)tests/run $(B) $(ONLY)

bench:
	$(Q)tests/install-deps.sh bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)python3 tests/bench $(B) $(BENCH)

# The parsers under libFuzzer, FUZZ_SECONDS each, as many at a time as there are processors. FUZZ="iso menu": only these.
fuzz:
	$(Q)tests/install-deps.sh fuzz
	$(Q)$(MAKE) --no-print-directory SAN=fuzz fuzz-built
	$(Q)tests/fuzz/run.sh $(or $(FUZZ_SECONDS),60) $(FUZZ)

# Which lines of the parsers their tests and corpora reach.
COVERAGE_TESTS := $(addprefix test_,base drives efi_bad efi_image ext4_bad ext4_read ext4_update_bad family_claims family_live_boot \
                  fat_foreign fat_name fat_read fat_update_bad guard image image_bad ini initrd initrd_rules iso_bad iso_odd \
                  iso_oracle kernel manifest menu menu_bad menu_grub menu_write open own_initrd own_modules reader source sums \
                  sums_image sums_line)
fuzz-coverage:
	$(Q)tests/install-deps.sh fuzz
	$(Q)tests/install-deps.sh test
	$(Q)$(MAKE) --no-print-directory SAN=coverage fuzz-built $(COVERAGE_TESTS:%=build/coverage/tests/%)
	$(Q)tests/fuzz/coverage.sh $(COVERAGE_TESTS)

.PHONY: fuzz-built fuzz-coverage
fuzz-built: $(FUZZERS)

# The power cut at every write of create, upgrade and rollback: all states, not samples of them. Hours.
torture:
	$(Q)tests/install-deps.sh test
	$(Q)$(MAKE) --no-print-directory SAN=$(or $(SAN),0) $(B)/tools/record $(B)/livestick
	$(Q)tests/torture/torture.py $(B)/tools/record fat32 --full
	$(Q)tests/torture/torture.py $(B)/tools/record ext4 --full
	$(Q)tests/torture/torture.py $(B)/tools/record fat32 --sector 4096 --full
	$(Q)tests/torture/torture.py $(B)/tools/record ext4 --sector 4096 --full
	$(Q)tests/torture/repair.py $(B)/tools/record fat32 --full
	$(Q)tests/torture/repair.py $(B)/tools/record ext4 --full
	$(Q)tests/torture/repair.py $(B)/tools/record fat32 --sector 4096 --full
	$(Q)tests/torture/repair.py $(B)/tools/record ext4 --sector 4096 --full
	$(Q)tests/torture/kills.py $(B) "$$(tests/iso/small.sh 1 | tail -n 1)" "$$(tests/iso/small.sh 2 | tail -n 1)" 20

format:
	clang-format -i $(foreach d,$(DIRS) persist/init tests/unit tests/lib tests/tools,$(wildcard $(d)/*.[ch]))
