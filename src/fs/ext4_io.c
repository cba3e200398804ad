/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_io.h"

static errcode_t io_open(const char *name, int flags, io_channel *ret);

static errcode_t io_close(io_channel c)
{
	if (--c->refcount > 0)
		return 0;
	free(c->name);
	free(c);
	return 0;
}

static errcode_t io_set_blksize(io_channel c, int size)
{
	c->block_size = size;
	return 0;
}

/* What libext2fs means by a block and a count: a negative count is bytes. */
static errcode_t io_range(io_channel c, unsigned long long block, int count, u64 *ret_off, size_t *ret_len)
{
	u64 size = (u64)c->block_size;

	if (block > UINT64_MAX / size)
		return EXT2_ET_INVALID_ARGUMENT;
	*ret_off = block * size;
	*ret_len = count < 0 ? (size_t) - (i64)count : (size_t)count * size;
	return 0;
}

static errcode_t io_read(io_channel c, unsigned long long block, int count, void *data)
{
	AUTO_ERR struct err e = { 0 };
	size_t len;
	u64 off;
	errcode_t err = io_range(c, block, count, &off, &len);

	return err ? err : -device_read(c->private_data, off, data, len, &e);
}

/* For the calls of before there were 64 bits, with which the superblock is read. */
static errcode_t io_read32(io_channel c, unsigned long block, int count, void *data)
{
	return io_read(c, block, count, data);
}

static errcode_t io_write(io_channel c, unsigned long long block, int count, const void *data)
{
	AUTO_ERR struct err e = { 0 };
	size_t len;
	u64 off;
	errcode_t err = io_range(c, block, count, &off, &len);

	return err ? err : -device_write(c->private_data, off, data, len, &e);
}

static errcode_t io_flush(io_channel c)
{
	AUTO_ERR struct err e = { 0 };

	return -device_flush(c->private_data, &e);
}

/* What is missing here (discard, zeroout, options, statistics) libext2fs does without. */
static const struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "livestick device",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.flush = io_flush,
	.read_blk = io_read32,
	.read_blk64 = io_read,
	.write_blk64 = io_write,
};

/* Large enough for a pointer as text. */
#define NAME_SIZE 32

/*
 * The library has no room for a pointer in what it hands to io_open(), and it copies the name: so the name is the
 * pointer, as text. (It is also the reason why no name of a device can be taken for options, which follow a "?".)
 */
static void put_name(struct device *d, char ret[NAME_SIZE])
{
	snprintf(ret, NAME_SIZE, "%p", (void *)d);
}

static errcode_t io_open(const char *name, int flags, io_channel *ret)
{
	io_channel c;
	void *d;

	(void)flags;
	if (sscanf(name, "%p", &d) != 1)
		return EXT2_ET_INVALID_ARGUMENT;
	c = xcalloc(1, sizeof(*c));
	c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->manager = (io_manager)&manager;
	c->name = xstrdup(name);
	c->block_size = 1024;
	c->refcount = 1;
	c->private_data = d;
	*ret = c;
	return 0;
}

errcode_t ext4_io_initialize(struct device *d, struct ext2_super_block *param, ext2_filsys *ret)
{
	char name[NAME_SIZE];

	put_name(d, name);
	return ext2fs_initialize(name, EXT2_FLAG_64BITS, param, (io_manager)&manager, ret);
}

errcode_t ext4_io_open(struct device *d, int flags, ext2_filsys *ret)
{
	char name[NAME_SIZE];

	put_name(d, name);
	return ext2fs_open2(name, NULL, flags | EXT2_FLAG_64BITS, 0, 0, (io_manager)&manager, ret);
}
