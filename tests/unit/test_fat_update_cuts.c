/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The power goes at each write of an update of a FAT32 volume. In every state that can be left all files that the
 * update does not name are as they were, and the update can be run again. And the test itself is tested: with a flush
 * left out or two phases exchanged, bad states must be found.
 */
#include "tests/unit/fat_cuts.h"

struct setting {
	u32 sector, cluster, drive_sector; /* bytes */
	u64 clusters;
	struct taste taste;
};

static const struct setting settings[] = {
	{ 512, 512, 512, 2500, { 5000, 12, false, false } },    { 512, 512, 512, 2500, { 2000, 40, true, true } },
	{ 512, 2048, 512, 1000, { 9000, 14, true, false } },    { 2048, 2048, 512, 1000, { 5000, 16, false, true } },
	{ 4096, 4096, 4096, 600, { 20000, 12, false, false } }, { 4096, 8192, 4096, 400, { 20000, 30, true, true } },
};

struct scene {
	struct flat *f;
	u64 start, size;
	struct volume_files have;
	struct step step;
};

static void load(struct flat *f, u64 start, const char *image)
{
	AUTO_CLOSE int fd = open(image, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && read(fd, f->mem + start, f->d.size - start) > 0);
}

static bool format(struct scene *s, const struct setting *set, const char *folder)
{
	AUTO_BUF struct buf image = { 0 }, out = { 0 };

	s->start = 64 * KIB;
	s->size = align_up(set->clusters * (set->cluster + 8) + 64 * set->sector, 64 * KIB);
	buf_addf(&image, "%s/cuts.img", folder);
	s->f = flat_new(s->start + s->size, set->drive_sector);
	if (shell(&out, "rm -f '%s' && truncate -s %llu '%s' && mkfs.fat -F 32 -S %u -s %u -i 1234abcd '%s' 2>&1",
	          image.s, (unsigned long long)s->size, image.s, set->sector, set->cluster / set->sector,
	          image.s) != 0) {
		test_fail(__FILE__, __LINE__, "mkfs.fat: %s", out.s);
		return false;
	}
	load(s->f, s->start, image.s);
	return true;
}

static bool run(struct scene *s, struct step *step)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };

	return CHECK_OK(fat_update_open(&s->f->d, s->start, s->size, &u, &e), &e) &&
	       update_plan(u, &step->update, &e) == 0 && CHECK_OK(update_run(u, &s->f->d, NULL, &e), &e);
}

/* A volume with some life behind it, and an update that does something in each phase. */
static bool scene_make(struct scene *s, const struct setting *set, const char *folder, u64 *seed)
{
	*s = (struct scene){ 0 };
	if (!format(s, set, folder))
		return false;
	for (unsigned i = 0; i < 5; i++) {
		struct step step;

		step_make(&step, &s->have, seed, &set->taste);
		if (run(s, &step)) {
			volume_files_free(&s->have);
			s->have = step.after;
			step.after = (struct volume_files){ 0 };
		}
		step_free(&step);
	}
	flat_forget(s->f);
	step_make(&s->step, &s->have, seed, &set->taste);
	return true;
}

static void scene_free(struct scene *s)
{
	step_free(&s->step);
	volume_files_free(&s->have);
	device_free(&s->f->d);
}

static u64 seeds(u64 few)
{
	const char *more = getenv("FAT_UPDATE_SEEDS");

	return more ? strtoull(more, NULL, 10) : few;
}

static const int right_order[] = { UNLINK, DATA, CHAIN, ENTER, RELEASE, -1 };

/* The device is left as a cut at a random place would. */
static void cut_somewhere(struct cuts *c)
{
	u64 until = below(&c->seed, RELEASE + 1), percent = 10 + 40 * below(&c->seed, 3);

	for (u64 epoch = 0; epoch <= until; epoch++)
		for (size_t i = 0; i < c->epoch[epoch].n; i++)
			if (epoch < until || below(&c->seed, 100) < percent)
				flat_put(c->f, c->epoch[epoch].w[i].off, c->epoch[epoch].w[i].data);
}

/* The update is run again after a cut, and cut again. */
static void check_second_cut(struct cuts *first)
{
	struct cuts *c = xcalloc(1, sizeof(*c));
	size_t old = first->f->n_old;

	cut_somewhere(first);
	cuts_begin(c, first->f, first->start, first->size, first->step, rnd(&first->seed));
	c->again = 40;
	c->subsets = 30;
	c->room = c->miscounted = true;
	c->image = first->image;
	c->cluster = first->cluster;
	CHECK(cuts_record(c));
	cuts_enumerate(c, right_order);
	if (c->bad)
		test_fail(__FILE__, __LINE__, "after a cut: %llu of %llu states are bad, first: %s",
		          (unsigned long long)c->bad, (unsigned long long)c->states, c->why);
	first->states += c->states;
	first->reruns += c->reruns;
	first->fscked += c->fscked;
	cuts_end(c);
	free(c);
	flat_back(first->f, old);
}

struct sums {
	u64 states, reruns, fscked;
};

static void check_cuts(const struct setting *set, const char *folder, u64 seed, struct sums *sums)
{
	AUTO_BUF struct buf image = { 0 };
	struct scene s;
	struct cuts *c = xcalloc(1, sizeof(*c));

	if (!scene_make(&s, set, folder, &seed))
		return;
	cuts_begin(c, s.f, s.start, s.size, &s.step, seed);
	buf_addf(&image, "%s/again.img", folder);
	c->image = image.s;
	c->cluster = set->cluster;
	c->again = 40;
	c->subsets = 300;
	c->room = true;
	if (cuts_record(c)) {
		cuts_enumerate(c, right_order);
		for (unsigned i = 0; i < 2; i++)
			check_second_cut(c);
	}
	if (c->bad)
		test_fail(__FILE__, __LINE__, "clusters of %u: %llu of %llu states are bad, first: %s", set->cluster,
		          (unsigned long long)c->bad, (unsigned long long)c->states, c->why);
	sums->states += c->states;
	sums->reruns += c->reruns;
	sums->fscked += c->fscked;
	cuts_end(c);
	free(c);
	scene_free(&s);
}

TEST(no_cut_harms_anything)
{
	AUTO_FOLDER char *folder = make_folder();
	struct sums sums = { 0 };
	u64 n = seeds(2);

	for (u64 seed = 1; seed <= n; seed++)
		for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
			check_cuts(&settings[i], folder, seed * 100 + i, &sums);
	printf("# %llu states; updated again: %llu, fsck.fat after that: %llu\n", (unsigned long long)sums.states,
	       (unsigned long long)sums.reruns, (unsigned long long)sums.fscked);
	CHECK(sums.states > 3000 * n && sums.reruns > 75 * n && sums.fscked > 10 * n);
}

/* ---- the opposite */

/* What is done wrong with a recorded update; the order of its epochs comes from it. */
struct wrong {
	const char *what;
	int order[EPOCHS];
	int merge_from, into; /* no flush between the two */
	bool dirs, fats;      /* only these sectors of the first go to the second; neither: all */
	bool front;           /* before what is there */
};

static const struct wrong wrongs[] = {
	{ .what = "no flush after entries went",
	  .order = { DATA, CHAIN, ENTER, RELEASE, -1 },
	  .merge_from = UNLINK,
	  .into = DATA,
	  .front = true },
	{ .what = "no flush before entries come",
	  .order = { UNLINK, DATA, ENTER, RELEASE, -1 },
	  .merge_from = CHAIN,
	  .into = ENTER,
	  .front = true },
	{ .what = "no flush before old chains are released",
	  .order = { UNLINK, DATA, CHAIN, ENTER, -1 },
	  .merge_from = RELEASE,
	  .into = ENTER },
	{ .what = "chains are freed before their entries go", .order = { DATA, UNLINK, CHAIN, ENTER, RELEASE, -1 } },
	{ .what = "entries before chains", .order = { UNLINK, DATA, ENTER, CHAIN, RELEASE, -1 } },
	{ .what = "entries before data", .order = { UNLINK, CHAIN, ENTER, DATA, RELEASE, -1 } },
	{ .what = "chains before data", .order = { UNLINK, CHAIN, DATA, ENTER, RELEASE, -1 } },
	{ .what = "old chains are released before new entries", .order = { UNLINK, DATA, CHAIN, RELEASE, ENTER, -1 } },
	{ .what = "long names and ends of directories together with entries",
	  .order = { UNLINK, DATA, CHAIN, ENTER, RELEASE, -1 },
	  .merge_from = DATA,
	  .into = ENTER,
	  .dirs = true,
	  .front = true },
	{ .what = "directories grow before chains are there",
	  .order = { UNLINK, DATA, CHAIN, ENTER, RELEASE, -1 },
	  .merge_from = ENTER,
	  .into = CHAIN,
	  .fats = true },
};

static void move_sectors(struct cuts *c, const struct wrong *w)
{
	struct epoch *from = &c->epoch[w->merge_from], *to = &c->epoch[w->into], all = { 0 }, rest = { 0 };

	for (int front = 1; front >= 0; front--) {
		const struct epoch *p = front == w->front ? from : to;

		for (size_t i = 0; i < p->n; i++) {
			bool moves = p == to || (w->dirs ? p->w[i].is_dir : w->fats ? p->w[i].is_fat : true);
			struct epoch *goes_to = moves ? &all : &rest;

			*ARRAY_ADD(goes_to->w, goes_to->n, goes_to->cap) = p->w[i];
		}
	}
	free(from->w);
	free(to->w);
	*from = rest;
	*to = all;
}

/* True: a bad state was found. */
static bool finds(const struct wrong *w, const struct setting *set, const char *folder, u64 seed)
{
	struct cuts *c = xcalloc(1, sizeof(*c));
	struct scene s;
	bool found;

	if (!scene_make(&s, set, folder, &seed))
		return false;
	cuts_begin(c, s.f, s.start, s.size, &s.step, seed);
	c->until_bad = true;
	c->subsets = 40;
	if (cuts_record(c)) {
		if (w->merge_from != w->into)
			move_sectors(c, w);
		cuts_enumerate(c, w->order);
	}
	found = c->bad > 0;
	if (getenv("FAT_UPDATE_WHY") && found)
		printf("# %s: %s\n", w->what, c->why);
	cuts_end(c);
	free(c);
	scene_free(&s);
	return found;
}

TEST(every_wrong_order_is_found)
{
	AUTO_FOLDER char *folder = make_folder();

	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
		u64 seed = 1;

		while (seed < 200 && !finds(&wrongs[i], &settings[seed % ARRAY_SIZE(settings)], folder, seed))
			seed++;
		if (getenv("FAT_UPDATE_WHY"))
			printf("# seed %llu\n", (unsigned long long)seed);
		if (seed == 200)
			test_fail(__FILE__, __LINE__, "nothing bad is found: %s", wrongs[i].what);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
