/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a file that may be a system image is, told by its first bytes. */
#include <errno.h>

#include "persist/image.h"

#define HEAD_SIZE 2048
#define ISO_MAGIC 32769 /* where "CD001" is */

/* Squashfs: fs/squashfs/squashfs_fs.h. Older versions have the version at the same place, in either byte order. */
#define SQUASHFS_COMPRESSOR 20
#define SQUASHFS_MAJOR      28
#define SQUASHFS_SIZE       40

static const char *const compressors[] = { NULL, "gzip", "lzma", "lzo", "xz", "lz4", "zstd" };

static int squashfs_kind(const u8 *head, const char *name, struct image_kind *ret, struct err *e)
{
	bool is_big = memcmp(head, "sqsh", 4) == 0;
	const u8 *v = head + SQUASHFS_MAJOR, *c = head + SQUASHFS_COMPRESSOR;
	unsigned major = is_big ? v[0] << 8 | v[1] : get_le16(v), minor = is_big ? v[2] << 8 | v[3] : get_le16(v + 2);
	unsigned compressor = get_le16(c);

	if (is_big || major != 4 || minor != 0)
		return fail_source(e, -ENOTSUP, "%s: is a squashfs of version %u.%u%s, and Linux knows 4.0 only", name,
		                   major, minor, is_big ? " (big-endian)" : "");
	if (compressor == 0 || compressor >= ARRAY_SIZE(compressors))
		return fail_source(e, -ENOTSUP, "%s: is a squashfs compressed by number %u, which is not known", name,
		                   compressor);
	*ret = (struct image_kind){ .type = "squashfs",
		                    .compressor = compressors[compressor],
		                    .can_open = true,
		                    .size = get_le64(head + SQUASHFS_SIZE) };
	return 0;
}

/* ext: Documentation/filesystems/ext4/super.rst. Which of the three is told as the kernel's drivers can mount it. */
#define EXT_SUPER         1024
#define EXT_BLOCKS        (EXT_SUPER + 4)
#define EXT_BLOCK_LOG     (EXT_SUPER + 24)
#define EXT_MAGIC         (EXT_SUPER + 56)
#define EXT_REVISION      (EXT_SUPER + 76)
#define EXT_COMPAT        (EXT_SUPER + 92)
#define EXT_INCOMPAT      (EXT_SUPER + 96)
#define EXT_RO_COMPAT     (EXT_SUPER + 100)
#define EXT_HAS_JOURNAL   0x4
#define EXT_RECOVER       0x4
#define EXT_IS_JOURNAL    0x8
#define EXT2_3_INCOMPAT   0x16 /* filetype, recover, meta_bg */
#define EXT2_3_RO_COMPAT  0x7  /* sparse_super, large_file, btree_dir */
#define EXT_BLOCK_LOG_MAX 6
#define EXT_MAGIC_NUMBER  0xef53

static bool ext_kind(const u8 *head, struct image_kind *ret)
{
	u32 compat = get_le32(head + EXT_COMPAT), incompat = get_le32(head + EXT_INCOMPAT);
	u32 log = get_le32(head + EXT_BLOCK_LOG);

	/* Two bytes are not much of a magic number. */
	if (get_le16(head + EXT_MAGIC) != EXT_MAGIC_NUMBER || log > EXT_BLOCK_LOG_MAX ||
	    get_le32(head + EXT_REVISION) > 1 || get_le32(head + EXT_BLOCKS) == 0 || (incompat & EXT_IS_JOURNAL))
		return false;
	*ret = (struct image_kind){
		.type = (incompat & ~EXT2_3_INCOMPAT) || (get_le32(head + EXT_RO_COMPAT) & ~EXT2_3_RO_COMPAT) ? "ext4"
		        : compat & EXT_HAS_JOURNAL                                                            ? "ext3"
		                                                                                              : "ext2",
		.can_open = true,
		.needs_recovery = incompat & EXT_RECOVER,
		.size = (u64)get_le32(head + EXT_BLOCKS) << (10 + log),
	};
	return true;
}

static const struct {
	u32 off;
	u8 len;
	const char *magic, *type;
} closed[] = {
	{ 0, 4, "\x45\x3d\xcd\x28", "cramfs" },
	{ 0, 4, "\x28\xcd\x3d\x45", "cramfs" }, /* big-endian */
	{ 1024, 4, "\xe2\xe1\xf5\xe0", "erofs" },
	/* A shell script that would mount it: fs/cloop of the cloop package. */
	{ 0, 14, "#!/bin/sh\n#V2.", "cloop" },
	{ 0, 14, "#!/bin/sh\n#V3.", "cloop" },
	{ 0, 14, "#!/bin/sh\n#V4.", "cloop" },
};

static int read_head(struct input in, u64 size, u64 off, u8 *buf, size_t len, const char *name, struct err *e)
{
	size_t here = (size_t)MIN(len, size > off ? size - off : 0);
	int r = here ? input_read(&in, off, buf, here, e) : 0;

	memset(buf + here, 0, len - here);
	return r < 0 ? fail_source(e, r, "%s", name) : 0;
}

int image_identify(struct input in, u64 size, const char *name, struct image_kind *ret, struct err *e)
{
	u8 head[HEAD_SIZE], iso[5];
	int r = read_head(in, size, 0, head, sizeof(head), name, e);

	if (r == 0)
		r = read_head(in, size, ISO_MAGIC, iso, sizeof(iso), name, e);
	if (r < 0)
		return r;
	if (memcmp(head, "hsqs", 4) == 0 || memcmp(head, "sqsh", 4) == 0)
		return squashfs_kind(head, name, ret, e);
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		if (memcmp(head + closed[i].off, closed[i].magic, closed[i].len) == 0) {
			*ret = (struct image_kind){ .type = closed[i].type };
			return 0;
		}
	if (ext_kind(head, ret))
		return 0;
	*ret = (struct image_kind){ .type = memcmp(iso, "CD001", 5) == 0 ? "iso9660" : NULL };
	return 0;
}
