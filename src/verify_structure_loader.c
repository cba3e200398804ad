/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SYSLINUX and EXTLINUX: whether the boot sector finds ldlinux.sys, that itself, and its modules. */
#include <errno.h>
#include <fnmatch.h>

#include "bootinst/syslinux_map.h"
#include "src/bios.h"
#include "src/plan.h"
#include "src/verify_structure_parts.h"

#define SECTOR     512
#define SYS_MAX    (256 * KIB)
#define MODULE_MAX (2 * MIB)

/* From this release on modules are ELF, and ldlinux.sys needs ldlinux.c32. */
#define FIRST_WITH_ELF 5

struct loader {
	const struct path_entry *file; /* ldlinux.sys */
	char *sys;
	size_t len;
	u8 boot_sector[SECTOR];
	struct syslinux_map map;
};

static void loader_free(struct loader *x)
{
	free(x->sys);
	syslinux_map_free(&x->map);
	*x = (struct loader){ 0 };
}

/* Where the sector `i` of the file really is, counted as the loader counts; UINT64_MAX: not to be told. */
static u64 real_sector(struct place *p, const struct path_entry *file, size_t i, struct err *e)
{
	const struct reader_entry entry = {
		.path = file->path, .size = file->size, .place = file->place, .is_file = true
	};
	u64 off = 0, len = 0;

	if (reader_where(p->reader, &entry, i * SECTOR, &off, &len, e) < 0 || off % SECTOR || len < SECTOR)
		return UINT64_MAX;
	return off / SECTOR;
}

static int read_loader(struct place *p, const struct path_entry *file, struct loader *ret, struct err *e)
{
	struct loader x = { .file = file };
	int r = reader_load(p->reader, file->path, SYS_MAX, &x.sys, &x.len, e);

	if (r == 0)
		r = device_read(p->window, 0, x.boot_sector, SECTOR, e);
	if (r == 0)
		r = syslinux_map_read((const u8 *)x.sys, x.len, x.boot_sector, &x.map, e);
	if (r < 0)
		loader_free(&x);
	else
		*ret = x;
	return r;
}

/* ---- the map */

static int check_map(struct look *l, const struct loader *x, struct err *e)
{
	const size_t dir_len = (size_t)(strrchr(x->file->path, '/') - x->file->path);

	for (size_t i = 0; i < x->map.n; i++) {
		u64 real = real_sector(l->boot, x->file, i, e);

		if (real == UINT64_MAX)
			return fail(e, -EUCLEAN, "%s: sector %zu of it lies nowhere", x->file->path, i);
		if (real == x->map.sector[i])
			continue;
		return fail(e, -EUCLEAN,
		            "%s to sector %llu of the partition for sector %zu of %s, which is in sector %llu",
		            i == 0 ? "the boot sector leads" : "its map leads", (unsigned long long)x->map.sector[i], i,
		            x->file->path, (unsigned long long)real);
	}
	/* Where it lies itself. */
	if (l->s->is_ours && (strncmp(x->map.dir, x->file->path, dir_len) != 0 || x->map.dir[dir_len]))
		return fail(e, -EUCLEAN, "%s: looks for its files in \"%s\"", x->file->path, x->map.dir);
	return 0;
}

static void add_map(struct look *l, const struct loader *x)
{
	AUTO_ERR struct err why = { 0 };

	if (check_map(l, x, &why) < 0)
		checks_add(l->c, "loader-map", CHECK_BAD, "%s", why.text);
	else
		checks_add(l->c, "loader-map", CHECK_OK, "the boot sector finds %s, and that all %zu sectors of itself",
		           x->file->path, x->map.n);
	if (x->map.sum_is_right)
		checks_add(l->c, "loader-sum", CHECK_OK, "%s: SYSLINUX %s, its checksum is right", x->file->path,
		           x->map.release);
	else
		checks_add(l->c, "loader-sum", CHECK_BAD, "%s: its checksum of itself is wrong: it will not start",
		           x->file->path);
}

/* ---- the boot sector */

static int check_code(struct look *l, const struct loader *x, struct err *e)
{
	const char *recorded = manifest_get(&l->s->manifest, "boot-sector-code");
	const u8 *b = x->boot_sector;
	u8 digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];
	int r = syslinux_boot_digest((const u8 *)x->sys, x->len, b, digest, e);

	if (r < 0)
		return r;
	sha256_hex(digest, hex);
	if (recorded && strcmp(recorded, hex) != 0)
		return fail(e, -EUCLEAN, "BOOT: the loader's code in it is not what was written");
	if (get_le16(b + 510) != 0xaa55)
		return fail(e, -EUCLEAN, "BOOT: has no signature");
	/* FAT's own fields were looked at; EXTLINUX makes some up, of which the loader uses these. */
	if (l->s->boot_is_ext4 &&
	    (get_le16(b + 11) != SECTOR || (u64)get_le32(b + 28) * SECTOR != l->boot->part->start))
		return fail(e, -EUCLEAN, "BOOT: its fields are not those of this partition");
	return 0;
}

static void add_code(struct look *l, const struct loader *x)
{
	AUTO_ERR struct err why = { 0 };

	if (!l->s->is_ours)
		return;
	if (check_code(l, x, &why) < 0)
		checks_add(l->c, "boot-sector", CHECK_BAD, "%s", why.text);
	else
		checks_add(l->c, "boot-sector", CHECK_OK, "BOOT: the loader's code in it is %s",
		           manifest_get(&l->s->manifest, "boot-sector-code") ? "what was written" : "not on record");
}

/* ---- modules */

static bool is_elf(const u8 *p, size_t len)
{
	static const u8 elf32[] = { 0x7f, 'E', 'L', 'F', 1, 1, 1 };

	return len > 52 && memcmp(p, elf32, sizeof(elf32)) == 0 && get_le16(p + 16) == 3 && get_le16(p + 18) == 3;
}

/* 0, or what is wrong with one module. */
static int check_module(struct look *l, const struct loader *x, const char *path, struct err *e)
{
	bool want_elf = atoi(x->map.release) >= FIRST_WITH_ELF, elf;
	AUTO_FREE char *data = NULL;
	size_t len = 0;
	int r = reader_load(l->boot->reader, path, MODULE_MAX, &data, &len, e);

	if (r < 0)
		return r;
	elf = is_elf((const u8 *)data, len);
	if (elf == want_elf)
		return 0;
	return fail(e, -EUCLEAN, "%s: is no module of SYSLINUX %s", path, x->map.release);
}

/* Directory of a path, with the slash. */
static char *dir_of(const char *path)
{
	return xstrndup(path, (size_t)(strrchr(path, '/') + 1 - path));
}

static int check_modules(struct look *l, const struct loader *x, size_t *ret_n, struct err *e)
{
	AUTO_FREE char *dir = dir_of(x->file->path);
	AUTO_BUF struct buf glob = { 0 }, core = { 0 };
	int r = 0;

	buf_addf(&glob, "%s*.c32", dir);
	buf_addf(&core, "%sldlinux.c32", dir);
	if (atoi(x->map.release) >= FIRST_WITH_ELF && !path_list_find(&l->boot->list, core.s))
		return fail(e, -EUCLEAN, "%s: is missing, and without it no menu is shown", core.s);
	for (size_t i = 0; r == 0 && i < l->boot->list.n; i++) {
		const struct path_entry *p = &l->boot->list.entry[i];

		if (!p->is_file || fnmatch(glob.s, p->path, FNM_PATHNAME | FNM_CASEFOLD) != 0)
			continue;
		r = check_module(l, x, p->path, e);
		++*ret_n;
	}
	for (size_t i = 0; r == 0 && l->s->is_ours && i < l->s->manifest.n_files; i++) {
		const char *path = l->s->manifest.file[i].path;

		if (fnmatch(STICK_DIR "/*.c32", path, 0) == 0 && !path_list_find(&l->boot->list, path))
			r = fail(e, -EUCLEAN, "%s: is missing", path);
	}
	return r;
}

static void add_modules(struct look *l, const struct loader *x)
{
	AUTO_ERR struct err why = { 0 };
	size_t n = 0;
	int r;

	if (!*x->map.release)
		checks_add(l->c, "loader-modules", CHECK_UNKNOWN, "%s does not tell its release", x->file->path);
	else if ((r = check_modules(l, x, &n, &why)) < 0)
		checks_add(l->c, "loader-modules", CHECK_BAD, "%s", why.text);
	else
		checks_add(l->c, "loader-modules", CHECK_OK, "%zu, of the kind that SYSLINUX %s loads", n,
		           x->map.release);
}

/* ---- finding it */

static void add_loader(struct look *l, const struct loader *x)
{
	add_map(l, x);
	add_code(l, x);
	add_modules(l, x);
}

/* 1: the boot sector leads to this core, which is in *ret then; 0: it does not, or there is none. */
static int find_core(struct look *l, const char *dir, struct loader *ret, struct err *e)
{
	AUTO_FREE char *path = bios_path(dir, BIOS_CORE);
	const struct path_entry *file = path_list_find(&l->boot->list, path);
	AUTO_ERR struct err why = { 0 };
	int r = file && file->is_file ? read_loader(l->boot, file, ret, &why) : -ENOENT;

	if (r == -EINTR)
		return fail(e, r, "interrupted");
	if (r < 0)
		return 0;
	if (real_sector(l->boot, file, 0, &why) == ret->map.sector[0])
		return 1;
	loader_free(ret);
	return 0;
}

/* While it is being renewed the boot sector may lead to the new set, which the manifest does not list yet. */
static int look_renewed(struct look *l, const char *dir, struct loader *ret, struct err *e)
{
	int r = find_core(l, bios_other_dir(dir), ret, e);

	if (r == 1)
		checks_add(l->c, "unfinished", CHECK_BAD,
		           "the BIOS loader was being renewed when an upgrade was cut off: the new one starts; run "
		           "upgrade again");
	return r;
}

static int look_ours(struct look *l, struct err *e)
{
	const char *dir = bios_listed_dir(l->s);
	AUTO_FREE char *path = dir ? bios_path(dir, BIOS_CORE) : NULL;
	const struct path_entry *file = path ? path_list_find(&l->boot->list, path) : NULL;
	struct loader x = { 0 };
	int r;

	if (!dir)
		return 0;
	r = find_core(l, dir, &x, e);
	if (r == 0)
		r = look_renewed(l, dir, &x, e);
	if (r == 0 && (!file || !file->is_file)) {
		checks_add(l->c, "loader-map", CHECK_BAD, "%s: is missing", path);
		return 0;
	}
	/* What is wrong with the one that should start. */
	if (r == 0)
		r = read_loader(l->boot, file, &x, e);
	if (r < 0)
		return checks_add_result(l->c, "loader-map", r, false, "", e);
	add_loader(l, &x);
	loader_free(&x);
	return 0;
}

static bool is_loader(const struct path_entry *p)
{
	return p->is_file && fnmatch("*/ldlinux.sys", p->path, FNM_CASEFOLD) == 0;
}

/* There may be several, left by systems of before: the boot sector leads to one of them. */
static int look_theirs(struct look *l, struct err *e)
{
	struct place *p = l->boot;
	const char *other = NULL;

	for (size_t i = 0; i < p->list.n; i++) {
		const struct path_entry *file = &p->list.entry[i];
		AUTO_ERR struct err why = { 0 };
		struct loader x = { 0 };
		bool is_it;
		int r;

		if (!is_loader(file))
			continue;
		r = read_loader(p, file, &x, &why);
		if (r == -EINTR)
			return fail(e, r, "interrupted");
		is_it = r == 0 && real_sector(p, file, 0, &why) == x.map.sector[0];
		if (is_it)
			add_loader(l, &x);
		loader_free(&x);
		if (is_it)
			return 0;
		other = file->path;
	}
	if (other)
		checks_add(l->c, "loader-map", p->part->active && l->mbr_is_syslinux ? CHECK_BAD : CHECK_UNKNOWN,
		           "%s is there, and the boot sector of %s does not lead to it", other, p->role);
	return 0;
}

int look_loader(struct look *l, struct err *e)
{
	if (!l->boot)
		return 0;
	if (!l->boot->is_sound) {
		checks_add(l->c, "loader-map", CHECK_UNKNOWN, "%s cannot be read", l->boot->role);
		return 0;
	}
	return l->s->is_ours ? look_ours(l, e) : look_theirs(l, e);
}
