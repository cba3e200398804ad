/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/stick.h"

#include <errno.h>
#include <stdio.h>

#include "src/fs/fat_read.h"
#include "src/plan.h"

/* 200,000 files with paths of 250 characters. */
#define MANIFEST_MAX (64 * MIB)

static const char *const slot_manifest[N_SLOTS] = { STICK_DIR "/a.manifest", STICK_DIR "/b.manifest" };

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
static bool read_manifest(struct stick *s, struct fat_volume *v, const char *path, struct manifest *ret)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = fat_load(v, path, MANIFEST_MAX, &text, &len, &e);

	if (r == -ENOENT)
		return false;
	if (r == 0)
		r = manifest_parse(text, len, ret, &e);
	if (r < 0)
		note_damage(s, path, &e);
	return r == 0;
}

/* "DEFAULT a1" and blanks. */
static void read_switch(struct stick *s, struct fat_volume *v)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (fat_load(v, STICK_DIR "/switch.cfg", 4096, &text, &len, &e) < 0 ||
	    sscanf(text, "DEFAULT %32[a-z0-9_-]", s->default_entry) != 1)
		note_damage(s, STICK_DIR "/switch.cfg", &e);
}

static void read_boot(struct stick *s, struct device *d, const struct scan_part *part)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *boot = device_new_window(d, "BOOT", part->start, part->size);
	AUTO_FAT struct fat_volume *v = NULL;

	if (fat_open(boot, &v, &e) < 0) {
		note_damage(s, "first partition", &e);
		return;
	}
	s->is_ours = read_manifest(s, v, STICK_DIR "/stick.manifest", &s->manifest);
	for (int i = 0; i < N_SLOTS; i++)
		s->has_slot[i] = read_manifest(s, v, slot_manifest[i], &s->slot[i]);
	if (s->is_ours)
		read_switch(s, v);
}

int stick_read(struct device *d, struct stick *ret, struct err *e)
{
	struct stick s = { 0 };
	int r = scan_device(d, &s.scan, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s.scan.n_parts; i++)
		if (s.scan.part[i].number == 1 && strcmp(s.scan.part[i].fs, "vfat") == 0)
			read_boot(&s, d, &s.scan.part[i]);
	*ret = s;
	return 0;
}

void stick_free(struct stick *s)
{
	scan_free(&s->scan);
	manifest_free(&s->manifest);
	for (int i = 0; i < N_SLOTS; i++)
		manifest_free(&s->slot[i]);
	free(s->damage);
	*s = (struct stick){ 0 };
}
