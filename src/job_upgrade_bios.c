/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The BIOS loader of the stick becomes the host's: a step of its own, when the new system starts already, and only
 * where the host has another one. The core and its modules must be of one build, and no write changes four files at
 * once; so the new set goes into the directory that is not in use, is read back, and one sector, the boot sector of
 * BOOT, leads to it then. The stick's manifest follows, and the old set goes last.
 *
 * After a cut the boot sector tells which set starts, and what else is to be done: finish(), with which the next
 * upgrade begins. The code in sector 0 of the device has no part in it: it starts any boot sector, and shares its
 * sector with the partition table.
 */
#include <errno.h>

#include "bootinst/syslinux_map.h"
#include "src/job_upgrade_parts.h"

int upgrade_load_host(struct upgrade_job *j, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int r = host_load(false, false, &j->host, &why);

	j->has_host = r == 0;
	if (r == -EINTR)
		return fail(e, r, "interrupted; nothing was written");
	j->why_no_host = TAKE(why.text);
	return 0;
}

static int compare(struct upgrade_job *j, struct bios *b, struct err *e)
{
	int r = bios_read(j->target.device, &j->target.stick, b, e);

	j->has_bios = r == 0;
	if (r == 0 && !j->has_host)
		return fail(e, -ENOENT, "%s", j->why_no_host);
	return r < 0 ? r : bios_differs(b, &j->host, &j->bios_differs, e);
}

int upgrade_check_bios(struct upgrade_job *j, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	struct bios b = { 0 };
	int r = bios_is_there(&j->target.stick) ? compare(j, &b, &why) : 0;

	bios_free(&b);
	if (r == -EINTR)
		return fail(e, r, "interrupted; nothing was written");
	if (r < 0)
		buf_addf(&j->warnings, "the stick's BIOS loader stays as it is: %s\n", why.text);
	return 0;
}

static int write_sector(struct upgrade_job *j, u64 off, const u8 sector[BIOS_SECTOR], struct err *e)
{
	struct device *d = j->target.device;
	u8 now[BIOS_SECTOR];
	int r = device_write(d, off, sector, BIOS_SECTOR, e);

	if (r == 0)
		r = device_flush(d, e);
	if (r == 0)
		r = device_read(d, off, now, BIOS_SECTOR, e);
	if (r == 0 && memcmp(now, sector, BIOS_SECTOR) != 0)
		r = fail(e, -EIO, "the boot sector reads as something else than was written: the stick is broken");
	if (r == 0)
		j->written += BIOS_SECTOR;
	return r;
}

/* ---- what follows when the boot sector leads to a set */

static int copy_sector(struct upgrade_job *j, const struct bios *b, struct err *e)
{
	u8 backup[BIOS_SECTOR];

	if (bios_backup_is_same(b))
		return 0;
	bios_make_backup(b, backup);
	return write_sector(j, b->backup_off, backup, e);
}

static int hash_code(const struct bios *b, char ret_hex[SHA256_HEX_SIZE], struct err *e)
{
	const struct blob *core = &b->set.file[BIOS_CORE];
	u8 digest[SHA256_SIZE];
	int r = syslinux_boot_digest(core->data, core->len, b->sector, digest, e);

	if (r == 0)
		sha256_hex(digest, ret_hex);
	return r;
}

/* The stick's manifest lists the set in the other directory: it is to list this one. */
static int list_set(struct upgrade_job *j, const struct bios *b, struct err *e)
{
	struct manifest_change change[BIOS_FILES] = { 0 };
	char *path[2 * BIOS_FILES], hex[SHA256_HEX_SIZE];
	const struct manifest_setting code = { .key = (char *)"boot-sector-code", .value = hex };
	int r;

	if (b->is_listed)
		return 0;
	r = hash_code(b, hex, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < BIOS_FILES; i++) {
		struct manifest_change *c = &change[i];

		c->path = path[2 * i] = bios_path(b->spare, i);
		c->new_path = path[2 * i + 1] = bios_path(b->dir, i);
		c->size = b->set.file[i].len;
		sha256_of(b->set.file[i].data, b->set.file[i].len, c->digest);
	}
	r = upgrade_put_stick_manifest(j, change, BIOS_FILES, &code, e);
	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		free(path[i]);
	return r;
}

static int remove_other(struct upgrade_job *j, const struct bios *b, struct err *e)
{
	char *path[BIOS_FILES];
	struct volume_update u = { .remove = (const char *const *)path, .n_remove = BIOS_FILES };
	int r;

	if (!b->has_leftover)
		return 0;
	for (size_t i = 0; i < BIOS_FILES; i++)
		path[i] = bios_path(b->spare, i);
	r = upgrade_change(j, &u, NULL, e);
	for (size_t i = 0; i < BIOS_FILES; i++)
		free(path[i]);
	return r;
}

static int finish(struct upgrade_job *j, const struct bios *b, struct err *e)
{
	int r = copy_sector(j, b, e);

	if (r == 0)
		r = list_set(j, b, e);
	return r == 0 ? remove_other(j, b, e) : r;
}

/* ---- a new set */

/* Plans it, and when the core's place is known patches it for that. 1: it is to stay as it is, for want of room. */
static int plan_set(struct upgrade_job *j, const struct bios *b, struct updater *u, struct volume_update *wanted,
                    struct bios_set *ret_set, struct err *e)
{
	int r = update_plan(u, wanted, e);
	u64 core_off;

	if (r == -ENOSPC) {
		buf_addf(&j->warnings, "the stick's BIOS loader stays as it is: %s\n", e->text);
		err_clear(e);
		return 1;
	}
	if (r < 0)
		return r;
	core_off = wanted->put.file[BIOS_CORE].device_off;
	if (!core_off) {
		buf_adds(&j->warnings,
		         "the stick's BIOS loader stays as it is: there is no room in one piece for ldlinux.sys\n");
		return 1;
	}
	return bios_host_set(b, &j->host, core_off, b->spare, ret_set, e);
}

/* 1: nothing was written, as plan_set(). */
static int install(struct upgrade_job *j, const struct bios *b, struct bios_set *ret_set, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	struct volume_update wanted = { 0 };
	int r = bios_host_set(b, &j->host, b->core_off, b->spare, ret_set, e);

	for (size_t i = 0; r == 0 && i < BIOS_FILES; i++) {
		const struct blob *file = &ret_set->file[i];
		AUTO_FREE char *path = bios_path(b->spare, i);

		volume_add(&wanted.put, path, file->len, input_memory(file->data), j->plan->time)->system_file =
		    i <= BIOS_CORE + 1;
	}
	if (r == 0)
		r = stick_open_boot(&j->target.stick, j->target.device, &u, e);
	if (r == 0)
		r = plan_set(j, b, u, &wanted, ret_set, e);
	if (r == 0)
		r = upgrade_run_planned(j, u, NULL, e);
	update_close(TAKE(u));
	volume_files_free(&wanted.put);
	return r;
}

/* From the medium: nothing may lead to what has not arrived. */
static int read_back(struct upgrade_job *j, const struct bios *b, const struct bios_set *wanted, struct err *e)
{
	struct bios_set is = { 0 };
	int r = bios_load_set(j->target.device, &j->target.stick, b->spare, &is, e);

	if (r == 0 && !bios_same_set(&is, wanted))
		r = fail(e, -EIO, "the loader in %s reads as something else than was written: the stick is broken",
		         b->spare);
	bios_set_free(&is);
	return r;
}

static int renew(struct upgrade_job *j, const struct bios *b, struct err *e)
{
	struct bios_set set = { 0 };
	struct bios now = { 0 };
	u8 sector[BIOS_SECTOR];
	int r = install(j, b, &set, e);

	if (r != 0)
		return MIN(r, 0);
	r = read_back(j, b, &set, e);
	if (r == 0)
		r = bios_boot_sector(b, &j->host, sector, e);
	if (r == 0)
		r = write_sector(j, j->target.stick.boot_start, sector, e);
	if (r < 0)
		return r;
	j->bios_renewed = true;
	r = bios_read(j->target.device, &j->target.stick, &now, e);
	if (r == 0)
		r = finish(j, &now, e);
	bios_free(&now);
	return r;
}

int upgrade_renew_bios(struct upgrade_job *j, struct err *e)
{
	struct bios b = { 0 };
	int r;

	if (!j->has_bios)
		return 0;
	r = bios_read(j->target.device, &j->target.stick, &b, e);
	if (r == 0)
		r = finish(j, &b, e);
	if (r == 0 && j->bios_differs)
		r = renew(j, &b, e);
	bios_free(&b);
	return r;
}
