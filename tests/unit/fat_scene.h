/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Updates made up at random, with what a volume must hold after each: worked out path by path from the words of
 * update.h, without looking at what the updater does.
 */
#ifndef LIVESTICK_TEST_FAT_SCENE_H
#define LIVESTICK_TEST_FAT_SCENE_H

#include "src/fs/fat_name.h"
#include "src/fs/fat_update.h"
#include "tests/unit/fat_image.h"
#include "tests/unit/fat_judge.h"

/* One update, and the content of the volume before (borrowed) and after. */
struct step {
	const struct volume_files *before;
	struct volume_update update;
	char **remove;
	size_t n_remove, cap_remove;
	struct volume_files after;
};

/* A file that is left alone: it makes a volume full. */
#define FILLER "/filler"

/* How an update is made up. */
struct taste {
	u64 size;      /* largest file */
	unsigned puts; /* most */
	bool emoji;    /* mtools cannot show them */
	bool crowd;    /* many names in few directories */
};

/* ---- names */

UNUSED static void scene_name(u64 *seed, const struct taste *t, struct buf *ret)
{
	static const char *const parts[] = { "a",       "B",          "live", "Vmlinuz", "INITRD", "file system",
		                             "é",       "Ä",          "日本", "кот",     "ΛΟΓΟΣ",  "~1",
		                             "+x",      "0123456789", "EFI",  "_",       "$",      ".conf",
		                             "grubx64", "a b",        "c.d",  "x86",     "LIVE",   "[z]" };
	unsigned n = 1 + (unsigned)below(seed, t->crowd ? 2 : 4);

	buf_clear(ret);
	for (unsigned i = 0; i < n; i++)
		buf_adds(ret, parts[below(seed, ARRAY_SIZE(parts))]);
	if (below(seed, 12) == 0)
		for (unsigned i = (unsigned)below(seed, 14); i > 0; i--)
			buf_adds(ret, "fifteen long pt");
	if (t->emoji && below(seed, 8) == 0)
		buf_adds(ret, "\xf0\x9f\x98\x80");
	if (below(seed, 2))
		buf_addf(ret, ".%s", below(seed, 2) ? "TXT" : below(seed, 2) ? "txt" : "squashfs");
}

static void scene_fold(struct buf *b, const char *path)
{
	u16 units[FAT_NAME_UNITS];
	const char *why;

	buf_clear(b);
	buf_adds(b, "");
	while (*path == '/') {
		size_t len = strcspn(++path, "/");
		int n = fat_name_units(path, len, units, &why);

		buf_adds(b, "/");
		fat_name_add_folded(b, units, n > 0 ? (size_t)n : 0);
		path += len;
	}
}

static bool same_path(const char *a, const char *b)
{
	AUTO_BUF struct buf x = { 0 }, y = { 0 };

	scene_fold(&x, a);
	scene_fold(&y, b);
	return strcmp(x.s, y.s) == 0;
}

/* `path` is `dir` or something in it. */
static bool is_in(const char *path, const char *dir)
{
	AUTO_BUF struct buf x = { 0 }, y = { 0 };

	scene_fold(&x, path);
	scene_fold(&y, dir);
	return strncmp(x.s, y.s, y.len) == 0 && (x.s[y.len] == '/' || x.s[y.len] == '\0');
}

static struct volume_file *scene_find(const struct volume_files *v, const char *path)
{
	for (size_t i = 0; i < v->n; i++)
		if (same_path(v->file[i].path, path))
			return &v->file[i];
	return NULL;
}

static void scene_copy(struct volume_files *to, const struct volume_file *f)
{
	struct volume_file *copy = volume_add(to, f->path, f->size, f->input, f->mtime);

	copy->is_dir = f->is_dir;
	copy->system_file = f->system_file;
}

/* ---- what must be there afterwards */

/* Adds the directories that `path` needs, with the spelling that there is. */
static char *add_parents(struct volume_files *v, const char *path)
{
	char *spelled = volume_spelling(v, path);

	for (char *p = spelled + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (!volume_find(v, spelled))
			volume_add_dir(v, spelled, 0755, NOW);
		*p = '/';
	}
	return spelled;
}

static void add_put(struct step *s, const struct volume_file *put, const struct volume_file *old)
{
	bool keeps_entry = old && !old->is_dir && !put->is_dir && (put->replace || put->size == old->size);
	bool in_place = keeps_entry && !put->replace;
	AUTO_FREE char *path = NULL;
	struct volume_file *f;

	if (put->is_dir && scene_find(&s->after, put->path))
		return;
	path = add_parents(&s->after, keeps_entry ? old->path : put->path);
	/* The last name has the spelling of whoever makes its entry. */
	if (!keeps_entry)
		memcpy(strrchr(path, '/'), strrchr(put->path, '/'), strlen(strrchr(path, '/')));
	f = volume_add(&s->after, path, put->size, put->input, put->mtime);
	f->is_dir = put->is_dir;
	f->system_file = in_place ? old->system_file : put->system_file;
}

static bool is_put(const struct step *s, const struct volume_file *f)
{
	for (size_t i = 0; i < s->update.put.n; i++) {
		const struct volume_file *put = &s->update.put.file[i];

		if (f->is_dir ? is_in(put->path, f->path) && (put->is_dir || !same_path(put->path, f->path))
		              : !put->is_dir && same_path(put->path, f->path))
			return true;
	}
	return false;
}

static bool is_listed(const struct step *s, const struct volume_file *f)
{
	for (size_t i = 0; i < s->n_remove; i++)
		if (same_path(s->remove[i], f->path))
			return true;
	return false;
}

static int deepest_first(const void *a, const void *b)
{
	const struct volume_file *const *x = a, *const *y = b;
	size_t i = strlen((*x)->path), k = strlen((*y)->path);

	return i != k ? (i < k) - (i > k) : strcmp((*x)->path, (*y)->path);
}

/* Fills `after`, from all else. */
UNUSED static void step_work_out(struct step *s)
{
	size_t n = s->before->n;
	AUTO_FREE const struct volume_file **f = xcalloc(n, sizeof(*f));
	AUTO_FREE bool *goes = xcalloc(n, sizeof(*goes));

	for (size_t i = 0; i < n; i++)
		f[i] = &s->before->file[i];
	qsort(f, n, sizeof(*f), deepest_first);
	for (size_t i = 0; i < n; i++) {
		bool keeps = false, lost = false;

		for (size_t k = 0; k < i && f[i]->is_dir; k++) {
			if (!is_in(f[k]->path, f[i]->path))
				continue;
			keeps = keeps || !goes[k];
			lost = lost || goes[k];
		}
		goes[i] = !is_put(s, f[i]) && !keeps && (lost || is_listed(s, f[i]));
	}
	for (size_t i = 0; i < n; i++)
		if (!goes[i] && (f[i]->is_dir || !is_put(s, f[i])))
			scene_copy(&s->after, f[i]);
	for (size_t i = 0; i < s->update.put.n; i++)
		add_put(s, &s->update.put.file[i], scene_find(s->before, s->update.put.file[i].path));
}

/* ---- making one up */

static const struct volume_file *any_of(const struct volume_files *v, u64 *seed, bool is_dir)
{
	for (unsigned tries = 0; v->n > 0 && tries < 8; tries++) {
		const struct volume_file *f = &v->file[below(seed, v->n)];

		if (f->is_dir == is_dir && strcmp(f->path, FILLER) != 0)
			return f;
	}
	return NULL;
}

/* Sometimes the name itself is in other letters. */
static void swap_case(char *path)
{
	for (char *p = path; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 0x20);
		else if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 0x20);
}

static u64 random_size(u64 *seed, const struct taste *t)
{
	return below(seed, 6) == 0 ? 0 : below(seed, below(seed, 3) ? t->size : t->size / 20 + 1);
}

/* May it be put beside all that is wanted? */
static bool may_put(const struct step *s, const char *path)
{
	for (size_t i = 0; i < s->update.put.n; i++) {
		const struct volume_file *f = &s->update.put.file[i];

		if (is_in(f->path, path) || (!f->is_dir && is_in(path, f->path)))
			return false;
	}
	return true;
}

static bool is_below_a_file(const struct step *s, const char *path)
{
	for (size_t i = 0; i < s->before->n; i++)
		if (!s->before->file[i].is_dir && is_in(path, s->before->file[i].path))
			return true;
	return false;
}

static void put_old(struct step *s, u64 *seed, const struct taste *t)
{
	const struct volume_file *old = any_of(s->before, seed, false);
	AUTO_FREE char *path = old ? xstrdup(old->path) : NULL;
	struct volume_file *f;
	unsigned kind = (unsigned)below(seed, 4);
	u64 size;

	if (!old || !may_put(s, path))
		return;
	size = kind < 2 ? old->size : random_size(seed, t);
	if (size != old->size && below(seed, 3) == 0)
		swap_case(path);
	f = volume_add(&s->update.put, path, size, below(seed, 3) ? made_up(rnd(seed) >> 1) : old->input,
	               NOW + (i64)below(seed, 100000));
	f->replace = kind == 1 || kind == 2;
	f->system_file = below(seed, 6) == 0;
}

static void put_new(struct step *s, u64 *seed, const struct taste *t)
{
	const struct volume_file *dir = any_of(s->before, seed, true);
	AUTO_BUF struct buf path = { 0 }, name = { 0 };
	unsigned more = below(seed, 5) == 0 ? 1 + (unsigned)below(seed, 3) : 0;
	struct volume_file *f;

	buf_adds(&path, dir && below(seed, 3) ? dir->path : "");
	for (unsigned i = 0; i <= more; i++) {
		scene_name(seed, t, &name);
		buf_addf(&path, "/%s", name.s);
	}
	if (scene_find(s->before, path.s) || is_below_a_file(s, path.s) || !may_put(s, path.s))
		return;
	f = volume_add(&s->update.put, path.s, random_size(seed, t), made_up(rnd(seed) >> 1),
	               NOW + (i64)below(seed, 100000));
	if (below(seed, 8) == 0) {
		f->is_dir = true;
		f->size = 0;
	}
	f->replace = !f->is_dir && below(seed, 6) == 0;
	f->system_file = !f->is_dir && below(seed, 8) == 0;
}

static void remove_path(struct step *s, const char *path)
{
	*ARRAY_ADD(s->remove, s->n_remove, s->cap_remove) = xstrdup(path);
}

static void remove_some(struct step *s, u64 *seed)
{
	const struct volume_file *dir = any_of(s->before, seed, true);
	u64 every = 1 + below(seed, 8);

	for (size_t i = 0; i < s->before->n; i++)
		if (below(seed, every) == 0 && below(seed, 3) == 0 && strcmp(s->before->file[i].path, FILLER) != 0) {
			remove_path(s, s->before->file[i].path);
			if (below(seed, 6) == 0)
				swap_case(s->remove[s->n_remove - 1]);
		}
	/* A whole directory, sometimes without the directory itself. */
	for (size_t i = 0; dir && below(seed, 3) && i < s->before->n; i++)
		if (is_in(s->before->file[i].path, dir->path) && &s->before->file[i] != dir)
			remove_path(s, s->before->file[i].path);
	if (below(seed, 10) == 0)
		remove_path(s, "/no such file");
	if (below(seed, 20) == 0)
		remove_path(s, "/");
}

UNUSED static void step_make(struct step *s, const struct volume_files *before, u64 *seed, const struct taste *t)
{
	unsigned puts = (unsigned)below(seed, t->puts + 1);

	*s = (struct step){ .before = before };
	if (below(seed, 4))
		remove_some(s, seed);
	for (unsigned i = 0; i < puts; i++) {
		if (below(seed, 3) == 0)
			put_old(s, seed, t);
		else
			put_new(s, seed, t);
	}
	s->update.remove = (const char *const *)s->remove;
	s->update.n_remove = s->n_remove;
	step_work_out(s);
}

UNUSED static void step_free(struct step *s)
{
	for (size_t i = 0; i < s->n_remove; i++)
		free(s->remove[i]);
	free(s->remove);
	volume_files_free(&s->update.put);
	volume_files_free(&s->after);
}

/* ---- judging */

/*
 * fsck.fat finds nothing to say but the counts, which it gives back; and, of a small volume, that there should be more
 * clusters, which it says on standard error.
 */
UNUSED static void fsck_clean(const char *image, u64 *ret_files, u64 *ret_used, u64 *ret_clusters)
{
	AUTO_BUF struct buf out = { 0 };
	unsigned long long files = 0, used = 0, clusters = 0;
	int rc = shell(&out, "fsck.fat -n '%s' 2>/dev/null", image), end = 0;

	if (rc != 0 ||
	    sscanf(out.s, "fsck.fat %*[^\n]\n%*[^:]: %llu files, %llu/%llu clusters\n%n", &files, &used, &clusters,
	           &end) != 3 ||
	    out.s[end])
		test_fail(__FILE__, __LINE__, "fsck.fat: exit %d: %s", rc, out.s);
	*ret_files = files;
	*ret_used = used;
	*ret_clusters = clusters;
}

/* All that is in `files` and nothing else, byte for byte. */
struct strict {
	const struct volume_files *files;
	bool *seen;
	size_t n;
	bool attributes; /* they count too */
	char why[5000];
};

static int strict_file(void *ctx, const struct judged_file *f)
{
	struct strict *s = ctx;
	const struct volume_file *want = volume_find(s->files, f->path);
	u8 attributes = f->is_dir ? 0x10 : want && want->system_file ? 0x27 : 0x20;

	s->why[0] = '\0';
	if (!want)
		snprintf(s->why, sizeof(s->why), "%s: nobody wrote that", f->path);
	else if (s->seen[want - s->files->file])
		snprintf(s->why, sizeof(s->why), "%s: is there twice", f->path);
	else if (f->is_dir != want->is_dir || (!f->is_dir && f->size != want->size))
		snprintf(s->why, sizeof(s->why), "%s: is another kind, or has %llu bytes instead of %llu", f->path,
		         (unsigned long long)f->size, (unsigned long long)want->size);
	else if (s->attributes && f->attributes != attributes)
		snprintf(s->why, sizeof(s->why), "%s: attributes %#x, not %#x", f->path, f->attributes, attributes);
	else if (f->size > 0 && !f->is_dir && !is_made_up(want, 0, f->data, f->size))
		snprintf(s->why, sizeof(s->why), "%s: has other bytes", f->path);
	if (s->why[0])
		return -1;
	s->seen[want - s->files->file] = true;
	s->n++;
	return 0;
}

/* By each way of reading. */
UNUSED static bool holds_exactly(struct device *d, u64 start, const struct volume_files *files, const char *what)
{
	for (unsigned way = 0; way < 4; way++) {
		AUTO_FREE bool *seen = xcalloc(files->n, sizeof(*seen));
		AUTO_FREE struct strict *s = xcalloc(1, sizeof(*s));
		AUTO_FREE struct judge *j = xcalloc(1, sizeof(*j));

		*s = (struct strict){ .files = files, .seen = seen, .attributes = true };
		*j = (struct judge){
			.d = d, .start = start, .copy = way & 1, .goes_on = way & 2, .file = strict_file, .ctx = s
		};
		if (judge_run(j) == 0 && s->n == files->n)
			continue;
		test_fail(__FILE__, __LINE__, "%s: way %u: %s%s (%zu of %zu)", what, way, j->why, s->why, s->n,
		          files->n);
		return false;
	}
	return true;
}

#endif
