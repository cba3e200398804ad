/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What somebody may have taken for an ISO image. */
#include <ctype.h>
#include <strings.h>

#include "src/source/private.h"

/* The volume descriptors begin at 32 KiB, and there are two at least. */
#define HEAD_SIZE (36 * KIB)

struct magic {
	u32 off;
	u8 len;
	const char *bytes;
	const char *what;
};

/* The first that fits is taken, so what lies deeper or is less certain comes later. */
static const struct magic magics[] = {
	{ 0, 2, "\x1f\x8b", "is compressed by gzip: unpack it first" },
	{ 0, 6,
	  "\xfd"
	  "7zXZ",
	  "is compressed by xz: unpack it first" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "is compressed by zstd: unpack it first" },
	{ 0, 3, "BZh", "is compressed by bzip2: unpack it first" },
	{ 0, 4, "LZIP", "is compressed by lzip: unpack it first" },
	{ 0, 4, "\x04\x22\x4d\x18", "is compressed by lz4: unpack it first" },
	{ 0, 4, "PK\3\4", "is a zip archive: unpack it first" },
	{ 0, 6, "7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it first" },
	{ 0, 6, "Rar!\x1a\7", "is a rar archive: unpack it first" },
	{ 257, 5, "ustar", "is a tar archive, not an ISO image" },
	{ 0, 11, "d8:announce", "is a torrent: it only says where to get the ISO image" },
	{ 0, 4, "QFI\xfb", "is a disk image of QEMU (qcow), not an ISO image" },
	{ 0, 4, "KDMV", "is a disk image of VMware (VMDK), not an ISO image" },
	{ 0, 21, "# Disk DescriptorFile", "is a description of a VMware disk (VMDK), not an ISO image" },
	{ 0, 8, "vhdxfile", "is a disk image of Hyper-V (VHDX), not an ISO image" },
	{ 0, 8, "conectix", "is a disk image of Virtual PC (VHD), not an ISO image" },
	{ 64, 4, "\x7f\x10\xda\xbe", "is a disk image of VirtualBox (VDI), not an ISO image" },
	{ 0, 4, "hsqs", "is a bare system image (squashfs), not an ISO image" },
	{ 0, 12, "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "is a raw copy of a CD (.bin, .img), not an ISO image" },
	{ 0, 4,
	  "\x7f"
	  "ELF",
	  "is a program (ELF), not an ISO image" },
	{ 0, 5, "%PDF-", "is a PDF document, not an ISO image" },
	{ 32769, 5, "BEA01", "is a UDF image, as those of Windows are, not a live Linux" },
	{ 1080, 2, "\x53\xef", "is an ext2, ext3 or ext4 file system, not an ISO image" },
	{ 3, 8, "NTFS    ", "is an NTFS file system, not an ISO image" },
	{ 82, 5, "FAT32", "is a FAT file system, not an ISO image" },
	{ 54, 4, "FAT1", "is a FAT file system, not an ISO image" },
};

/* What an ISO image may have too, where it was cut off. */
static const struct magic tables[] = {
	{ 512, 8, "EFI PART", "is a raw disk image with a partition table (GPT), not an ISO image" },
	{ 510, 2, "\x55\xaa", "is a raw disk image with a partition table (MBR), not an ISO image" },
};

static const char *first_fit(const u8 *head, size_t len, const struct magic *m, size_t n)
{
	for (; n; n--, m++)
		if (m->off + m->len <= len && memcmp(head + m->off, m->bytes, m->len) == 0)
			return m->what;
	return NULL;
}

static bool is_html(const u8 *p, size_t len)
{
	static const char *const starts[] = { "<!doctype html", "<html", "<head", "<?xml", "<!--" };

	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
		p += 3;
		len -= 3;
	}
	while (len && isspace(*p)) {
		p++;
		len--;
	}
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (len >= strlen(starts[i]) && strncasecmp((const char *)p, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static bool is_text(const u8 *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] == 0x7f || (p[i] < 0x20 && !isspace(p[i])))
			return false;
	return true;
}

static bool has_vhd_footer(int fd, u64 size)
{
	char footer[8];

	return size >= 512 && pread(fd, footer, sizeof(footer), (off_t)(size - 512)) == sizeof(footer) &&
	       memcmp(footer, "conectix", sizeof(footer)) == 0;
}

const char *kind_of(int fd, u64 size)
{
	u8 head[HEAD_SIZE];
	ssize_t n = size == 0 ? 0 : pread(fd, head, sizeof(head), 0);
	size_t len = n > 0 ? (size_t)n : 0;
	const char *what;

	if (size == 0)
		return "is empty";
	if (len == 0)
		return "cannot be read";
	if (is_html(head, len))
		return "is a web page (HTML), not an ISO image: was the download only a link to it?";
	if (has_vhd_footer(fd, size))
		return "is a disk image of Virtual PC (VHD), not an ISO image";
	what = first_fit(head, len, magics, ARRAY_SIZE(magics));
	if (what)
		return what;
	if (is_text(head, len))
		return "is a text, not an ISO image";
	if (mem_is_zero(head, len))
		return "has only zeros where an ISO image begins: was the download not finished?";
	if (size < HEAD_SIZE)
		return "is too short for an ISO image: was the download not finished?";
	what = first_fit(head, len, tables, ARRAY_SIZE(tables));
	if (what)
		return what;
	return "is not an ISO 9660 image";
}

bool kind_is_windows(const struct source *s)
{
	static const char *const files[] = { "/bootmgr", "/bootmgr.efi", "/sources/boot.wim", "/sources/install.wim",
		                             "/sources/install.esd" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (source_find(s, files[i]))
			return true;
	/* What those see who cannot read UDF: a text that says so, and nothing else. */
	return s->n_nodes == 1 && source_find(s, "/readme.txt");
}
