/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Updates that lose power, by enumeration (ext4_cuts.h): whatever was written, no other file is touched, and the update
 * can be run again. And the other way round: without one of the flushes, or with two phases in the wrong order, states
 * are found that are not sound.
 */
#include "tests/unit/ext4_cuts.h"

static void old_system(struct scene *s)
{
	shelf_put(&s->before, "/live/vmlinuz", 5000, 1);
	shelf_put(&s->before, "/live/filesystem.squashfs", 30000, 1);
	shelf_put(&s->before, "/livestick/switch.cfg", 512, 1);
	shelf_put(&s->before, "/livestick/a.cfg", 700, 1);
	shelf_put(&s->before, "/notes.txt", 3000, 1);
	shelf_put(&s->before, "/slot-b/live/vmlinuz", 6000, 1);
	shelf_put(&s->before, "/slot-b/live/filesystem.squashfs", 20000, 1);
	shelf_put(&s->before, "/slot-b/only-old", 100, 1);
	shelf_put(&s->before, "/livestick/b.cfg", 500, 1);
	shelf_put(&s->before, "/livestick/stick.manifest", 4500, 1);
}

/* All that an update can do, at once. */
static void set_upgrade(struct scene *s)
{
	s->name = "upgrade";
	s->size = 16 * MIB;
	old_system(s);
	change_remove(&s->change, "/slot-b/live/vmlinuz");
	change_remove(&s->change, "/slot-b/live/filesystem.squashfs");
	change_remove(&s->change, "/slot-b/only-old");
	change_put(&s->change, "/slot-b/casper/vmlinuz", 7000, 2, false);
	change_put(&s->change, "/slot-b/casper/filesystem.squashfs", 25000, 2, false);
	change_put(&s->change, "/livestick/b.cfg", 800, 2, false);
	change_put(&s->change, "/livestick/a.cfg", 700, 2, false);
	change_put(&s->change, "/livestick/stick.manifest", 5500, 2, true);
	change_put(&s->change, "/empty", 0, 2, false);
}

/* Only what goes: a whole directory, and some of another. */
static void set_removal(struct scene *s)
{
	s->name = "removal";
	s->size = 16 * MIB;
	old_system(s);
	change_remove(&s->change, "/slot-b/live/vmlinuz");
	change_remove(&s->change, "/slot-b/live/filesystem.squashfs");
	change_remove(&s->change, "/slot-b/only-old");
	change_remove(&s->change, "/livestick/b.cfg");
}

/* A directory of two blocks loses most of its names and gets others. */
static void set_growth(struct scene *s)
{
	static char name[240][60];

	s->name = "growth";
	s->size = 16 * MIB;
	old_system(s);
	for (int i = 0; i < 240; i++) {
		snprintf(name[i], sizeof(name[i]), "/live/a-rather-long-name-of-a-small-file-%d", i);
		if (i < 120)
			shelf_put(&s->before, name[i], i % 3 ? 0 : 10, 1);
		if (i < 100)
			change_remove(&s->change, name[i]);
		if (i >= 120)
			change_put(&s->change, name[i], i % 5 ? 0 : 20, 2, false);
	}
}

static char scrap[40][20];

/* Blocks become free, of which no two lie beside each other, and a file in pieces gets some of them. */
static void make_pieces(struct scene *s)
{
	struct change c = { 0 };

	for (int i = 0; i < 40; i += 2)
		change_remove(&c, scrap[i]);
	change_put(&c, "/livestick/config", 7 * 4096, 1, false);
	prepare_by(s, &c);
}

static void set_pieces(struct scene *s)
{
	s->name = "pieces";
	s->size = 16 * MIB;
	s->full = true;
	old_system(s);
	for (int i = 0; i < 40; i++) {
		snprintf(scrap[i], sizeof(scrap[i]), "/scrap/%d", i);
		shelf_put(&s->before, scrap[i], 4096, 1);
	}
	s->prepare = make_pieces;
	change_put(&s->change, "/livestick/config", 8 * 4096 - 5, 2, true);
	change_put(&s->change, "/livestick/a.cfg", 700, 2, false);
	change_put(&s->change, "/livestick/b.cfg", 5000, 2, false);
}

static void set_full(struct scene *s)
{
	set_upgrade(s);
	s->name = "full";
	s->full = true;
	s->change.put[1].size = 9000; /* e2fsck may keep a block, for a directory in lost+found */
	s->change.n_put = 3;
}

/* Each of these gets a second name. */
static void make_links(struct scene *s)
{
	static const char *const names[] = { "/x", "/y", "/z" };
	AUTO_FREE char *path = sandbox_path("links.img");

	save(path, s->mem, AREA(s));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct text t = *shelf_find(&s->before, names[i]);

		CHECK_U64(sandbox_run("debugfs -w -R 'link %1$s %1$s-2' '%2$s" OFFSET "' && "
		                      "debugfs -w -R 'sif %1$s links_count 2' '%2$s" OFFSET "'",
		                      t.path, path),
		          0);
		snprintf(t.from, sizeof(t.from), "%s", names[i]);
		snprintf(t.path, sizeof(t.path), "%s-2", names[i]);
		*ARRAY_ADD(s->before.text, s->before.n, s->before.cap) = t;
	}
	load(path, s->mem, AREA(s));
}

/* Names of a file go, all but one, or all; the last one may be replaced. */
static void set_links(struct scene *s)
{
	s->name = "links";
	s->size = 16 * MIB;
	old_system(s);
	shelf_put(&s->before, "/x", 5000, 1);
	shelf_put(&s->before, "/y", 6000, 1);
	shelf_put(&s->before, "/z", 7000, 1);
	s->prepare = make_links;
	change_put(&s->change, "/x", 5001, 2, false);
	change_remove(&s->change, "/y");
	change_remove(&s->change, "/y-2");
	change_remove(&s->change, "/z");
	change_put(&s->change, "/z-2", 7001, 2, true);
}

/* Files of several names, all of the system's: they get new bytes, and more names or fewer. One is the user's too. */
static void set_twins(struct scene *s)
{
	struct change *c = &s->change;

	s->name = "twins";
	s->size = 16 * MIB;
	old_system(s);
	shelf_put_same(&s->before, "/slot-b/live/vmlinuz-6", "/slot-b/live/vmlinuz");
	shelf_put_same(&s->before, "/slot-b/boot/vmlinuz", "/slot-b/live/vmlinuz");
	shelf_put(&s->before, "/slot-b/live/initrd", 9000, 1);
	shelf_put_same(&s->before, "/slot-b/live/initrd-6", "/slot-b/live/initrd");
	shelf_put(&s->before, "/slot-b/shared", 5000, 1);
	shelf_put_same(&s->before, "/mine", "/slot-b/shared");

	change_put(c, "/slot-b/live/vmlinuz", 6000, 2, false);
	change_put_same(c, "/slot-b/live/vmlinuz-6", "/slot-b/live/vmlinuz");
	change_put_same(c, "/slot-b/boot/vmlinuz", "/slot-b/live/vmlinuz");
	change_put_same(c, "/slot-b/new/vmlinuz", "/slot-b/live/vmlinuz");
	change_put(c, "/slot-b/live/initrd", 9000, 2, false);
	c->put[c->n_put - 1].is_left = true;
	change_remove(c, "/slot-b/live/initrd-6");
	change_put(c, "/slot-b/shared", 5000, 2, false);
	c->put[c->n_put - 1].is_left = true;
	change_put(c, "/slot-b/live/filesystem.squashfs", 20000, 2, false);
	change_put_same(c, "/slot-b/only-old", "/slot-b/live/filesystem.squashfs");
	change_put(c, "/slot-b/casper/one", 7000, 2, false);
	change_put_same(c, "/slot-b/two", "/slot-b/casper/one");
}

/* What the stick held before it was made: where nobody wrote yet there is a bitmap of old, and inodes of old. */
static void soil_groups(struct scene *s)
{
	struct judge j = { .v = s->mem + START, .size = s->size };
	bool blocks = false, inodes = false;

	CHECK(j_super(&j));
	for (u32 g = 0; g < j.groups; g++) {
		const u8 *d = j_desc(&j, g);
		bool no_inodes = get_le16(d + 18) & 1;

		if (get_le16(d + 18) & 2)
			memset(s->mem + START + (u64)get_le32(d) * J_BLOCK, 0x11, J_BLOCK);
		if (no_inodes)
			memset(s->mem + START + (u64)get_le32(d + 4) * J_BLOCK, 0x11, J_BLOCK);
		for (u32 i = no_inodes ? 0 : j.per_group - get_le16(d + 28); i < j.per_group; i++)
			memcpy(s->mem + START + (u64)get_le32(d + 8) * J_BLOCK + i * J_INODE, j_inode(&j, 12), J_INODE);
		blocks |= get_le16(d + 18) & 2;
		inodes |= no_inodes;
	}
	CHECK(blocks && inodes);
}

/* The size that a file has to have when it is to end with group 0. */
static u64 rest_of_group(const struct scene *s)
{
	struct ext4_options o = loader_options(s->size);
	struct volume_files v = { 0 };
	struct made m;
	u64 first;

	for (size_t i = 0; i < s->before.n; i++)
		add_versioned(&v, &s->before.text[i]);
	m = make(&o, &v);
	first = (v.file[v.n - 1].device_off - START) / J_BLOCK;
	made_free(&m);
	volume_files_free(&v);
	return (J_GROUP - first) * (u64)J_BLOCK;
}

/* Blocks and inodes in groups whose bitmaps and tables were never written. */
static void set_groups(struct scene *s)
{
	static char name[400][20];

	s->name = "groups";
	s->size = 500 * MIB;
	s->prepare = soil_groups;
	old_system(s);
	for (int i = 0; i < 480; i++) {
		snprintf(name[i % 400], sizeof(name[0]), "/many/%d", i);
		shelf_put(&s->before, name[i % 400], 0, 1);
	}
	shelf_put(&s->before, "/hog", 4096, 1);
	s->before.text[s->before.n - 1].size = rest_of_group(s);
	for (int i = 0; i < 20; i++) {
		snprintf(name[i], sizeof(name[i]), "/more/%d", i);
		change_put(&s->change, name[i], i % 4 ? 0 : 1000, 2, false);
	}
	change_put(&s->change, "/slot-b/live/vmlinuz", 6001, 2, false);
	change_put(&s->change, "/livestick/a.cfg", 5000, 2, true);
}

static void report(const struct scene *s, const char *what)
{
	printf("# %s, %s: %llu states, %llu bad; %llu runs again, %llu cut again, %llu e2fsck, %llu mounted\n", s->name,
	       what, (unsigned long long)s->n_states, (unsigned long long)s->n_bad, (unsigned long long)s->n_again,
	       (unsigned long long)s->n_twice, (unsigned long long)s->n_fscked, (unsigned long long)s->n_mounted);
}

static void enumerate(void (*set)(struct scene *s), unsigned fsck_every, unsigned again_every)
{
	struct scene s = {
		.fsck_every = fsck_every,
		.again_every = again_every,
		.twice_every = 3 * again_every + 2,
		.grub_every = 5 * fsck_every + 1,
		.kernel_every = 3 * fsck_every + 1,
	};

	set(&s);
	lay_out_scene(&s);
	if (record_scene(&s)) {
		judge_all(&s);
		report(&s, "as it is");
		if (s.n_bad)
			test_fail(__FILE__, __LINE__, "%s: %llu of %llu states are bad; the first: %s", s.name,
			          (unsigned long long)s.n_bad, (unsigned long long)s.n_states, s.first_bad);
	}
	free_scene(&s);
}

TEST(an_upgrade_can_be_cut_at_every_write)
{
	enumerate(set_upgrade, 61, 7);
}

TEST(a_removal_can_be_cut_at_every_write)
{
	enumerate(set_removal, 31, 7);
}

TEST(a_directory_of_several_blocks)
{
	enumerate(set_growth, 151, 37);
}

TEST(files_in_pieces_are_replaced_in_one_write)
{
	enumerate(set_pieces, 61, 7);
}

TEST(a_volume_without_a_free_block)
{
	enumerate(set_full, 61, 7);
}

TEST(files_with_several_names)
{
	enumerate(set_links, 61, 7);
}

TEST(files_that_are_written_once)
{
	enumerate(set_twins, 61, 7);
}

TEST(groups_that_nobody_has_used_yet)
{
	enumerate(set_groups, 401, 23);
}

/* ---- the other way round */

/* Whether states were found that are not sound: without the flush after a phase, and with it behind the next one. */
struct killed {
	const char *phase;
	bool flush, order;
};

static struct epoch joined(const struct epoch *a, const struct epoch *b)
{
	struct epoch p = { 0 };

	for (size_t i = 0; i < a->n; i++)
		*ARRAY_ADD(p.sector, p.n, p.cap) = a->sector[i];
	for (size_t i = 0; i < b->n; i++)
		*ARRAY_ADD(p.sector, p.n, p.cap) = b->sector[i];
	return p;
}

static bool finds_bad(struct scene *s, const char *what, const char *phase)
{
	char text[80];

	judge_all(s);
	snprintf(text, sizeof(text), "%s %s", what, phase);
	report(s, text);
	if (s->n_bad)
		printf("#   %s\n", s->first_bad);
	return s->n_bad > 0;
}

static void break_at(struct scene *s, size_t i, struct killed *k)
{
	struct epoch a = s->epoch[i], b = s->epoch[i + 1], both = joined(&a, &b), none = { 0 };

	s->epoch[i] = none;
	s->epoch[i + 1] = both;
	k->flush |= finds_bad(s, "no flush after", a.phase);
	s->epoch[i] = b;
	s->epoch[i + 1] = a;
	k->order |= finds_bad(s, "too late:", a.phase);
	s->epoch[i] = a;
	s->epoch[i + 1] = b;
	free(both.sector);
}

static void break_all(void (*set)(struct scene *s), struct killed *k, size_t n)
{
	struct scene s = {
		.fsck_every = UINT32_MAX,
		.again_every = UINT32_MAX,
		.twice_every = UINT32_MAX,
		.grub_every = UINT32_MAX,
		.kernel_every = UINT32_MAX,
	};

	set(&s);
	lay_out_scene(&s);
	if (record_scene(&s))
		for (size_t i = 0; i + 1 < s.n_epochs; i++)
			for (size_t p = 0; p < n; p++)
				if (strcmp(k[p].phase, s.epoch[i].phase) == 0)
					break_at(&s, i, &k[p]);
	free_scene(&s);
}

TEST(every_flush_and_every_order_is_needed)
{
	struct killed k[] = {
		{ .phase = "empty" }, { .phase = "shrink" }, { .phase = "unlink" }, { .phase = "free" },
		{ .phase = "data" },  { .phase = "chain" },  { .phase = "enter" },  { .phase = "fill" },
	};

	break_all(set_upgrade, k, ARRAY_SIZE(k));
	break_all(set_removal, k, ARRAY_SIZE(k));
	for (size_t i = 0; i < ARRAY_SIZE(k); i++)
		if (!k[i].flush || !k[i].order)
			test_fail(__FILE__, __LINE__, "nothing is found %s phase %s",
			          k[i].flush ? "with another order of" : "without the flush after", k[i].phase);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
