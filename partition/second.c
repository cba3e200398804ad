/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/second.h"

#include <errno.h>
#include <parted/parted.h>

#include "src/media/shadow.h"

/* What can be kept of a table at either end of a device. */
#define END_COPIED MIB

#define LOGICAL_MAX 64 /* in an extended partition */
#define PARTS_MAX   256

/* The table in a sector 0, or the first sector of a logical partition. */
#define MBR_ENTRIES   446
#define MBR_ENTRY     16
#define MBR_TYPE      4
#define MBR_START     8
#define MBR_N_ENTRIES 4

/* ---- the copy */

static bool is_extended(u8 type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* The first sectors of logical partitions, each of which names the next. */
static int copy_chain(struct device *d, u64 extended, struct shadow *s, struct err *e)
{
	AUTO_FREE u8 *b = xcalloc(1, d->sector_size);
	u64 at = extended;

	for (int i = 0; i < LOGICAL_MAX; i++) {
		u64 next = 0;
		int r;

		if (at > d->size - d->sector_size)
			return 0;
		r = shadow_copy(s, at, d->sector_size, e);
		if (r == 0)
			r = device_read(d, at, b, d->sector_size, e);
		if (r < 0)
			return r;
		for (size_t k = 0; k < MBR_N_ENTRIES; k++) {
			const u8 *p = b + MBR_ENTRIES + k * MBR_ENTRY;

			if (is_extended(p[MBR_TYPE]))
				next = extended + (u64)get_le32(p + MBR_START) * d->sector_size;
		}
		if (!next)
			return 0;
		at = next;
	}
	return 0;
}

static int copy_extended(struct device *d, struct shadow *s, struct err *e)
{
	AUTO_FREE u8 *b = xcalloc(1, d->sector_size);
	int r = device_read(d, 0, b, d->sector_size, e);

	for (size_t i = 0; r == 0 && i < MBR_N_ENTRIES; i++) {
		const u8 *p = b + MBR_ENTRIES + i * MBR_ENTRY;

		if (is_extended(p[MBR_TYPE]))
			r = copy_chain(d, (u64)get_le32(p + MBR_START) * d->sector_size, s, e);
	}
	return r;
}

/* The backup of a GPT that was made for a smaller device does not lie at the end. */
static int copy_backup(struct device *d, struct shadow *s, struct err *e)
{
	AUTO_FREE u8 *b = xcalloc(1, d->sector_size);
	u64 at, before = 64 * KIB;
	int r = device_read(d, d->sector_size, b, d->sector_size, e);

	if (r < 0 || memcmp(b, "EFI PART", 8) != 0 || get_le64(b + 32) > d->size / d->sector_size)
		return r;
	at = get_le64(b + 32) * d->sector_size;
	before = MIN(before, at);
	return shadow_copy(s, at - before, before + d->sector_size, e);
}

static int copy_table(struct device *d, struct shadow *s, struct err *e)
{
	u64 tail = d->size - MIN(d->size, END_COPIED);
	int r = shadow_copy(s, 0, END_COPIED, e);

	if (r == 0)
		r = shadow_copy(s, tail, d->size - tail, e);
	if (r == 0)
		r = copy_extended(d, s, e);
	return r == 0 ? copy_backup(d, s, e) : r;
}

/* ---- libparted */

/* libparted has one handler for all, without an argument. */
static struct view *listener;

/* "Yes" and "Fix" are never the answer. "OK" is to go on with what is there. */
static PedExceptionOption answer(PedException *x)
{
	static const PedExceptionOption order[] = { PED_EXCEPTION_NO, PED_EXCEPTION_IGNORE, PED_EXCEPTION_OK,
		                                    PED_EXCEPTION_CANCEL };

	if (listener && x->message)
		view_remark(listener, x->message);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (x->options & order[i])
			return order[i];
	return PED_EXCEPTION_UNHANDLED;
}

static bool has_flag(const PedPartition *p, PedPartitionFlag flag)
{
	return ped_partition_is_flag_available(p, flag) && ped_partition_get_flag(p, flag);
}

static void add_part(const PedPartition *p, bool gpt, u64 sector, struct view *v)
{
	struct view_part *to = view_add(v);
	const char *name = gpt ? ped_partition_get_name(p) : NULL;

	to->number = (unsigned)p->num;
	to->start = (u64)p->geom.start * sector;
	to->size = (u64)p->geom.length * sector;
	to->active = has_flag(p, gpt ? PED_PARTITION_LEGACY_BOOT : PED_PARTITION_BOOT);
	to->esp = has_flag(p, PED_PARTITION_ESP);
	to->lba = !gpt && has_flag(p, PED_PARTITION_LBA);
	if (name) {
		free(to->name);
		to->name = xstrdup(name);
	}
}

static void read_disk(const PedDisk *disk, struct view *v)
{
	bool gpt = strcmp(disk->type->name, "gpt") == 0;
	const PedPartition *p = NULL;

	free(v->kind);
	v->kind = xstrdup(strcmp(disk->type->name, "msdos") == 0 ? "dos" : disk->type->name);
	while ((p = ped_disk_next_partition(disk, p)))
		if (p->num > 0 && v->n < PARTS_MAX)
			add_part(p, gpt, (u64)disk->dev->sector_size, v);
}

static void read_copy(const struct shadow *s, u32 sector_size, struct view *v)
{
	PedDevice *dev = ped_device_get(shadow_path(s));
	PedDisk *disk;

	if (!dev)
		return;
	/* For a file it takes 512. */
	dev->length = dev->length * dev->sector_size / sector_size;
	dev->sector_size = dev->phys_sector_size = sector_size;
	disk = ped_disk_new(dev);
	if (disk) {
		read_disk(disk, v);
		ped_disk_destroy(disk);
	}
	ped_device_destroy(dev);
}

int second_read(struct device *d, struct view *ret, struct err *e)
{
	AUTO_SHADOW struct shadow *s = NULL;
	PedExceptionHandler *before;
	struct view v;
	int r;

	if (d->size < 2 * d->sector_size)
		return fail(e, -EINVAL, "%s: is too small for a partition table", d->name);
	r = shadow_new(d, 0, d->size, &s, e);
	if (r == 0)
		r = copy_table(d, s, e);
	if (r < 0)
		return r;
	v = (struct view){ .kind = xstrdup(""), .id = xstrdup("") };
	listener = &v;
	before = ped_exception_get_handler();
	ped_exception_set_handler(answer);
	read_copy(s, d->sector_size, &v);
	ped_exception_set_handler(before);
	listener = NULL;
	*ret = v;
	return 0;
}
