/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Updates that run to their end. Judges: e2fsck, debugfs, GRUB's reader, and the one of ext4_judge.h. */
#include "tests/unit/ext4_changed.h"

#define SIZE (64 * MIB)

/* A volume in memory with what is on the shelf, as ext4.h makes it. */
struct stick {
	u8 *mem;
	u64 size; /* of the volume; it begins at START */
	struct flat flat;
	struct shelf shelf;
	char *path; /* of the image file for the judges */
};

static void stick_free(struct stick *s)
{
	free(s->mem);
	free(s->path);
	shelf_free(&s->shelf);
}

#define AUTO_STICK CLEANUP(stick_free)

static void make_stick(struct stick *s, u64 size)
{
	struct ext4_options o = loader_options(size);
	struct volume_files v = { 0 };
	AUTO_MADE struct made m = { 0 };
	AUTO_ERR struct err e = { 0 };

	s->size = size;
	s->mem = xcalloc(1, START + size);
	memset(s->mem, 0xa5, START + size);
	s->flat = flat_over(s->mem, START + size);
	s->path = sandbox_path("updated.img");
	for (size_t i = 0; i < s->shelf.n; i++)
		add_versioned(&v, &s->shelf.text[i]);
	m = make(&o, &v);
	CHECK_OK(writelist_run(m.w, &s->flat.d, NULL, &e), &e);
	volume_files_free(&v);
}

/* All judges agree that the volume is sound and holds the shelf. */
static void check_stick(struct stick *s, int line)
{
	char why[256];

	if (!holds_exactly(s->mem + START, s->size, &s->shelf, why))
		test_fail(__FILE__, line, "%s", why);
	save(s->path, s->mem, START + s->size);
	if (sandbox_run("e2fsck -fn '%s" OFFSET "'", s->path) != 0)
		test_fail(__FILE__, line, "e2fsck: %s", sandbox_said());
}

#define CHECK_STICK(s) check_stick(s, __LINE__)

static void apply(struct stick *s, struct change *c, int line)
{
	AUTO_ERR struct err e = { 0 };

	if (change_run(c, &s->flat.d, START, s->size, &e) < 0)
		test_fail(__FILE__, line, "%s", e.text);
	for (size_t i = 0; i < c->n_remove; i++)
		shelf_drop(&s->shelf, c->remove[i]);
	for (size_t i = 0; i < c->n_put; i++)
		shelf_put(&s->shelf, c->put[i].path, c->put[i].size, c->put[i].version);
	check_stick(s, line);
}

#define APPLY(s, c) apply(s, c, __LINE__)

TEST(a_new_system_beside_the_old_one)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };

	shelf_put(&s.shelf, "/live/vmlinuz", 500000, 1);
	shelf_put(&s.shelf, "/live/initrd", 2000000, 1);
	shelf_put(&s.shelf, "/live/filesystem.squashfs", 9000000, 1);
	shelf_put(&s.shelf, "/livestick/a.cfg", 600, 1);
	shelf_put(&s.shelf, "/livestick/switch.cfg", 512, 1);
	shelf_put(&s.shelf, "/mine.txt", 7, 1);
	make_stick(&s, SIZE);
	CHECK_STICK(&s);
	change_put(&c, "/slot-b/live/vmlinuz", 510000, 2, false);
	change_put(&c, "/slot-b/live/initrd", 2100000, 2, false);
	change_put(&c, "/slot-b/live/filesystem.squashfs", 12000000, 2, false);
	change_put(&c, "/slot-b/empty", 0, 2, false);
	change_put(&c, "/livestick/b.cfg", 601, 2, false);
	change_put(&c, "/livestick/switch.cfg", 512, 2, false);
	APPLY(&s, &c);
	APPLY(&s, &c);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
