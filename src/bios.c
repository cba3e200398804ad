/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/bios.h"

#include <assert.h>
#include <errno.h>

#include "bootinst/extlinux.h"
#include "src/fs/reader.h"
#include "src/plan.h"

#define FILE_MAX (2 * MIB)

/* In the boot sector of FAT: the code is before and behind the fields that tell of the volume. */
#define FIELDS   11
#define CODE     90
#define CODE_END 510
#define BACKUP   50 /* where the number of the backup sector is */

/* The first is what `create` uses. */
static const char *const dirs[] = { STICK_DIR, STICK_DIR "/loader" };

static_assert(HOST_MODULES == 2, "their names are below");
static const char *const names[BIOS_FILES] = { "ldlinux.sys", "ldlinux.c32", "menu.c32", "libutil.c32",
	                                       "syslinux.cfg" };

char *bios_path(const char *dir, size_t file)
{
	struct buf path = { 0 };

	buf_addf(&path, "%s/%s", dir, names[file]);
	return path.s;
}

static bool is_listed(const struct stick *s, const char *dir)
{
	AUTO_FREE char *core = bios_path(dir, BIOS_CORE);

	return stick_has_file(s, core);
}

const char *bios_listed_dir(const struct stick *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (is_listed(s, dirs[i]))
			return dirs[i];
	return NULL;
}

const char *bios_other_dir(const char *dir)
{
	return strcmp(dir, dirs[0]) == 0 ? dirs[1] : dirs[0];
}

bool bios_is_there(const struct stick *s)
{
	return bios_listed_dir(s) != NULL;
}

/* ---- sets */

void bios_set_free(struct bios_set *set)
{
	for (size_t i = 0; i < BIOS_FILES; i++)
		free(set->file[i].data);
	*set = (struct bios_set){ 0 };
}

static int load_set(struct reader *v, const char *dir, struct bios_set *ret, struct err *e)
{
	for (size_t i = 0; i < BIOS_FILES; i++) {
		AUTO_FREE char *path = bios_path(dir, i);
		int r = reader_load(v, path, FILE_MAX, (char **)&ret->file[i].data, &ret->file[i].len, e);

		if (r == -ENOENT)
			err_clear(e);
		else if (r < 0)
			return r;
	}
	return 0;
}

int bios_load_set(struct device *d, const struct stick *s, const char *dir, struct bios_set *ret, struct err *e)
{
	AUTO_DEVICE struct device *window = device_new_window(d, d->name, s->boot_start, s->boot_size);
	AUTO_READER struct reader *v = NULL;
	struct bios_set set = { 0 };
	int r = reader_open(window, &v, e);

	if (r == 0)
		r = load_set(v, dir, &set, e);
	if (r < 0)
		bios_set_free(&set);
	else
		*ret = set;
	return r;
}

bool bios_same_set(const struct bios_set *a, const struct bios_set *b)
{
	for (size_t i = 0; i < BIOS_FILES; i++) {
		const struct blob *x = &a->file[i], *y = &b->file[i];

		if (x->len != y->len || (x->len && memcmp(x->data, y->data, x->len) != 0))
			return false;
	}
	return true;
}

static bool is_empty(const struct bios_set *set)
{
	for (size_t i = 0; i < BIOS_FILES; i++)
		if (set->file[i].data)
			return false;
	return true;
}

/* ---- which one starts */

static int read_sectors(struct device *d, struct bios *b, struct err *e)
{
	u32 backup;
	int r = device_read(d, b->stick->boot_start, b->sector, BIOS_SECTOR, e);

	if (r < 0 || b->stick->boot_is_ext4)
		return r;
	/* That it lies in front of the FATs is known: the volume could be opened for a change. */
	backup = get_le16(b->sector + BACKUP);
	if (backup == 0 || backup == 0xffff)
		return 0;
	b->backup_off = b->stick->boot_start + (u64)backup * BIOS_SECTOR;
	return device_read(d, b->backup_off, b->backup, BIOS_SECTOR, e);
}

/* Whether the boot sector leads to this set's core. */
static int leads_to(const struct bios *b, struct updater *u, const char *dir, const struct bios_set *set, u64 *ret_off,
                    struct err *e)
{
	struct syslinux s = { .sys = set->file[BIOS_CORE] };
	AUTO_FREE char *core = bios_path(dir, BIOS_CORE);
	u64 off = 0, size = 0, first = 0;
	int r = update_place(u, core, &off, &size, e);

	memcpy(s.boot_sector, b->sector, BIOS_SECTOR);
	if (r == 0)
		r = syslinux_leads_to(&s, &first, e);
	if (r < 0)
		return r;
	if (off < b->stick->boot_start || first != (off - b->stick->boot_start) / BIOS_SECTOR)
		return fail(e, -ENOENT, "the boot sector does not lead to %s", core);
	*ret_off = off;
	return 0;
}

static int find_dir(struct bios *b, struct updater *u, struct bios_set sets[2], struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		AUTO_ERR struct err why = { 0 };

		if (sets[i].file[BIOS_CORE].len && leads_to(b, u, dirs[i], &sets[i], &b->core_off, &why) == 0) {
			b->dir = dirs[i];
			b->spare = dirs[!i];
			b->is_listed = is_listed(b->stick, b->dir);
			b->has_leftover = !is_empty(&sets[!i]);
			b->set = sets[i];
			sets[i] = (struct bios_set){ 0 };
			return 0;
		}
	}
	return fail(e, -ENOENT, "%s: its boot sector leads to no loader that livestick put there", u->kind);
}

int bios_read(struct device *d, const struct stick *s, struct bios *ret, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	struct bios b = { .stick = s };
	struct bios_set sets[2] = { 0 };
	int r = stick_open_boot(s, d, &u, e);

	if (r == 0 && d->sector_size != BIOS_SECTOR)
		r = fail(e, -ENOENT, "%s: no BIOS starts from sectors of %u bytes", d->name, d->sector_size);
	if (r == 0)
		r = read_sectors(d, &b, e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
		r = bios_load_set(d, s, dirs[i], &sets[i], e);
	if (r == 0)
		r = find_dir(&b, u, sets, e);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		bios_set_free(&sets[i]);
	if (r == 0)
		*ret = b;
	return r;
}

void bios_free(struct bios *b)
{
	bios_set_free(&b->set);
	*b = (struct bios){ 0 };
}

/* ---- the host's */

int bios_host_set(const struct bios *b, struct host *h, u64 core_off, const char *dir, struct bios_set *ret,
                  struct err *e)
{
	int r = syslinux_patch(&h->syslinux, (core_off - b->stick->boot_start) / BIOS_SECTOR, dir, e);

	if (r < 0)
		return r;
	*ret = (struct bios_set){ 0 };
	ret->file[BIOS_CORE] = h->syslinux.sys;
	ret->file[BIOS_CORE + 1] = h->syslinux.c32;
	for (size_t i = 0; i < HOST_MODULES; i++)
		ret->file[BIOS_CORE + 2 + i] = h->module[i];
	ret->file[BIOS_CONFIG] = b->set.file[BIOS_CONFIG];
	return 0;
}

static void put_code(u8 *sector, const u8 *from)
{
	memcpy(sector, from, FIELDS);
	memcpy(sector + CODE, from + CODE, CODE_END - CODE);
}

int bios_boot_sector(const struct bios *b, const struct host *h, u8 ret_sector[BIOS_SECTOR], struct err *e)
{
	u8 sectors[EXTLINUX_BOOT_SIZE];
	int r;

	if (b->stick->boot_is_ext4) {
		r = extlinux_boot_sector(&h->syslinux, b->stick->boot_start, b->stick->boot_size, sectors, e);
		if (r == 0)
			memcpy(ret_sector, sectors, BIOS_SECTOR);
		return r;
	}
	memcpy(ret_sector, b->sector, BIOS_SECTOR);
	put_code(ret_sector, h->syslinux.boot_sector);
	return 0;
}

static bool host_is_older(const struct bios *b, const struct host *h)
{
	AUTO_FREE char *here = syslinux_release(&b->set.file[BIOS_CORE]), *there = syslinux_release(&h->syslinux.sys);

	return strverscmp(there, here) < 0;
}

int bios_differs(const struct bios *b, struct host *h, bool *ret, struct err *e)
{
	struct bios_set set;
	u8 sector[BIOS_SECTOR];
	int r = bios_host_set(b, h, b->core_off, b->dir, &set, e);

	if (r == 0)
		r = bios_boot_sector(b, h, sector, e);
	if (r == 0)
		*ret = (!bios_same_set(&set, &b->set) || memcmp(sector, b->sector, BIOS_SECTOR) != 0) &&
		       !host_is_older(b, h);
	return r;
}

/* ---- the backup of the boot sector */

void bios_make_backup(const struct bios *b, u8 ret_sector[BIOS_SECTOR])
{
	memcpy(ret_sector, b->backup, BIOS_SECTOR);
	put_code(ret_sector, b->sector);
}

bool bios_backup_is_same(const struct bios *b)
{
	u8 wanted[BIOS_SECTOR];

	bios_make_backup(b, wanted);
	return !b->backup_off || memcmp(wanted, b->backup, BIOS_SECTOR) == 0;
}
