/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/verify_content.h"

#include <errno.h>

#include "src/content.h"
#include "src/fs/reader.h"
#include "src/plan.h"
#include "src/verify_source.h"

#define ESP_MANIFEST STICK_DIR "/esp.manifest"
#define MANIFEST_MAX (4 * MIB)
#define NAMES_SHOWN  10 /* of the user's files */

/* What one manifest lists, on the volume in `window`. */
static int check_manifest(struct device *window, const char *id, const struct manifest *m, struct progress *p,
                          struct checks *c, struct err *e)
{
	AUTO_BUF struct buf good = { 0 };
	struct content found = { 0 };
	int r;

	progress_begin(p, "check", content_bytes(m));
	r = content_check(window, m, p, &found, e);
	progress_end(p);
	if (r == 0 && found.n) {
		for (size_t i = 0; i < found.n; i++)
			checks_add(c, id, CHECK_BAD, "%s", found.fault[i].sentence);
	} else {
		buf_addf(&good, "%llu files, ", (unsigned long long)found.files);
		buf_add_size(&good, found.bytes);
		buf_adds(&good, ", are as they were written");
		r = checks_add_result(c, id, r, false, good.s, e);
	}
	content_free(&found);
	return r;
}

static const struct scan_part *first_part(const struct stick *s)
{
	for (size_t i = 0; i < s->scan.n_parts; i++)
		if (s->scan.part[i].number == 1)
			return &s->scan.part[i];
	return NULL;
}

static int load_esp_manifest(struct device *window, struct manifest *ret, struct err *e)
{
	AUTO_READER struct reader *reader = NULL;
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = reader_open(window, &reader, e);

	if (r == 0)
		r = reader_load(reader, ESP_MANIFEST, MANIFEST_MAX, &text, &len, e);
	if (r == -ENOENT)
		return fail(e, r, "%s: is missing", ESP_MANIFEST);
	return r < 0 ? r : manifest_parse(text, len, ret, e);
}

static int check_esp(struct device *d, const struct stick *s, struct progress *p, struct checks *c, struct err *e)
{
	const struct scan_part *esp = first_part(s);
	AUTO_DEVICE struct device *window = NULL;
	struct manifest m = { 0 };
	int r;

	if (!s->boot_is_ext4 || !esp || esp->start == s->boot_start)
		return 0;
	window = device_new_window(d, "ESP", esp->start, esp->size);
	r = load_esp_manifest(window, &m, e);
	r = r < 0 ? checks_add_result(c, "content-esp", r, false, "", e)
	          : check_manifest(window, "content-esp", &m, p, c, e);
	manifest_free(&m);
	return r;
}

static void check_unfinished(const struct stick *s, struct checks *c)
{
	bool all = true;

	for (int i = 0; i < N_SLOTS; i++) {
		if (!stick_is_unfinished(s, (enum slot)i))
			continue;
		all = false;
		checks_add(c, "unfinished", CHECK_BAD,
		           "an upgrade of slot %c was cut off: slot %c still starts; run upgrade again",
		           slot_letter((enum slot)i), s->menu_switch.slot ? s->menu_switch.slot : '?');
	}
	if (all)
		checks_add(c, "unfinished", CHECK_OK, "no upgrade was cut off");
}

/* A slot that is being replaced holds what is in neither of its manifests. */
static int check_slots(struct device *boot, const struct stick *s, struct progress *p, struct checks *c, struct err *e)
{
	static const char *const ids[N_SLOTS] = { "content-a", "content-b" };
	int r = 0;

	for (int i = 0; r == 0 && i < N_SLOTS; i++) {
		if (stick_is_unfinished(s, (enum slot)i) && s->menu_switch.slot != slot_letter((enum slot)i))
			checks_add(c, ids[i], CHECK_UNKNOWN, "its upgrade was cut off: there is no system in it");
		else if (s->has_slot[i])
			r = check_manifest(boot, ids[i], &s->slot[i], p, c, e);
	}
	return r;
}

/* ---- what is nobody's but the user's */

struct foreign {
	const struct stick *stick;
	const char **listed; /* sorted */
	size_t n_listed;
	struct buf names;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_ours(const struct foreign *f, const char *path)
{
	static const char *const no_manifest[] = { STICK_DIR "/switch.cfg", STICK_DIR "/stick.manifest",
		                                   STICK_DIR "/a.manifest", STICK_DIR "/b.manifest",
		                                   STICK_DIR "/a.next",     STICK_DIR "/b.next" };

	for (size_t i = 0; i < ARRAY_SIZE(no_manifest); i++)
		if (strcasecmp(path, no_manifest[i]) == 0)
			return true;
	return f->n_listed && bsearch(&path, f->listed, f->n_listed, sizeof(*f->listed), by_name);
}

static int note_foreign(void *ctx, const struct reader_entry *entry)
{
	struct foreign *f = ctx;

	if (!entry->is_dir && !is_ours(f, entry->path) && f->n++ < NAMES_SHOWN)
		buf_addf(&f->names, "%s%s", f->names.len ? ", " : "", entry->path);
	return interrupted ? -EINTR : 0;
}

static void list(struct foreign *f, const struct manifest *m)
{
	for (size_t i = 0; i < m->n_files; i++)
		f->listed[f->n_listed++] = m->file[i].path;
}

static int look_for_foreign(struct device *boot, struct foreign *f, struct err *e)
{
	const struct stick *s = f->stick;
	AUTO_READER struct reader *reader = NULL;
	int r = reader_open(boot, &reader, e);

	list(f, &s->manifest);
	for (int i = 0; i < N_SLOTS; i++) {
		list(f, &s->slot[i]);
		list(f, &s->next[i]);
	}
	qsort(f->listed, f->n_listed, sizeof(*f->listed), by_name);
	return r < 0 ? r : reader_each(reader, note_foreign, f, e);
}

static int check_foreign(struct device *boot, const struct stick *s, struct checks *c, struct err *e)
{
	struct foreign f = { .stick = s };
	size_t n = s->manifest.n_files;
	int r;

	for (int i = 0; i < N_SLOTS; i++)
		n += s->slot[i].n_files + s->next[i].n_files;
	f.listed = xcalloc(n + 1, sizeof(*f.listed));
	r = look_for_foreign(boot, &f, e);
	if (r == 0 && f.n)
		checks_add(c, "not-ours", CHECK_OK, "%zu not from livestick: %s%s", f.n, f.names.s,
		           f.n > NAMES_SHOWN ? ", ..." : "");
	else
		r = checks_add_result(c, "not-ours", r, true, "every file on BOOT is in a manifest", e);
	free(f.listed);
	buf_free(&f.names);
	return r;
}

/* ---- all of it */

static int check_ours(struct device *d, const struct stick *s, const struct verify_content_request *q, struct checks *c,
                      struct err *e)
{
	AUTO_DEVICE struct device *boot = device_new_window(d, "BOOT", s->boot_start, s->boot_size);
	int r;

	check_unfinished(s, c);
	r = check_manifest(boot, "content-loader", &s->manifest, q->progress, c, e);
	if (r == 0)
		r = check_esp(d, s, q->progress, c, e);
	if (r == 0 && q->source)
		r = verify_source_ours(boot, s, q->source, q->progress, c, e);
	else if (r == 0)
		r = check_slots(boot, s, q->progress, c, e);
	return r < 0 ? r : check_foreign(boot, s, c, e);
}

/* A stick of ours whose BOOT says nothing any more: DATA has its label still. */
static const char *label_of_ours(const struct stick *s)
{
	for (size_t i = 0; i < s->scan.n_parts; i++) {
		const char *label = s->scan.part[i].label;

		if (s->scan.part[i].number && strncmp(label, "persist-", 8) == 0 &&
		    strspn(label + 8, "0123456789abcdef") == 8 && !label[16])
			return label;
	}
	return NULL;
}

static void check_manifests(const struct stick *s, struct checks *c)
{
	const char *label = label_of_ours(s);

	if (s->damage)
		checks_add(c, "manifest", CHECK_BAD, "%s", s->damage);
	else if (s->is_ours)
		checks_add(c, "manifest", CHECK_OK, "what livestick wrote is listed, and the lists are whole");
	else if (label)
		checks_add(c, "manifest", CHECK_BAD,
		           "there is none that can be read, and yet livestick made this stick: it has %s", label);
	else
		checks_add(c, "manifest", CHECK_UNKNOWN, "there is none: livestick did not make this stick");
}

/* Only now, because a file system may refuse at any time. */
static void check_level(const struct device *d, struct checks *c)
{
	if (d->past_cache)
		checks_add(c, "read-back", CHECK_OK, "what was compared was read from %s",
		           d->is_block ? "the device" : "the disk of the file");
	else
		checks_add(c, "read-back", CHECK_UNKNOWN,
		           "the kernel's cache could not be bypassed: what was compared may have come from memory, and "
		           "not from the medium");
}

int verify_content(struct device *d, const struct stick *s, const struct verify_content_request *q, struct checks *c,
                   struct err *e)
{
	int r;

	check_manifests(s, c);
	if (!s->is_ours && !s->scan.n_parts) {
		checks_add(c, "content", CHECK_BAD, "there is no file system on it");
		return 0;
	}
	if (!s->is_ours)
		return verify_source_other(q->target, q->source, q->progress, c, e);
	r = check_ours(d, s, q, c, e);
	if (r == 0)
		check_level(d, c);
	return r;
}
