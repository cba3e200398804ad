/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/second.h"

#include <dlfcn.h>
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

#define LIBRARY  "libparted.so.2"
#define NO_SHELL "PARTED_GPT_APPLE"

/* What is used of it. */
static struct {
	__typeof__(ped_device_get) *device_get;
	__typeof__(ped_device_destroy) *device_destroy;
	__typeof__(ped_disk_new) *disk_new;
	__typeof__(ped_disk_destroy) *disk_destroy;
	__typeof__(ped_disk_next_partition) *next_partition;
	__typeof__(ped_partition_get_name) *get_name;
	__typeof__(ped_partition_get_flag) *get_flag;
	__typeof__(ped_partition_is_flag_available) *is_flag_available;
	__typeof__(ped_exception_set_handler) *set_handler;
	__typeof__(ped_exception_get_handler) *get_handler;
} lib;

static const struct {
	const char *name;
	void **to;
} symbols[] = {
	{ "ped_device_get", (void **)&lib.device_get },
	{ "ped_device_destroy", (void **)&lib.device_destroy },
	{ "ped_disk_new", (void **)&lib.disk_new },
	{ "ped_disk_destroy", (void **)&lib.disk_destroy },
	{ "ped_disk_next_partition", (void **)&lib.next_partition },
	{ "ped_partition_get_name", (void **)&lib.get_name },
	{ "ped_partition_get_flag", (void **)&lib.get_flag },
	{ "ped_partition_is_flag_available", (void **)&lib.is_flag_available },
	{ "ped_exception_set_handler", (void **)&lib.set_handler },
	{ "ped_exception_get_handler", (void **)&lib.get_handler },
};

/* It stays loaded. The variable goes again, so that no program that is started later sees it. */
static int load_library(struct err *e)
{
	bool is_set = getenv(NO_SHELL) != NULL;
	void *handle;

	if (lib.get_handler)
		return 0;
	if (!is_set && setenv(NO_SHELL, "0", 0) < 0)
		return fail(e, -errno, LIBRARY ": %s", strerror(errno));
	handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!is_set)
		unsetenv(NO_SHELL);
	if (!handle)
		return fail(e, -ENOENT, LIBRARY " is not installed: apt-get install libparted2");
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		*symbols[i].to = dlsym(handle, symbols[i].name);
		if (!*symbols[i].to)
			return fail(e, -ENOENT, LIBRARY " has no %s", symbols[i].name);
	}
	return 0;
}

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
	return lib.is_flag_available(p, flag) && lib.get_flag(p, flag);
}

static void add_part(const PedPartition *p, bool gpt, u64 sector, struct view *v)
{
	struct view_part *to = view_add(v);
	const char *name = gpt ? lib.get_name(p) : NULL;

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
	while ((p = lib.next_partition(disk, p)))
		if (p->num > 0 && v->n < PARTS_MAX)
			add_part(p, gpt, (u64)disk->dev->sector_size, v);
}

static void read_copy(const struct shadow *s, u32 sector_size, struct view *v)
{
	char path[32];
	PedDevice *dev;
	PedDisk *disk;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shadow_fd(s));
	dev = lib.device_get(path);
	if (!dev)
		return;
	/* For a file it takes 512. */
	dev->length = dev->length * dev->sector_size / sector_size;
	dev->sector_size = dev->phys_sector_size = sector_size;
	disk = lib.disk_new(dev);
	if (disk) {
		read_disk(disk, v);
		lib.disk_destroy(disk);
	}
	lib.device_destroy(dev);
}

int second_read(struct device *d, struct view *ret, struct err *e)
{
	AUTO_SHADOW struct shadow *s = NULL;
	PedExceptionHandler *before;
	struct view v;
	int r;

	if (d->size < 2 * d->sector_size)
		return fail(e, -EINVAL, "%s: is too small for a partition table", d->name);
	r = load_library(e);
	if (r == 0)
		r = shadow_new(d, 0, d->size, &s, e);
	if (r == 0)
		r = copy_table(d, s, e);
	if (r < 0)
		return r;
	v = (struct view){ .kind = xstrdup(""), .id = xstrdup("") };
	listener = &v;
	before = lib.get_handler();
	lib.set_handler(answer);
	read_copy(s, d->sector_size, &v);
	lib.set_handler(before);
	listener = NULL;
	*ret = v;
	return 0;
}
