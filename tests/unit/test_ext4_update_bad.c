/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Volumes that are not clean: what an interrupted update leaves is told and mended, all else is refused by name. */
#include "tests/unit/ext4_changed.h"

#define SIZE (16 * MIB)

static void usual_stick(struct stick *s)
{
	shelf_put(&s->shelf, "/live/vmlinuz", 50000, 1);
	shelf_put(&s->shelf, "/live/initrd", 30000, 1);
	shelf_put(&s->shelf, "/livestick/a.cfg", 600, 1);
	shelf_put(&s->shelf, "/mine.txt", 7, 1);
	shelf_put(&s->shelf, "/empty", 0, 1);
	make_stick(s, SIZE);
}

/* ---- damage by hand */

static struct judge judge_of(struct stick *s)
{
	struct judge j = { .v = s->mem + START, .size = s->size };

	CHECK(j_super(&j));
	return j;
}

static u32 inode_of(struct stick *s, const char *path)
{
	save(s->path, s->mem, START + s->size);
	CHECK_U64(
	    sandbox_run("debugfs -R 'stat %s' '%s" OFFSET "' 2>/dev/null | grep -o 'Inode: [0-9]*'", path, s->path), 0);
	return (u32)strtoul(sandbox_said() + 7, NULL, 10);
}

static u8 *inode_at(struct stick *s, u32 number)
{
	struct judge j = judge_of(s);

	return s->mem + (j_inode(&j, number) - s->mem);
}

static void sign_inode(struct stick *s, u32 number)
{
	struct judge j = judge_of(s);
	u8 *p = inode_at(s, number);
	u32 crc;

	put_le16(p + 124, 0);
	if (get_le16(p + 128) >= 4)
		put_le16(p + 130, 0);
	crc = j_crc(j_inode_seed(&j, number, p), p, J_INODE);
	put_le16(p + 124, (u16)crc);
	if (get_le16(p + 128) >= 4)
		put_le16(p + 130, (u16)(crc >> 16));
}

/* The one block of a directory. */
static u8 *dir_at(struct stick *s, u32 number)
{
	return s->mem + START + (u64)get_le32(inode_at(s, number) + 60) * J_BLOCK;
}

static void sign_dir(struct stick *s, u32 number)
{
	struct judge j = judge_of(s);
	u8 *p = dir_at(s, number);

	put_le32(p + J_BLOCK - 4, j_crc(j_inode_seed(&j, number, inode_at(s, number)), p, J_BLOCK - 12));
}

/* The entry of a name in a directory's block. */
static u8 *entry_at(struct stick *s, u32 dir, const char *name)
{
	u8 *p = dir_at(s, dir);

	for (size_t at = 0; at < J_BLOCK - 12; at += get_le16(p + at + 4))
		if (p[at + 6] == strlen(name) && memcmp(p + at + 8, name, strlen(name)) == 0)
			return p + at;
	test_fail(__FILE__, __LINE__, "no entry %s", name);
	return p;
}

static void check_refused(struct stick *s, int r, const char *words, int line)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	int got = ext4_update_open(&s->flat.d, START, s->size, &u, &e);

	if (got != r || !e.text || !strstr(e.text, words) || (r == -EUCLEAN && !strstr(e.text, "e2fsck -f")))
		test_fail(__FILE__, line, "%d: %s; wanted %d, \"%s\"", got, e.text ? e.text : "", r, words);
}

#define CHECK_REFUSED(s, r, words) check_refused(s, r, words, __LINE__)

/* Opening tells it, and an update that changes nothing else mends it. */
static void check_mended(struct stick *s, const char *words, int line)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	struct volume_update nothing = { 0 };
	bool told = false;

	if (!CHECK_OK(ext4_update_open(&s->flat.d, START, s->size, &u, &e), &e))
		return;
	for (size_t i = 0; i < u->n_leftover; i++)
		told |= strstr(u->leftover[i], words) != NULL;
	if (!told)
		test_fail(__FILE__, line, "\"%s\" is not told, but %s", words,
		          u->n_leftover ? u->leftover[0] : "nothing");
	CHECK_OK(update_plan(u, &nothing, &e), &e);
	CHECK_OK(update_run(u, &s->flat.d, NULL, &e), &e);
	update_close(TAKE(u));
	check_stick(s, line);
	if (CHECK_OK(ext4_update_open(&s->flat.d, START, s->size, &u, &e), &e))
		CHECK_U64(u->n_leftover, 0);
}

#define CHECK_MENDED(s, words) check_mended(s, words, __LINE__)

/* ---- what an interrupted update leaves */

TEST(blocks_and_inodes_that_nobody_has)
{
	AUTO_STICK struct stick s = { 0 };

	usual_stick(&s);
	by_debugfs(&s, "setb 3000 3\nseti <100>\n");
	CHECK_MENDED(&s, "3 blocks (12 KiB) belong to no file");
	by_debugfs(&s, "seti <100>\n");
	CHECK_MENDED(&s, "1 inodes are marked as used and are not");
}

TEST(wrong_counts)
{
	AUTO_STICK struct stick s = { 0 };

	usual_stick(&s);
	by_debugfs(&s, "ssv free_blocks_count 7\n");
	CHECK_MENDED(&s, "1 counts of what is free are wrong");
	by_debugfs(&s, "ssv free_inodes_count 7\n");
	CHECK_MENDED(&s, "1 counts of what is free are wrong");
	by_debugfs(&s, "set_bg 0 free_blocks_count 7\nset_bg 0 used_dirs_count 90\nset_bg 0 checksum calc\n");
	CHECK_MENDED(&s, "2 counts of what is free are wrong");
}

TEST(torn_bitmaps)
{
	AUTO_STICK struct stick s = { 0 };
	struct judge j;

	usual_stick(&s);
	j = judge_of(&s);
	memset(s.mem + START + (u64)get_le32(j_desc(&j, 0)) * J_BLOCK, 0x5a, 512);
	CHECK_MENDED(&s, "1 bitmaps do not have their checksums");
	memset(s.mem + START + (u64)get_le32(j_desc(&j, 0) + 4) * J_BLOCK, 0, 16);
	CHECK_MENDED(&s, "1 bitmaps do not have their checksums");
}

TEST(empty_files_and_directories_without_a_name)
{
	AUTO_STICK struct stick s = { 0 };

	usual_stick(&s);
	by_debugfs(&s, "mkdir /lost\nunlink /lost\nunlink /empty\n");
	sign_dir(&s, 2);
	s.mem[0] = 0;
	/* The directory at the top counts it still. */
	put_le16(inode_at(&s, 2) + 26, (u16)(get_le16(inode_at(&s, 2) + 26) - 1));
	sign_inode(&s, 2);
	shelf_drop(&s.shelf, "/empty");
	CHECK_MENDED(&s, "2 empty files or directories have no name");
}

TEST(links_that_are_too_many)
{
	AUTO_STICK struct stick s = { 0 };

	usual_stick(&s);
	by_debugfs(&s, "sif /mine.txt links_count 3\n");
	CHECK_MENDED(&s, "1 files count more names than they have");
}

TEST(attributes_that_are_counted_too_high)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_FREE char *big = sandbox_path("big");
	struct judge j;
	u8 *p;
	u64 block;
	u8 le[8];

	usual_stick(&s);
	sandbox_run("head -c 1500 /dev/zero | tr '\\0' a >%s", big);
	by_debugfs(&s, "ea_set -f %s /mine.txt user.big\n", big);
	CHECK_STICK(&s);
	j = judge_of(&s);
	block = get_le32(inode_at(&s, inode_of(&s, "/mine.txt")) + 104);
	p = s.mem + START + block * J_BLOCK;
	put_le32(p + 4, 3);
	put_le32(p + 16, 0);
	put_le64(le, block);
	put_le32(p + 16, j_crc(j_crc(j.seed, le, 8), p, J_BLOCK));
	CHECK_MENDED(&s, "belong to 1 files, and 3 are counted");
	p[100] ^= 1;
	CHECK_REFUSED(&s, -EUCLEAN, "the attributes in block ");
}

/* ---- what is no volume of ours */

TEST(other_volumes)
{
	static const struct {
		const char *options;
		int r;
		const char *words;
	} row[] = {
		{ "-t ext4 -b 4096", -ENOTSUP, "is not an ext4 volume as livestick makes them (compatible features" },
		{ "-t ext4 -b 4096 -O ^has_journal,^resize_inode,sparse_super2", -ENOTSUP, "incompatible features" },
		{ "-t ext2 -b 1024", -ENOTSUP, "is not an ext4 volume as livestick" },
		{ "-t ext4 -b 4096 -I 512 -O ^has_journal,^resize_inode,sparse_super2,^64bit,dir_nlink,extra_isize",
		  -ENOTSUP, "size of an inode" },
		{ "-t ext4 -b 1024 -O ^has_journal,^resize_inode,sparse_super2,^64bit", -ENOTSUP, "block size" },
	};
	AUTO_STICK struct stick s = { 0 };

	usual_stick(&s);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		CHECK_U64(sandbox_run(
		              "rm -f %1$s; truncate -s %2$llu %1$s && mke2fs -q -F %3$s -E offset=%4$llu %1$s %5$lluk",
		              s.path, (unsigned long long)(START + SIZE), row[i].options, (unsigned long long)START,
		              (unsigned long long)(SIZE / KIB)),
		          0);
		load(s.path, s.mem, START + SIZE);
		check_refused(&s, row[i].r, row[i].words, __LINE__);
	}
	memset(s.mem, 0, START + SIZE);
	CHECK_REFUSED(&s, -EINVAL, "is not an ext2, ext3 or ext4 volume");
	s.size = 1024;
	CHECK_REFUSED(&s, -EINVAL, "is too small");
}

/* A volume that mke2fs makes with the same features will do. */
TEST(a_volume_of_mke2fs)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };
	AUTO_ERR struct err e = { 0 };

	usual_stick(&s);
	CHECK_U64(sandbox_run("rm -f %1$s; truncate -s %2$llu %1$s && mke2fs -q -F -t ext4 -b 4096 -I 256 -O "
	                      "^has_journal,^resize_inode,sparse_super2,^64bit -E offset=%3$llu %1$s %4$lluk",
	                      s.path, (unsigned long long)(START + SIZE), (unsigned long long)START,
	                      (unsigned long long)(SIZE / KIB)),
	          0);
	load(s.path, s.mem, START + SIZE);
	change_put(&c, "/live/vmlinuz", 50000, 2, false);
	CHECK_OK(change_run(&c, &s.flat.d, START, s.size, &e), &e);
	shelf_free(&s.shelf);
	shelf_put(&s.shelf, "/live/vmlinuz", 50000, 2);
	CHECK_STICK(&s);
}

/* ---- damage */

TEST(states_of_the_superblock)
{
	AUTO_STICK struct stick s = { 0 };

	usual_stick(&s);
	by_debugfs(&s, "ssv state 0\n");
	CHECK_REFUSED(&s, -EUCLEAN, "the volume was not unmounted");
	by_debugfs(&s, "ssv state 3\n");
	CHECK_REFUSED(&s, -EUCLEAN, "a system that used the volume found errors in it");
	by_debugfs(&s, "ssv state 1\nssv last_orphan 13\n");
	CHECK_REFUSED(&s, -EUCLEAN, "files that are deleted and not yet freed");
	by_debugfs(&s, "ssv last_orphan 0\n");
	CHECK_STICK(&s);
	s.mem[START + 1024 + 0x88] ^= 1;
	CHECK_REFUSED(&s, -EUCLEAN, "superblock: ");
	s.mem[START + 1024 + 0x88] ^= 1;
	s.size -= 4096;
	CHECK_REFUSED(&s, -EUCLEAN, "the volume is larger than its partition");
}

TEST(wrong_checksums)
{
	AUTO_STICK struct stick s = { 0 };
	u32 number;
	u8 *p;

	usual_stick(&s);
	number = inode_of(&s, "/live");
	p = s.mem + START + J_BLOCK + 16;
	*p ^= 1;
	CHECK_REFUSED(&s, -EUCLEAN, "the checksum of group 0 is wrong");
	*p ^= 1;
	p = inode_at(&s, number) + 8;
	*p ^= 1;
	CHECK_REFUSED(&s, -EUCLEAN, "inode ");
	*p ^= 1;
	p = dir_at(&s, number) + 100;
	*p ^= 1;
	CHECK_REFUSED(&s, -EUCLEAN, "/live cannot be read: its checksum or an entry is wrong");
	*p ^= 1;
	CHECK_STICK(&s);
}

TEST(marked_as_free_and_used)
{
	AUTO_STICK struct stick s = { 0 };
	u32 block;

	usual_stick(&s);
	block = get_le32(inode_at(&s, inode_of(&s, "/mine.txt")) + 60);
	by_debugfs(&s, "freeb %u\n", block);
	CHECK_REFUSED(&s, -EUCLEAN, "group 0 has 1 blocks or inodes in use that are marked as free");
	by_debugfs(&s, "setb %u\n", block);
	CHECK_STICK(&s);
	by_debugfs(&s, "freei /mine.txt\n");
	CHECK_REFUSED(&s, -EUCLEAN, "group 0 has 1 blocks or inodes in use that are marked as free");
}

TEST(blocks_of_two)
{
	AUTO_STICK struct stick s = { 0 };
	u32 a, b, block;

	usual_stick(&s);
	a = inode_of(&s, "/mine.txt");
	b = inode_of(&s, "/livestick/a.cfg");
	block = get_le32(inode_at(&s, b) + 60);
	put_le32(inode_at(&s, a) + 60, block);
	sign_inode(&s, a);
	CHECK_REFUSED(&s, -EUCLEAN, "has blocks that something else has too");
	put_le32(inode_at(&s, a) + 60, 3); /* the table of inodes, or a bitmap */
	sign_inode(&s, a);
	CHECK_REFUSED(&s, -EUCLEAN, "has blocks that something else has too (3 and following)");
	put_le32(inode_at(&s, a) + 60, 4096);
	sign_inode(&s, a);
	CHECK_REFUSED(&s, -EUCLEAN, "has blocks outside the volume");
	put_le16(inode_at(&s, a) + 58, 1);
	sign_inode(&s, a);
	CHECK_REFUSED(&s, -EUCLEAN, "has blocks outside the volume");
}

TEST(inodes_that_contradict_themselves)
{
	static const struct {
		size_t at;
		u16 value;
		const char *words;
	} row[] = {
		{ 28, 80, "has 1 blocks and says something else" },
		{ 40, 0xf30b, "its extents are no tree" },
		{ 42, 5, "its extents are no tree" },
		{ 46, 6, "its extents are no tree" },
		{ 56, 0, "its extents are not in order" },
		{ 34, 0x18, "has flags that no file of this volume can have" },
		{ 104, 4095, "the attributes in block 4095 are damaged" },
	};
	AUTO_STICK struct stick s = { 0 };
	u32 number;
	u8 kept[J_INODE];

	usual_stick(&s);
	number = inode_of(&s, "/mine.txt");
	memcpy(kept, inode_at(&s, number), J_INODE);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		put_le16(inode_at(&s, number) + row[i].at, row[i].value);
		if (row[i].at == 104)
			put_le32(inode_at(&s, number) + 28, 16);
		sign_inode(&s, number);
		check_refused(&s, -EUCLEAN, row[i].words, __LINE__);
		memcpy(inode_at(&s, number), kept, J_INODE);
	}
	put_le32(inode_at(&s, number) + 32, 0);
	sign_inode(&s, number);
	CHECK_REFUSED(&s, -ENOTSUP, "is mapped without extents");
	memcpy(inode_at(&s, number), kept, J_INODE);
	put_le16(inode_at(&s, 7) + 26, 1);
	sign_inode(&s, 7);
	CHECK_REFUSED(&s, -ENOTSUP, "uses inode 7");
	put_le16(inode_at(&s, 7) + 26, 0);
	sign_inode(&s, 7);
	put_le16(inode_at(&s, 2), 0x81ed);
	sign_inode(&s, 2);
	CHECK_REFUSED(&s, -EUCLEAN, "there is no directory at the top");
	put_le16(inode_at(&s, 2), 0x41ed);
	put_le32(inode_at(&s, 2) + 4, 4095);
	sign_inode(&s, 2);
	CHECK_REFUSED(&s, -EUCLEAN, "has a size that it cannot have");
}

static void check_entry(struct stick *s, const char *name, size_t at, u8 value, const char *words)
{
	u8 *p = entry_at(s, 2, name) + at, kept = *p;

	*p = value;
	sign_dir(s, 2);
	CHECK_REFUSED(s, -EUCLEAN, words);
	*p = kept;
	sign_dir(s, 2);
}

TEST(directories_that_contradict_themselves)
{
	AUTO_STICK struct stick s = { 0 };

	usual_stick(&s);
	check_entry(&s, "live", 0, 200, "/ has an entry for a file that is not there");
	check_entry(&s, "live", 0, 3, "/ has an entry for a file that is not there");
	check_entry(&s, "live", 0, 2, "/ has an entry for a file that is not there");
	check_entry(&s, "live", 4, 0, "/ cannot be read: its checksum or an entry is wrong");
	check_entry(&s, "live", 4, 8, "/ cannot be read");
	check_entry(&s, "live", 4, 13, "/ cannot be read");
	check_entry(&s, "mine.txt", 5, 0x0d, "/ cannot be read");
	check_entry(&s, "live", 6, 255, "/ has a name that is longer than its entry");
	check_entry(&s, "live", 6, 0, "/ has an entry with a name that no file can have");
	check_entry(&s, "live", 9, '/', "/ has an entry with a name that no file can have");
	check_entry(&s, "live", 9, 0, "/ has an entry with a name that no file can have");
	check_entry(&s, "empty", 0, (u8)inode_of(&s, "/live"), "/ has a directory that lies in another one too");
	check_entry(&s, "empty", 0, (u8)inode_of(&s, "/mine.txt"), "/empty counts 1 links and has 2");
	CHECK_STICK(&s);
	entry_at(&s, inode_of(&s, "/live"), "..")[0] = 11;
	sign_dir(&s, inode_of(&s, "/live"));
	CHECK_REFUSED(&s, -EUCLEAN, "/live does not begin with the entries for itself and its parent");
}

TEST(files_without_a_name)
{
	AUTO_STICK struct stick s = { 0 };

	usual_stick(&s);
	by_debugfs(&s, "unlink /mine.txt\n");
	CHECK_REFUSED(&s, -EUCLEAN, "a file of 7 bytes has no name (inode ");
	CHECK_U64(sandbox_run("e2fsck -fy '%s" OFFSET "'", s.path), 1);
	load(s.path, s.mem, START + s.size);
	{
		AUTO_UPDATER struct updater *u = NULL;
		AUTO_ERR struct err e = { 0 };

		CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	}
}

/* A device that does not read gives its own error. */
static u64 bad_block;

static int bad_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct flat *f = (struct flat *)d;

	if (off + len > START + bad_block * 4096 && off < START + (bad_block + 1) * 4096)
		return -EIO;
	memcpy(buf, f->mem + off, len);
	return 0;
}

TEST(what_cannot_be_read)
{
	static const struct device_ops ops = { .read = bad_read };
	AUTO_STICK struct stick s = { 0 };
	struct judge j;

	usual_stick(&s);
	j = judge_of(&s);
	s.flat.d.ops = &ops;
	for (int i = 0; i < 12; i += 4) {
		bad_block = get_le32(j_desc(&j, 0) + i); /* a bitmap, the other, the table of inodes */
		CHECK_REFUSED(&s, -EIO, "Input/output error");
	}
	bad_block = 1;
	CHECK_REFUSED(&s, -EIO, "superblock: Input/output error");
	bad_block = get_le32(inode_at(&s, 2) + 60);
	CHECK_REFUSED(&s, -EIO, "directory: Input/output error");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
