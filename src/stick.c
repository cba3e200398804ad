/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/stick.h"

#include <errno.h>

#include "src/fs/ext4_update.h"
#include "src/fs/fat_update.h"
#include "src/fs/reader.h"
#include "src/plan.h"

/* 200,000 files with paths of 250 characters. */
#define MANIFEST_MAX (64 * MIB)
#define LARGE_SECTOR 4096

static const char *const slot_manifest[N_SLOTS] = { STICK_DIR "/a.manifest", STICK_DIR "/b.manifest" };
static const char *const next_manifest[N_SLOTS] = { STICK_DIR "/a.next", STICK_DIR "/b.next" };

/* The first damage is what the user should hear of. */
static void note_damage(struct stick *s, const char *what, struct err *e)
{
	struct buf b = { 0 };

	if (!s->damage) {
		buf_addf(&b, "%s: %s", what, e->text ? e->text : "cannot be read");
		s->damage = b.s;
	}
	err_clear(e);
}

/* True when it was there and good. */
static bool read_manifest(struct stick *s, struct reader *v, const char *path, struct manifest *ret)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = reader_load(v, path, MANIFEST_MAX, &text, &len, &e);

	/* On ext4 a file that was to come, or to go, may be there without its bytes after a cut. */
	if (r == -ENOENT || (r == 0 && len == 0)) {
		err_clear(&e);
		return false;
	}
	if (r == 0)
		r = manifest_parse(text, len, ret, &e);
	if (r < 0)
		note_damage(s, path, &e);
	return r == 0;
}

static void read_switch(struct stick *s, struct reader *v)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (reader_load(v, STICK_DIR "/switch.cfg", 4096, &text, &len, &e) < 0 ||
	    menu_read_switch(text, len, &s->menu_switch, &e) < 0)
		note_damage(s, STICK_DIR "/switch.cfg", &e);
}

static void read_boot(struct stick *s, struct reader *v)
{
	for (int i = 0; i < N_SLOTS; i++) {
		s->has_slot[i] = read_manifest(s, v, slot_manifest[i], &s->slot[i]);
		s->has_next[i] = read_manifest(s, v, next_manifest[i], &s->next[i]);
	}
	read_switch(s, v);
}

/* By the name that mkfs.fat and we give it; what is no FAT32 volume all the same, is one that was damaged. */
static bool says_fat32(struct device *window)
{
	AUTO_ERR struct err ignored = { 0 };
	u8 b[512];

	return window->size >= sizeof(b) && device_read(window, 0, b, sizeof(b), &ignored) == 0 &&
	       memcmp(b + 82, "FAT32   ", 8) == 0 && b[510] == 0x55 && b[511] == 0xaa;
}

/* Whether the partition is BOOT of one of our sticks; if so, all that it tells is read. */
static bool read_partition(struct stick *s, struct device *d, const struct scan_part *part)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *window = device_new_window(d, "BOOT", part->start, part->size);
	AUTO_READER struct reader *v = NULL;
	int r = reader_open(window, &v, &e);

	if (r == -EINVAL && says_fat32(window)) {
		err_clear(&e);
		r = fail(&e, -EUCLEAN, "its boot sector says what no FAT can have");
	}
	if (r < 0 && r != -EINVAL && part->number == 1)
		note_damage(s, "first partition", &e);
	if (r < 0)
		return false;
	s->is_ours = read_manifest(s, v, STICK_DIR "/stick.manifest", &s->manifest);
	if (!s->is_ours)
		return s->damage != NULL;
	s->boot_start = part->start;
	s->boot_size = part->size;
	s->boot_is_ext4 = strcmp(v->kind, "FAT") != 0;
	read_boot(s, v);
	return true;
}

static int read_stick(struct device *d, struct stick *ret, struct err *e)
{
	struct stick s = { 0 };
	int r = scan_device(d, &s.scan, e);

	if (r < 0)
		return r;
	/* An ESP may come first. */
	for (size_t i = 0; i < s.scan.n_parts; i++) {
		unsigned number = s.scan.part[i].number;

		if ((number == 1 || number == 2) && read_partition(&s, d, &s.scan.part[i]))
			break;
	}
	*ret = s;
	return 0;
}

int stick_read(struct device *d, struct stick *ret, struct err *e)
{
	AUTO_ERR struct err ignored = { 0 };
	u32 sector_size = d->sector_size;
	struct stick large = { 0 };
	int r = read_stick(d, ret, e);

	if (r < 0 || ret->is_ours || d->is_block || d->size % LARGE_SECTOR)
		return r;
	d->sector_size = LARGE_SECTOR;
	if (read_stick(d, &large, &ignored) == 0 && large.is_ours) {
		stick_free(ret);
		*ret = large;
		return 0;
	}
	stick_free(&large);
	d->sector_size = sector_size;
	return 0;
}

const struct scan_part *stick_boot(const struct stick *s)
{
	for (size_t i = 0; i < s->scan.n_parts; i++)
		if (s->scan.part[i].number && s->scan.part[i].start == s->boot_start)
			return &s->scan.part[i];
	return NULL;
}

const struct scan_part *stick_data(const struct stick *s)
{
	const char *uuid = manifest_get(&s->manifest, "data-uuid");

	for (size_t i = 0; uuid && i < s->scan.n_parts; i++)
		if (s->scan.part[i].number && strcasecmp(s->scan.part[i].fs_uuid, uuid) == 0)
			return &s->scan.part[i];
	return NULL;
}

int stick_open_boot(const struct stick *s, struct device *d, struct updater **ret, struct err *e)
{
	return (s->boot_is_ext4 ? ext4_update_open : fat_update_open)(d, s->boot_start, s->boot_size, ret, e);
}

bool stick_has_file(const struct stick *s, const char *path)
{
	return manifest_lists(&s->manifest, path);
}

bool stick_is_unfinished(const struct stick *s, enum slot slot)
{
	return s->has_next[slot] && (!s->has_slot[slot] || !manifest_same(&s->slot[slot], &s->next[slot]));
}

void stick_free(struct stick *s)
{
	scan_free(&s->scan);
	manifest_free(&s->manifest);
	for (int i = 0; i < N_SLOTS; i++) {
		manifest_free(&s->slot[i]);
		manifest_free(&s->next[i]);
	}
	free(s->damage);
	*s = (struct stick){ 0 };
}
