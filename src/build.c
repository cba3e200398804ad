/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/build.h"

#include "src/fs/ext4.h"

static int lay_out_boot(struct plan *p, struct host *host, struct build *b, struct err *e)
{
	const struct part *part = layout_part(&p->layout, PART_BOOT);
	struct fat32_options o = {
		.start = part->start,
		.size = part->size,
		.sector_size = p->layout.sector_size,
		.serial = p->boot_serial,
		.time = p->time,
	};
	const struct volume_file *sys;
	int r;

	memcpy(o.label, p->boot_label, sizeof(o.label));
	r = fat32_plan(&o, &p->boot_files, &b->boot, e);
	if (r < 0)
		return r;
	sys = volume_find(&p->boot_files, STICK_DIR "/ldlinux.sys");
	r = syslinux_patch(&host->syslinux, (sys->device_off - part->start) / 512, STICK_DIR, e);
	if (r < 0)
		return r;
	fat32_set_boot_code(b->boot, host->syslinux.boot_sector);
	fat32_emit(b->boot, b->pass, b->commit);
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
	r = ext4_make(&o, &p->data_files, b->pass, e);
	return r < 0 ? fail(e, r, "persistence partition") : 0;
}

int build_make(struct plan *p, struct host *host, struct build *ret, struct err *e)
{
	struct build b = { .pass = writelist_new(), .commit = writelist_new(), .seal = writelist_new() };
	int r = lay_out_boot(p, host, &b, e);

	if (r == 0)
		r = lay_out_data(p, &b, e);
	if (r == 0)
		r = table_emit(&p->layout, &p->ids, p->data_label, host->mbr_code, b.pass, b.commit, b.seal, e);
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
	fat32_free(b->boot);
	writelist_free(b->pass);
	writelist_free(b->commit);
	writelist_free(b->seal);
	*b = (struct build){ 0 };
}
