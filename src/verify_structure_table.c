/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "bootinst/syslinux.h"
#include "partition/gpt.h"
#include "partition/layout.h"
#include "partition/second.h"
#include "src/bios.h"
#include "src/plan.h"
#include "src/verify_structure_parts.h"

#define GPT_ESP   "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define GPT_LINUX "0fc63daf-8483-4772-8e79-3d69d8477de4"

static bool is_gpt(const struct look *l)
{
	return strcmp(l->view.kind, "gpt") == 0;
}

/* ---- what the libraries read */

static void add_table(struct look *l)
{
	const struct view *v = &l->view;
	const char *kind = strcmp(v->kind, "dos") == 0 ? "MBR" : is_gpt(l) ? "GPT" : v->kind;

	if (l->is_one_volume)
		checks_add(l->c, "table", CHECK_OK, "there is none: the whole device is one file system");
	else if (!*v->kind)
		checks_add(l->c, "table", CHECK_BAD, "there is no partition table");
	else if (v->remarks.len && l->is_hybrid)
		checks_add(l->c, "table", CHECK_OK, "%s, %zu partitions, odd as those of ISO images are (%s)", kind,
		           v->n, v->remarks.s);
	else if (v->remarks.len)
		checks_add(l->c, "table", CHECK_BAD, "%s: libfdisk says: %s", kind, v->remarks.s);
	else
		checks_add(l->c, "table", CHECK_OK, "%s, %zu partition%s", kind, v->n, v->n == 1 ? "" : "s");
}

static int add_second(struct look *l, struct err *e)
{
	struct view second = { 0 };
	AUTO_ERR struct err why = { 0 };
	int r;

	if (!*l->view.kind)
		return 0;
	r = second_read(l->d, &second, e);
	if (r < 0)
		return checks_add_result(l->c, "table-second", r, true, "", e);
	r = view_compare(&l->view, "libfdisk", &second, "libparted", &why);
	if (r < 0 && second.remarks.len)
		checks_add(l->c, "table-second", l->is_hybrid ? CHECK_UNKNOWN : CHECK_BAD, "%s; libparted says: %s",
		           why.text, second.remarks.s);
	else if (r < 0)
		checks_add(l->c, "table-second", l->is_hybrid ? CHECK_UNKNOWN : CHECK_BAD, "%s", why.text);
	else if (second.remarks.len)
		checks_add(l->c, "table-second", l->is_hybrid ? CHECK_UNKNOWN : CHECK_BAD,
		           "the partitions are the same, but libparted says: %s", second.remarks.s);
	else
		checks_add(l->c, "table-second", CHECK_OK, "libparted reads the same as libfdisk");
	view_free(&second);
	return 0;
}

static void add_gpt_part(struct look *l, const char *id, const char *fault, const char *good)
{
	if (!fault)
		checks_add(l->c, id, CHECK_OK, "%s", good);
	else
		checks_add(l->c, id, l->is_hybrid ? CHECK_UNKNOWN : CHECK_BAD, "%s%s", fault,
		           l->is_hybrid ? " (an ISO image was copied to the device)" : "");
}

static int add_gpt(struct look *l, struct err *e)
{
	struct gpt_report g = { 0 };
	int r;

	if (!is_gpt(l))
		return 0;
	r = gpt_check(l->d, &g, e);
	if (r < 0)
		return checks_add_result(l->c, "gpt-header", r, true, "", e);
	add_gpt_part(l, "gpt-header", g.header, "header and entries are whole");
	add_gpt_part(l, "gpt-backup", g.backup, "is at the end of the device and the same as the first");
	add_gpt_part(l, "gpt-protective", g.protective, "protects the whole device");
	gpt_report_free(&g);
	return 0;
}

/* ---- what docs/stick.md demands */

struct expected {
	const char *role, *mbr_type, *gpt_type;
};

/* The partitions that a stick of ours has, in their order; returns how many. */
static size_t expected_parts(const struct stick *s, struct expected ret[N_PART_ROLES])
{
	const char *data = manifest_get(&s->manifest, "data-uuid");
	size_t n = 0;

	if (s->boot_is_ext4)
		ret[n++] = (struct expected){ "ESP", "0xef", GPT_ESP };
	ret[n++] = s->boot_is_ext4 ? (struct expected){ "BOOT", "0x83", GPT_LINUX }
	                           : (struct expected){ "BOOT", "0x0c", GPT_ESP };
	if (data && strcmp(data, "none") != 0)
		ret[n++] = (struct expected){ "DATA", "0x83", GPT_LINUX };
	return n;
}

static const char *expected_type(const struct look *l, const struct expected *x)
{
	return is_gpt(l) ? x->gpt_type : x->mbr_type;
}

static int check_place(const struct look *l, const struct view_part *p, const char *role, u64 from, struct err *e)
{
	const u64 end = align_down(l->d->size, l->d->sector_size) - LAYOUT_TAIL;

	if (!p)
		return fail(e, -EUCLEAN, "%s: there is no such partition", role);
	if (p->start % MIB || p->size % MIB || p->size == 0)
		return fail(e, -EUCLEAN, "%s: does not begin and end at whole MiB (byte %llu, %llu bytes)", role,
		            (unsigned long long)p->start, (unsigned long long)p->size);
	if (p->start < from)
		return fail(e, -EUCLEAN, "%s: begins at byte %llu, within what is before it", role,
		            (unsigned long long)p->start);
	if (p->start > end || p->size > end - p->start)
		return fail(e, -EUCLEAN, "%s: reaches into the last MiB of the device or beyond it", role);
	return 0;
}

static bool guid_is_used_twice(const struct view *v)
{
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(v->part[i].uuid, v->part[k].uuid) == 0)
				return true;
	return false;
}

static int check_ids(const struct look *l, struct err *e)
{
	const char *id = manifest_get(&l->s->manifest, "disk-id");
	AUTO_BUF struct buf want = { 0 };

	buf_addf(&want, "0x%s", id ? id : "");
	if (is_gpt(l) && guid_is_used_twice(&l->view))
		return fail(e, -EUCLEAN, "two partitions have the same GUID");
	if (is_gpt(l) || !id || strcasecmp(l->view.id, want.s) == 0)
		return 0;
	return fail(e, -EUCLEAN, "the id of the disk is %s, and the manifest says %s", l->view.id, want.s);
}

/* Types of BOOT and of the ESP are what firmware goes by: boot-flag. */
static int check_layout(const struct look *l, size_t *ret_more, struct err *e)
{
	struct expected want[N_PART_ROLES];
	size_t n = expected_parts(l->s, want);
	u64 from = LAYOUT_HEAD;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct view_part *p = view_find(&l->view, (unsigned)i + 1);

		r = check_place(l, p, want[i].role, from, e);
		if (r == 0 && i == 0 && p->start != LAYOUT_HEAD)
			r = fail(e, -EUCLEAN, "%s: begins at byte %llu, not at 1 MiB", want[i].role,
			         (unsigned long long)p->start);
		if (r == 0 && strcmp(want[i].role, "BOOT") == 0 && p->start != l->s->boot_start)
			r = fail(e, -EUCLEAN, "BOOT: partition %zu is not where the stick's manifest lies", i + 1);
		if (r == 0 && strcmp(want[i].role, "DATA") == 0 && strcmp(p->type, expected_type(l, &want[i])) != 0)
			r = fail(e, -EUCLEAN, "DATA: has the type %s, not %s", p->type, expected_type(l, &want[i]));
		if (r == 0)
			from = p->start + p->size;
	}
	*ret_more = l->view.n > n ? l->view.n - n : 0;
	return r == 0 ? check_ids(l, e) : r;
}

static void add_layout(struct look *l)
{
	AUTO_ERR struct err why = { 0 };
	size_t more = 0;

	if (!l->s->is_ours)
		return;
	if (check_layout(l, &more, &why) < 0)
		checks_add(l->c, "table-layout", CHECK_BAD, "%s", why.text);
	else if (more)
		checks_add(l->c, "table-layout", CHECK_OK,
		           "partitions are where livestick puts them; %zu more of somebody else's", more);
	else
		checks_add(l->c, "table-layout", CHECK_OK, "partitions are where livestick puts them");
}

/* ---- what firmware goes by */

static int check_flag(const struct look *l, struct err *e)
{
	struct expected want[N_PART_ROLES];
	size_t n = expected_parts(l->s, want);

	for (size_t i = 0; i < n; i++) {
		const struct view_part *p = view_find(&l->view, (unsigned)i + 1);
		bool is_boot = strcmp(want[i].role, "BOOT") == 0;

		if (!p || strcmp(want[i].role, "DATA") == 0)
			continue;
		if (strcmp(p->type, expected_type(l, &want[i])) != 0)
			return fail(e, -EUCLEAN, "%s: has the type %s, not %s", want[i].role, p->type,
			            expected_type(l, &want[i]));
		if (is_boot && !p->active)
			return fail(e, -EUCLEAN, "BOOT: %s, so no BIOS starts it",
			            is_gpt(l) ? "has not the legacy-boot attribute" : "is not active");
	}
	for (size_t i = 0; i < l->view.n; i++)
		if (l->view.part[i].active && l->view.part[i].start != l->s->boot_start)
			return fail(e, -EUCLEAN, "partition %u is active beside BOOT", l->view.part[i].number);
	return 0;
}

/* Code of SYSLINUX' starts the one active partition, and stops where there are two. */
static void add_flag_of_others(struct look *l)
{
	const struct view_part *active = NULL;
	size_t n = 0;

	for (size_t i = 0; i < l->view.n; i++)
		if (l->view.part[i].active) {
			active = &l->view.part[i];
			n++;
		}
	if (!*l->view.kind)
		return;
	if (n == 1)
		checks_add(l->c, "boot-flag", CHECK_OK, "partition %u is the one that a BIOS starts", active->number);
	else if (l->mbr_is_syslinux)
		checks_add(l->c, "boot-flag", CHECK_BAD,
		           "%zu partitions are active, and the code in sector 0 starts exactly one", n);
	else
		checks_add(l->c, "boot-flag", CHECK_UNKNOWN, "%zu partitions are active, which not every BIOS accepts",
		           n);
}

static void add_flag(struct look *l)
{
	AUTO_ERR struct err why = { 0 };

	if (!l->s->is_ours)
		add_flag_of_others(l);
	else if (check_flag(l, &why) < 0)
		checks_add(l->c, "boot-flag", CHECK_BAD, "%s", why.text);
	else
		checks_add(l->c, "boot-flag", CHECK_OK, "BOOT is %s", is_gpt(l) ? "marked for BIOSes" : "active");
}

int look_table(struct look *l, struct err *e)
{
	int r = view_read(l->d, &l->view, e);

	if (r < 0)
		return checks_add_result(l->c, "table", r, true, "", e);
	if (l->is_one_volume) {
		/* The code in its boot sector is no table, even if somebody takes it for one. */
		view_free(&l->view);
		l->view.kind = xstrdup("");
	}
	add_table(l);
	r = add_second(l, e);
	if (r == 0)
		r = add_gpt(l, e);
	if (r == 0)
		add_layout(l);
	return r;
}

/* ---- the code in sector 0 */

/* A hybrid image may begin with a mark for Apple's firmware; behind the code is where the ISO's loader lies. */
#define ISOHYBRID_FROM 32
#define ISOHYBRID_TO   432

static const struct {
	const char *path, *what;
	size_t from, to; /* what of it is always the same; `to` 0: the end of the file */
	bool starts_active;
} known[] = {
	{ "/usr/lib/syslinux/mbr/mbr.bin", "SYSLINUX' for MBR", 0, 0, true },
	{ "/usr/lib/syslinux/mbr/gptmbr.bin", "SYSLINUX' for GPT", 0, 0, true },
	{ "/usr/lib/syslinux/mbr/altmbr.bin", "SYSLINUX' for one given partition", 0, 439, false },
	{ "/usr/lib/ISOLINUX/isohdpfx.bin", "ISOLINUX' for hybrid images", ISOHYBRID_FROM, ISOHYBRID_TO, false },
	{ "/usr/lib/ISOLINUX/isohdppx.bin", "ISOLINUX' for hybrid images", ISOHYBRID_FROM, ISOHYBRID_TO, false },
};

/* Index into `known`; -1: none of them. */
static int find_known(const u8 code[BOOT_CODE_SIZE])
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		AUTO_ERR struct err ignored = { 0 };
		struct blob b = { 0 };
		size_t from = known[i].from, to;
		bool same;

		if (blob_load(known[i].path, 512, "", &b, &ignored) < 0)
			continue;
		to = MIN(known[i].to ? known[i].to : b.len, BOOT_CODE_SIZE);
		same = to > from && b.len >= to && memcmp(code + from, b.data + from, to - from) == 0;
		free(b.data);
		if (same)
			return (int)i;
	}
	return -1;
}

static bool has_text(const u8 *p, size_t len, const char *text)
{
	return memmem(p, len, text, strlen(text)) != NULL;
}

static void add_code_of_others(struct look *l, const u8 code[BOOT_CODE_SIZE], int at)
{
	static const u8 zeros[BOOT_CODE_SIZE];

	if (at >= 0)
		checks_add(l->c, "boot-code", CHECK_OK, "is %s", known[at].what);
	else if (memcmp(code, zeros, sizeof(zeros)) == 0)
		checks_add(l->c, "boot-code", CHECK_OK, "there is none: no BIOS starts this device");
	else if (has_text(code, BOOT_CODE_SIZE, "GRUB"))
		checks_add(l->c, "boot-code", CHECK_OK, "is GRUB's");
	else
		checks_add(l->c, "boot-code", CHECK_UNKNOWN, "is code that livestick does not know");
}

/* Sticks of before it was recorded can only be compared with what this host would write. */
static int add_unrecorded(struct look *l, const u8 code[BOOT_CODE_SIZE], struct err *e)
{
	static const u8 zeros[BOOT_CODE_SIZE];
	u8 want[MBR_CODE_SIZE];
	int r = 0;

	if (!bios_is_there(l->s)) {
		memcpy(want, zeros, sizeof(want));
	} else {
		r = mbr_code_load(is_gpt(l), want, e);
		if (r < 0)
			return checks_add_result(l->c, "boot-code", r, true, "", e);
	}
	if (memcmp(code, want, sizeof(want)) == 0)
		checks_add(l->c, "boot-code", CHECK_OK, "is what this computer's livestick would write");
	else
		checks_add(l->c, "boot-code", CHECK_UNKNOWN,
		           "is not what this computer's livestick would write, and the stick has no record of what it "
		           "was");
	return 0;
}

int look_boot_code(struct look *l, struct err *e)
{
	const char *recorded = l->s->is_ours ? manifest_get(&l->s->manifest, "boot-code") : NULL;
	AUTO_FREE u8 *sector = xcalloc(1, l->d->sector_size);
	u8 digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];
	int at, r = device_read(l->d, 0, sector, l->d->sector_size, e);

	if (r < 0)
		return checks_add_result(l->c, "boot-code", r, false, "", e);
	if (l->is_one_volume) {
		checks_add(l->c, "boot-code", CHECK_OK, "is the boot sector of the file system");
		return 0;
	}
	if (!*l->view.kind)
		return 0;
	at = find_known(sector);
	l->mbr_is_syslinux = at >= 0 && known[at].starts_active;
	sha256_of(sector, BOOT_CODE_SIZE, digest);
	sha256_hex(digest, hex);
	if (!l->s->is_ours)
		add_code_of_others(l, sector, at);
	else if (!recorded)
		r = add_unrecorded(l, sector, e);
	else if (strcmp(recorded, hex) == 0)
		checks_add(l->c, "boot-code", CHECK_OK, "is the code that was written");
	else
		checks_add(l->c, "boot-code", CHECK_BAD, "sector 0: is not the code that was written");
	if (r == 0)
		add_flag(l);
	return r;
}
