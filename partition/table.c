/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/table.h"

#include <errno.h>
#include <libfdisk/libfdisk.h>
#include <stdio.h>
#include <sys/mman.h>

#include "partition/scan.h"

#define UUID_TEXT 37 /* 36 characters and a NUL */

enum type { TYPE_FAT32, TYPE_ESP, TYPE_LINUX };

/* Each kind of partition in each kind of table. FAT32 that is BOOT is what UEFI boots from, too. */
static const struct {
	unsigned mbr;
	const char *gpt;
} types[] = {
	[TYPE_FAT32] = { 0x0c, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" },
	[TYPE_ESP] = { 0xef, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" },
	[TYPE_LINUX] = { 0x83, "0FC63DAF-8483-4772-8E79-3D69D8477DE4" },
};

static enum type type_of(const struct layout *l, enum part_role role)
{
	if (role == PART_ESP)
		return TYPE_ESP;
	return role == PART_BOOT && !layout_part(l, PART_ESP) ? TYPE_FAT32 : TYPE_LINUX;
}

struct composer {
	const struct layout *l;
	const struct table_ids *ids;
	const char *data_name;
	struct fdisk_context *cxt;
	int fd; /* memory of the device's size, with holes */
};

static void uuid_text(const u8 uuid[16], char ret[UUID_TEXT])
{
	static const u8 dash_before[16] = { [4] = 1, [6] = 1, [8] = 1, [10] = 1 };
	char *p = ret;

	for (size_t i = 0; i < 16; i++)
		p += snprintf(p, (size_t)(ret + UUID_TEXT - p), "%s%02x", dash_before[i] ? "-" : "", uuid[i]);
}

/* libfdisk wants to talk to a user: its remarks are of no use here, its questions have no answer. */
static int ask(struct fdisk_context *cxt, struct fdisk_ask *a, void *data)
{
	(void)cxt;
	(void)data;
	switch (fdisk_ask_get_type(a)) {
	case FDISK_ASKTYPE_INFO:
	case FDISK_ASKTYPE_WARN:
	case FDISK_ASKTYPE_WARNX:
		return 0;
	default:
		return -EINVAL;
	}
}

static int create_label(const struct composer *c)
{
	char id[UUID_TEXT];
	int r = fdisk_create_disklabel(c->cxt, c->l->table == TABLE_GPT ? "gpt" : "dos");

	if (r < 0)
		return r;
	if (c->l->table == TABLE_GPT)
		uuid_text(c->ids->disk_uuid, id);
	else
		snprintf(id, sizeof(id), "0x%08x", c->ids->disk_id);
	return fdisk_set_disklabel_id_from_string(c->cxt, id);
}

static int set_gpt_fields(const struct composer *c, size_t i, struct fdisk_partition *p)
{
	char uuid[UUID_TEXT];
	const char *const name[] = { [PART_ESP] = "ESP", [PART_BOOT] = "BOOT", [PART_DATA] = c->data_name };
	enum part_role role = c->l->part[i].role;
	int r;

	uuid_text(c->ids->part_uuid[role], uuid);
	r = fdisk_partition_set_uuid(p, uuid);
	return r < 0 ? r : fdisk_partition_set_name(p, name[role]);
}

static struct fdisk_parttype *part_type(const struct composer *c, enum part_role role)
{
	struct fdisk_label *label = fdisk_get_label(c->cxt, NULL);

	if (c->l->table == TABLE_GPT)
		return fdisk_label_get_parttype_from_string(label, types[type_of(c->l, role)].gpt);
	return fdisk_label_get_parttype_from_code(label, types[type_of(c->l, role)].mbr);
}

static int add_part(const struct composer *c, size_t i)
{
	const struct part *part = &c->l->part[i];
	struct fdisk_parttype *type = part_type(c, part->role);
	struct fdisk_partition *p = fdisk_new_partition();
	int r = -ENOMEM;

	if (!type || !p)
		goto out;
	fdisk_partition_set_partno(p, i);
	fdisk_partition_set_start(p, part->start / c->l->sector_size);
	fdisk_partition_set_size(p, part->size / c->l->sector_size);
	/* Without this libfdisk rounds the size as it likes. */
	fdisk_partition_size_explicit(p, 1);
	r = fdisk_partition_set_type(p, type);
	if (r == 0 && c->l->table == TABLE_GPT)
		r = set_gpt_fields(c, i, p);
	if (r == 0)
		r = fdisk_add_partition(c->cxt, p, NULL);
	if (r == 0 && part->role == PART_BOOT)
		r = fdisk_toggle_partition_flag(c->cxt, i,
		                                c->l->table == TABLE_GPT ? GPT_FLAG_LEGACYBOOT : DOS_FLAG_ACTIVE);
out:
	fdisk_unref_partition(p);
	fdisk_unref_parttype(type);
	return r;
}

static int compose_assigned(const struct composer *c)
{
	int r = create_label(c);

	for (size_t i = 0; r == 0 && i < c->l->n_parts; i++)
		r = add_part(c, i);
	return r == 0 ? fdisk_write_disklabel(c->cxt) : r;
}

/* Lets libfdisk write the table into c->fd. */
static int compose(struct composer *c)
{
	int r;

	c->cxt = fdisk_new_context();
	if (!c->cxt)
		return -ENOMEM;
	fdisk_set_ask(c->cxt, ask, NULL);
	r = fdisk_save_user_sector_size(c->cxt, c->l->sector_size, c->l->sector_size);
	if (r == 0)
		r = fdisk_assign_device_by_fd(c->cxt, c->fd, "table", 0);
	if (r == 0) {
		r = compose_assigned(c);
		/* The second argument prevents a sync() of the whole machine. */
		fdisk_deassign_device(c->cxt, 1);
	}
	fdisk_unref_context(c->cxt);
	return r;
}

static bool part_agrees(const struct composer *c, size_t i, const struct scan_part *s)
{
	const struct part *part = &c->l->part[i];
	char type[UUID_TEXT], uuid[UUID_TEXT];

	if (s->number != i + 1 || s->start != part->start || s->size != part->size ||
	    s->active != (part->role == PART_BOOT))
		return false;
	if (c->l->table == TABLE_GPT) {
		uuid_text(c->ids->part_uuid[part->role], uuid);
		return strcasecmp(s->type, types[type_of(c->l, part->role)].gpt) == 0 && strcmp(s->uuid, uuid) == 0;
	}
	snprintf(type, sizeof(type), "0x%02x", types[type_of(c->l, part->role)].mbr);
	return strcmp(s->type, type) == 0;
}

/* A second opinion on what libfdisk wrote, by libblkid. */
static int check(const struct composer *c, struct err *e)
{
	char name[] = "the new partition table";
	struct device d = { .name = name, .size = c->l->device_size, .sector_size = c->l->sector_size, .fd = c->fd };
	struct scan s = { 0 };
	bool ok;
	int r = scan_device(&d, &s, e);

	if (r < 0)
		return r;
	ok = strcmp(s.table, c->l->table == TABLE_GPT ? "gpt" : "dos") == 0 && s.n_parts == c->l->n_parts;
	for (size_t i = 0; ok && i < s.n_parts; i++)
		ok = part_agrees(c, i, &s.part[i]);
	scan_free(&s);
	return ok ? 0 : fail(e, -EIO, "libfdisk did not write the partition table that was asked for");
}

static int read_back(int fd, u64 off, u64 len, u8 **ret, struct err *e)
{
	AUTO_FREE u8 *mem = xcalloc(1, len);

	for (u64 done = 0; done < len;) {
		ssize_t n = pread(fd, mem + done, len - done, (off_t)(off + done));

		if (n <= 0)
			return fail(e, -EIO, "partition table: cannot be read back");
		done += (u64)n;
	}
	*ret = TAKE(mem);
	return 0;
}

/* Cuts the composed device into the lists; table.h says what lies where. */
static int emit(const struct composer *c, const u8 boot_code[BOOT_CODE_SIZE], struct writelist *pass,
                struct writelist *commit, struct writelist *seal, struct err *e)
{
	const u64 sector = c->l->sector_size, end = align_down(c->l->device_size, sector), entries = 128 * 128;
	const u64 copy = c->l->table == TABLE_GPT ? sector + entries : 0; /* a header and its entries */
	AUTO_FREE u8 *first = NULL, *head = NULL, *tail = NULL;
	int r = read_back(c->fd, 0, sector, &first, e);

	if (r == 0 && copy)
		r = read_back(c->fd, sector, copy, &head, e);
	if (r == 0 && copy)
		r = read_back(c->fd, end - copy, copy, &tail, e);
	if (r < 0)
		return r;
	memcpy(first, boot_code, BOOT_CODE_SIZE);
	writelist_take_memory(seal, 0, TAKE(first), sector);
	if (copy) {
		writelist_take_memory(commit, sector, TAKE(head), copy);
		writelist_take_memory(commit, end - copy, TAKE(tail), copy);
	}
	writelist_add_zero(pass, sector + copy, LAYOUT_HEAD - sector - copy);
	writelist_add_zero(pass, end - LAYOUT_TAIL, LAYOUT_TAIL - copy);
	return 0;
}

int table_emit(const struct layout *l, const struct table_ids *ids, const char *data_name,
               const u8 boot_code[BOOT_CODE_SIZE], struct writelist *pass, struct writelist *commit,
               struct writelist *seal, struct err *e)
{
	AUTO_CLOSE int fd = memfd_create("table", MFD_CLOEXEC);
	struct composer c = { .l = l, .ids = ids, .data_name = data_name, .fd = fd };
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)l->device_size) < 0)
		return fail(e, -errno, "partition table: memory of the target's size: %s", strerror(errno));
	r = compose(&c);
	if (r < 0)
		return fail(e, r, "partition table: libfdisk: %s", strerror(-r));
	r = check(&c, e);
	return r < 0 ? r : emit(&c, boot_code, pass, commit, seal, e);
}
