/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernels that the tests make: a setup header, and behind it what the compressors make of a made-up vmlinux. */
#ifndef LIVESTICK_TESTS_KERNEL_CASE_H
#define LIVESTICK_TESTS_KERNEL_CASE_H

#include "persist/kernel.h"
#include "tests/unit/image_case.h"

/* How arch/x86/boot/compressed/Makefile and scripts/Makefile.lib pack; all but gzip have the size behind. */
static const struct packer {
	const char *name, *command;
	bool has_size;
} packers[] = {
	{ "gzip", "gzip -n -9", false },
	{ "bzip2", "bzip2 -9", true },
	{ "lzma", "xz --format=lzma -9", true },
	{ "xz", "xz --check=crc32 --x86 --lzma2=dict=32MiB", true },
	{ "lzo", "lzop -9", true },
	{ "lz4", "lz4 -q -l -9 - -", true },
	{ "zstd", "zstd -q -19 --ultra", true },
};

/* The end of a kernel's configuration stands before the file "config" of the sandbox. */
static inline bool make_vmlinux(const char *elf, const char *version)
{
	AUTO_BUF struct buf command = { 0 };

	buf_addf(&command,
	         "(printf '%s'; head -c 300000 /dev/urandom | base64; "
	         "printf 'Linux version %%s (%%s)\\0Linux version %s (root@host) #1\\0'; head -c 100000 /dev/zero; "
	         "printf 'IKCFG_ST is no mark'; if [ -s config ]; then printf IKCFG_ST; gzip -n -9 <config; "
	         "printf IKCFG_ED; fi; head -c 100001 /dev/zero) >vmlinux",
	         elf, version);
	return sh(command.s);
}

#define ELF_64 "\\177ELF\\2\\1\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\2\\0\\076\\0"
#define ELF_32 "\\177ELF\\1\\1\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\2\\0\\003\\0"

struct setup {
	unsigned protocol, load_flags;
	const char *version; /* NULL: none */
};

/* A bzImage of the sandbox's "vmlinux". */
static inline struct buf make_bzimage(const struct packer *p, const struct setup *s)
{
	AUTO_BUF struct buf command = { 0 }, packed = { 0 };
	u8 setup[6 * 512] = { 0 };
	struct buf b = { 0 };
	u8 size[4];

	buf_addf(&command, "%s <vmlinux >packed", p->command);
	if (!sh(command.s))
		return b;
	packed = load("packed");
	put_le32(size, 12345);
	if (p->has_size)
		buf_add(&packed, size, 4);
	setup[0x1f1] = 5;
	put_le16(setup + 0x1fe, 0xaa55);
	memcpy(setup + 0x202, "HdrS", 4);
	put_le16(setup + 0x206, (u16)s->protocol);
	if (s->version) {
		put_le16(setup + 0x20e, 0x700);
		memcpy(setup + 0x900, s->version, strlen(s->version) + 1);
	}
	setup[0x234] = 1;
	put_le16(setup + 0x236, (u16)s->load_flags);
	put_le32(setup + 0x248, 700);
	put_le32(setup + 0x24c, (u32)packed.len);
	buf_add(&b, setup, sizeof(setup));
	for (int i = 0; i < 700; i++)
		buf_adds(&b, "x");
	buf_add(&b, packed.s, packed.len);
	buf_adds(&b, "and some more");
	return b;
}

#endif
