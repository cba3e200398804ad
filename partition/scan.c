/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/scan.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdio.h>

/* libblkid's tables give no more; a hostile one shall not either. */
#define MAX_PARTS 128

/* libblkid counts partitions in units of 512 bytes, whatever the device's sectors are. */
#define BLKID_SECTOR 512

#define MBR_ACTIVE      0x80
#define GPT_LEGACY_BOOT (1ULL << 2) /* attribute bit 2, UEFI 2.10 table 5.8 */

static void free_probe(blkid_probe *pr)
{
	blkid_free_probe(*pr);
}

#define AUTO_PROBE CLEANUP(free_probe)

static char *text_or_empty(const char *s)
{
	return xstrdup(s ? s : "");
}

static char *value(blkid_probe pr, const char *name)
{
	const char *s = NULL;

	/* The value always ends in a NUL. */
	return text_or_empty(blkid_probe_lookup_value(pr, name, &s, NULL) == 0 ? s : NULL);
}

static int new_probe(struct device *d, u64 off, u64 size, blkid_probe *ret, struct err *e)
{
	blkid_probe pr = blkid_new_probe();

	if (!pr)
		return fail(e, -ENOMEM, "%s: libblkid has no memory", d->name);
	if (blkid_probe_set_device(pr, d->fd, (blkid_loff_t)off, (blkid_loff_t)size) < 0 ||
	    blkid_probe_set_sectorsize(pr, d->sector_size) < 0) {
		blkid_free_probe(pr);
		return fail(e, -EIO, "%s: libblkid cannot read it", d->name);
	}
	*ret = pr;
	return 0;
}

static int probe_failed(const struct device *d, u64 off, struct err *e)
{
	return fail(e, -EIO, "%s: libblkid cannot read what is at byte %llu", d->name, (unsigned long long)off);
}

static void free_part(struct scan_part *p)
{
	free(p->type);
	free(p->name);
	free(p->uuid);
	free(p->fs);
	free(p->label);
	free(p->fs_uuid);
}

/*
 * Fills in fs, label and fs_uuid from what lies in `size` bytes at `off`. Where two file systems left their marks,
 * safeprobe will not choose: the first that libblkid finds is reported then, since something is there.
 */
static int probe_fs(struct device *d, struct scan_part *p, struct err *e)
{
	AUTO_PROBE blkid_probe pr = NULL;
	int r = new_probe(d, p->start, p->size, &pr, e);

	if (r < 0)
		return r;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	r = blkid_do_safeprobe(pr);
	if (r == -2) {
		blkid_reset_probe(pr);
		r = blkid_do_probe(pr);
	}
	if (r < 0)
		return probe_failed(d, p->start, e);
	p->fs = value(pr, "TYPE");
	p->label = value(pr, "LABEL");
	p->fs_uuid = value(pr, "UUID");
	return 0;
}

/* A file system on the whole device, also beside a table: a hybrid ISO has both. */
static int scan_whole(struct device *d, struct scan *s, struct err *e)
{
	struct scan_part whole = { .size = d->size };
	int r = probe_fs(d, &whole, e);

	if (r < 0)
		return r;
	whole.type = text_or_empty(NULL);
	whole.name = text_or_empty(NULL);
	whole.uuid = text_or_empty(NULL);
	*ARRAY_ADD(s->part, s->n_parts, s->cap_parts) = whole;
	if (!*whole.fs)
		free_part(&s->part[--s->n_parts]);
	return 0;
}

/* False: the entry reaches outside of the device. */
static bool bounds(const struct device *d, blkid_partition bp, u64 *ret_start, u64 *ret_size)
{
	blkid_loff_t start = blkid_partition_get_start(bp), size = blkid_partition_get_size(bp);
	u64 sectors = d->size / BLKID_SECTOR;

	if (start < 0 || size <= 0 || (u64)start > sectors || (u64)size > sectors - (u64)start)
		return false;
	*ret_start = (u64)start * BLKID_SECTOR;
	*ret_size = (u64)size * BLKID_SECTOR;
	return true;
}

static int add_part(struct device *d, blkid_partition bp, bool gpt, struct scan *s, struct err *e)
{
	u64 flags = blkid_partition_get_flags(bp), start, size;
	const char *type = gpt ? blkid_partition_get_type_string(bp) : NULL;
	struct scan_part *p;
	char code[16];

	if (!bounds(d, bp, &start, &size))
		return 0;
	snprintf(code, sizeof(code), "0x%02x", (unsigned)blkid_partition_get_type(bp));
	p = ARRAY_ADD(s->part, s->n_parts, s->cap_parts);
	*p = (struct scan_part){
		.number = (unsigned)blkid_partition_get_partno(bp),
		.start = start,
		.size = size,
		.type = text_or_empty(gpt ? type : code),
		.name = text_or_empty(blkid_partition_get_name(bp)),
		.uuid = text_or_empty(blkid_partition_get_uuid(bp)),
		.active = gpt ? (flags & GPT_LEGACY_BOOT) != 0 : flags == MBR_ACTIVE,
	};
	return probe_fs(d, p, e);
}

static int scan_table(struct device *d, struct scan *s, struct err *e)
{
	AUTO_PROBE blkid_probe pr = NULL;
	blkid_partlist list;
	int r = new_probe(d, 0, d->size, &pr, e);

	if (r < 0)
		return r;
	blkid_probe_enable_superblocks(pr, 0);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_ENTRY_DETAILS);
	r = blkid_do_safeprobe(pr);
	if (r == -1)
		return probe_failed(d, 0, e);
	s->table = value(pr, "PTTYPE");
	s->id = value(pr, "PTUUID");
	list = r == 0 && *s->table ? blkid_probe_get_partitions(pr) : NULL;
	if (!list)
		return 0;
	for (int i = 0; i < MIN(blkid_partlist_numof_partitions(list), MAX_PARTS); i++) {
		r = add_part(d, blkid_partlist_get_partition(list, i), strcmp(s->table, "gpt") == 0, s, e);
		if (r < 0)
			return r;
	}
	return 0;
}

void scan_free(struct scan *s)
{
	for (size_t i = 0; i < s->n_parts; i++)
		free_part(&s->part[i]);
	free(s->part);
	free(s->table);
	free(s->id);
	*s = (struct scan){ 0 };
}

int scan_device(struct device *d, struct scan *ret, struct err *e)
{
	struct scan s = { 0 };
	int r;

	if (d->fd < 0)
		return fail(e, -ENOTSUP, "%s: has no descriptor that libblkid could read", d->name);
	if (d->size == 0) {
		s.table = text_or_empty(NULL);
		s.id = text_or_empty(NULL);
		*ret = s;
		return 0;
	}
	r = scan_whole(d, &s, e);
	if (r == 0)
		r = scan_table(d, &s, e);
	if (r < 0) {
		scan_free(&s);
		return r;
	}
	*ret = s;
	return 0;
}
