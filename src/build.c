/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/build.h"

#include "bootinst/extlinux.h"

/* The loader's map of its own sectors counts from the start of the partition, in 512 bytes. */
static int patch_loader(struct plan *p, struct host *host, const struct part *part, struct err *e)
{
	const struct volume_file *sys = volume_find(&p->boot_files, STICK_DIR "/ldlinux.sys");

	return syslinux_patch(&host->syslinux, (sys->device_off - part->start) / 512, STICK_DIR, e);
}

static int lay_out_esp(struct plan *p, struct build *b, struct err *e)
{
	const struct part *part = layout_part(&p->layout, PART_ESP);
	struct fat32_options o = { .label = "ESP", .sector_size = p->layout.sector_size, .time = p->time };
	int r;

	if (!part)
		return 0;
	o.start = part->start;
	o.size = part->size;
	o.serial = p->esp_serial;
	r = fat32_plan(&o, &p->esp_files, &b->esp, e);
	if (r < 0)
		return fail(e, r, "EFI system partition");
	fat32_emit(b->esp, b->pass, b->commit);
	return 0;
}

static int lay_out_boot_fat(struct plan *p, struct host *host, struct build *b, struct err *e)
{
	const struct part *part = layout_part(&p->layout, PART_BOOT);
	struct fat32_options o = {
		.start = part->start,
		.size = part->size,
		.sector_size = p->layout.sector_size,
		.serial = p->boot_serial,
		.time = p->time,
	};
	int r;

	memcpy(o.label, p->boot_label, strlen(p->boot_label));
	r = fat32_plan(&o, &p->boot_files, &b->boot_fat, e);
	if (r < 0)
		return r;
	if (p->bios) {
		r = patch_loader(p, host, part, e);
		if (r < 0)
			return r;
		fat32_set_boot_code(b->boot_fat, host->syslinux.boot_sector);
	}
	fat32_emit(b->boot_fat, b->pass, b->commit);
	return 0;
}

static int lay_out_boot_ext4(struct plan *p, struct host *host, struct build *b, struct err *e)
{
	const struct part *part = layout_part(&p->layout, PART_BOOT);
	struct ext4_options o = { .start = part->start, .size = part->size, .time = p->time, .for_loader = true };
	u8 boot_sectors[EXT4_BOOT_SIZE];
	int r;

	memcpy(o.label, p->boot_label, sizeof(o.label));
	memcpy(o.uuid, p->boot_uuid, sizeof(o.uuid));
	memcpy(o.hash_seed, p->boot_hash_seed, sizeof(o.hash_seed));
	r = ext4_plan(&o, &p->boot_files, &b->boot_ext4, e);
	if (r == 0 && p->bios) {
		r = patch_loader(p, host, part, e);
		if (r == 0)
			r = extlinux_boot_sector(&host->syslinux, part->start, part->size, boot_sectors, e);
		if (r == 0)
			ext4_set_boot_sectors(b->boot_ext4, boot_sectors);
	}
	if (r < 0)
		return fail(e, r, "boot partition");
	ext4_emit(b->boot_ext4, b->pass);
	return 0;
}

static int lay_out_data(struct plan *p, struct build *b, struct err *e)
{
	const struct part *part = layout_part(&p->layout, PART_DATA);
	struct ext4_options o = { .time = p->time };
	int r;

	if (!part)
		return 0;
	o.start = part->start;
	o.size = part->size;
	memcpy(o.label, p->data_label, sizeof(o.label));
	memcpy(o.uuid, p->data_uuid, sizeof(o.uuid));
	memcpy(o.hash_seed, p->data_hash_seed, sizeof(o.hash_seed));
	r = ext4_plan(&o, &p->data_files, &b->data, e);
	if (r < 0)
		return fail(e, r, "persistence partition");
	ext4_emit(b->data, b->pass);
	return 0;
}

static int lay_out_table(struct plan *p, struct host *host, struct build *b, struct err *e)
{
	static const u8 no_code[BOOT_CODE_SIZE];

	return table_emit(&p->layout, &p->ids, p->data_label, p->bios ? host->mbr_code : no_code, b->pass, b->commit,
	                  b->seal, e);
}

int build_make(struct plan *p, struct host *host, struct build *ret, struct err *e)
{
	struct build b = { .pass = writelist_new(), .commit = writelist_new(), .seal = writelist_new() };
	int r = lay_out_esp(p, &b, e);

	if (r == 0)
		r = p->boot_is_ext4 ? lay_out_boot_ext4(p, host, &b, e) : lay_out_boot_fat(p, host, &b, e);
	if (r == 0)
		r = lay_out_data(p, &b, e);
	if (r == 0)
		r = lay_out_table(p, host, &b, e);
	if (r == 0)
		r = writelist_finish(b.pass, e);
	if (r == 0)
		r = writelist_finish(b.commit, e);
	if (r == 0)
		r = writelist_finish(b.seal, e);
	if (r < 0) {
		build_free(&b);
		return r;
	}
	*ret = b;
	return 0;
}

void build_free(struct build *b)
{
	writelist_free(b->pass);
	writelist_free(b->commit);
	writelist_free(b->seal);
	fat32_free(b->esp);
	fat32_free(b->boot_fat);
	ext4_free(b->boot_ext4);
	ext4_free(b->data);
	*b = (struct build){ 0 };
}
