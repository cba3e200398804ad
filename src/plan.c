/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "bootinst/syslinux_map.h"
#include "src/fs/ext4.h"
#include "src/fs/fat32.h"
#include "src/plan_parts.h"

/* Room on BOOT beside the systems, for the user's own files and for what later versions add. */
#define BOOT_SPARE (32 * MIB)
/* For loaders that become larger. */
#define ESP_SPARE (16 * MIB)

#define EXT4_BLOCK_SIZE 4096

/* Less than this is no persistence worth the name. */
#define DATA_MIN (64 * MIB)

/* FAT32 counts a file's bytes in 32 bits. */
#define FAT32_FILE_MAX UINT32_MAX

static void make_ids(struct plan *p, const struct plan_options *o)
{
	const struct seed *s = &o->seed;
	char data_uuid[UUID_TEXT_SIZE];

	p->time = o->time;
	p->ids.disk_id = id_u32(s, "disk");
	id_uuid(s, "disk", p->ids.disk_uuid);
	id_uuid(s, "esp partition", p->ids.part_uuid[PART_ESP]);
	id_uuid(s, "boot partition", p->ids.part_uuid[PART_BOOT]);
	id_uuid(s, "data partition", p->ids.part_uuid[PART_DATA]);
	p->boot_serial = id_u32(s, "boot");
	p->esp_serial = id_u32(s, "esp");
	id_uuid(s, "boot", p->boot_uuid);
	id_uuid(s, "boot hash", p->boot_hash_seed);
	id_uuid(s, "data", p->data_uuid);
	id_uuid(s, "data hash", p->data_hash_seed);
	uuid_text(p->data_uuid, data_uuid);
	if (p->boot_is_ext4)
		uuid_text(p->boot_uuid, p->medium.boot_uuid);
	else
		snprintf(p->medium.boot_uuid, sizeof(p->medium.boot_uuid), "%04X-%04X", p->boot_serial >> 16,
		         p->boot_serial & 0xffff);
	snprintf(p->medium.data_uuid, sizeof(p->medium.data_uuid), "%s", data_uuid);
}

/* The ISO's own name as far as the file system allows: 11 characters of A-Z 0-9 _ -, or 16 as they are. */
static void make_boot_label(struct plan *p)
{
	const char *from = p->facts->source->volume_id;
	size_t n = 0, max = p->boot_is_ext4 ? 16 : 11;

	for (; *from && n < max; from++) {
		unsigned char c = (unsigned char)*from;

		if (!isalnum(c) || c >= 0x80)
			c = p->boot_is_ext4 && c > ' ' && c < 0x7f ? c : '_';
		p->boot_label[n++] = p->boot_is_ext4 ? (char)c : (char)toupper(c);
	}
	if (n == 0)
		snprintf(p->boot_label, sizeof(p->boot_label), "LIVESTICK");
}

/*
 * Some initrds take every volume with the label they look for, on whatever disk: where the family allows it, a label
 * of the stick's own keeps two sticks in one machine apart.
 */
static int make_data_label(struct plan *p, const struct plan_options *o, struct err *e)
{
	const char *label = o->data_label;

	if (!label && p->facts->family->data_label) {
		snprintf(p->data_label, sizeof(p->data_label), "%s", p->facts->family->data_label);
	} else if (!label) {
		snprintf(p->data_label, sizeof(p->data_label), "persist-%08x", p->ids.disk_id);
	} else {
		if (!*label || strlen(label) >= sizeof(p->data_label) ||
		    strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") != strlen(label))
			return fail_as(e, EXIT_USAGE, -EINVAL,
			               "--persist-label %s: a label has 1 to 16 characters of A-Z a-z 0-9 _ . -",
			               label);
		snprintf(p->data_label, sizeof(p->data_label), "%s", label);
	}
	p->medium.label = p->data_label;
	p->medium.boot_label = p->boot_label;
	p->medium.slot = p->slot_dir;
	p->medium.time = p->time;
	return 0;
}

static int check_append(const char *append, struct err *e)
{
	for (const char *c = append; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return fail_as(e, EXIT_USAGE, -EINVAL, "--append: has a control character in it");
	return 0;
}

struct volume_file *plan_add_listed(struct volume_files *v, struct manifest *m, const char *path, u64 size,
                                    struct input in, i64 mtime)
{
	struct volume_file *f = volume_add(v, path, size, in, mtime);

	f->hash = manifest_add_file(m, f->path, size);
	return f;
}

char *plan_slot_file(const struct plan *p, const char *fmt, ...)
{
	struct buf path = { 0 };
	char *end = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&end, fmt, ap) < 0)
		abort();
	va_end(ap);
	buf_addf(&path, STICK_DIR "/%c%s", p->slot, end);
	free(end);
	return path.s;
}

/* A file of the slot: listed in its manifest. */
static void add_slot_file(struct plan *p, const char *end, const void *data, size_t len)
{
	AUTO_FREE char *path = plan_slot_file(p, "%s", end);

	plan_add_listed(&p->boot_files, &p->slot_manifest, path, len, input_memory(data), p->time);
}

void plan_add_system(struct plan *p)
{
	plan_add_copies(p);
	for (size_t i = 0; i < p->facts->own.n_kernels; i++) {
		const struct own_initrd *rd = &p->facts->own.kernel[i].initrd;
		AUTO_BUF struct buf end = { 0 };

		buf_addf(&end, "%zu.initrd", i + 1);
		if (rd->data)
			add_slot_file(p, end.s, rd->data, rd->len);
	}
	if (p->over.data.len)
		add_slot_file(p, ".cpio", p->over.data.s, p->over.data.len);
	if (p->bios)
		add_slot_file(p, ".cfg", p->slot_cfg.s, p->slot_cfg.len);
	if (p->uefi)
		add_slot_file(p, ".grub", p->slot_grub.s, p->slot_grub.len);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What `inspect`, `verify` and `upgrade` need to know later: of the slot, its system; of the stick, its layout and
 * settings. */
void plan_set_slot_manifest(struct plan *p)
{
	const struct source *s = p->facts->source;
	struct manifest *slot = &p->slot_manifest;

	manifest_set(slot, "family", p->facts->family->name);
	manifest_set(slot, "source", base_name(s->path));
	manifest_setf(slot, "source-size", "%llu", (unsigned long long)s->size);
	manifest_set(slot, "volume", s->volume_id);
	manifest_set(slot, "volume-created", s->created);
	for (size_t i = 0; i < p->menu.n; i++)
		if (p->menu.entry[i].is_default)
			manifest_set(slot, "default-entry", p->menu.entry[i].id);
	manifest_setf(slot, "written", "%lld", (long long)p->time);
	manifest_set(slot, "program", "livestick " LIVESTICK_VERSION);
}

/* Which code starts the stick: it lies outside of all files. */
static void set_boot_code(struct plan *p, const struct host *host)
{
	static const u8 no_code[MBR_CODE_SIZE];
	const struct syslinux *s = &host->syslinux;
	AUTO_ERR struct err ignored = { 0 };
	char hex[SHA256_HEX_SIZE];
	u8 digest[SHA256_SIZE];

	sha256_of(p->bios ? host->mbr_code : no_code, MBR_CODE_SIZE, digest);
	sha256_hex(digest, hex);
	manifest_set(&p->stick_manifest, "boot-code", hex);
	if (!p->bios || syslinux_boot_digest(s->sys.data, s->sys.len, s->boot_sector, digest, &ignored) < 0)
		return;
	sha256_hex(digest, hex);
	manifest_set(&p->stick_manifest, "boot-sector-code", hex);
}

static void set_stick_manifest(struct plan *p, const struct host *host, const struct plan_options *o)
{
	struct manifest *stick = &p->stick_manifest;

	manifest_setf(stick, "disk-id", "%08x", p->ids.disk_id);
	manifest_set(stick, "boot-fs", p->boot_is_ext4 ? "ext4" : "fat32");
	manifest_set(stick, "boot-uuid", p->medium.boot_uuid);
	manifest_set(stick, "data-uuid", p->has_data ? p->medium.data_uuid : "none");
	manifest_set(stick, "data-label", p->has_data ? p->data_label : "none");
	manifest_set(stick, "append", o->append ? o->append : "");
	set_boot_code(p, host);
	manifest_setf(stick, "created", "%lld", (long long)p->time);
	manifest_set(stick, "program", "livestick " LIVESTICK_VERSION);
}

/* The system's own, so that it goes with it when another comes. */
static void add_answers(struct plan *p, const struct answers *a)
{
	AUTO_BUF struct buf path = { 0 };

	buf_addf(&path, STICK_DIR "/%s", p->facts->family->answers_file);
	plan_add_listed(&p->boot_files, &p->slot_manifest, path.s, a->text.len, input_memory(a->text.data), p->time);
}

/* Last on BOOT, for they hold the digests of all before them; the longer-lived one first. */
static void add_manifests(struct plan *p)
{
	AUTO_FREE char *manifest = plan_slot_file(p, ".manifest");

	if (p->boot_is_ext4)
		volume_add(&p->esp_files, STICK_DIR "/esp.manifest", manifest_size(&p->esp_manifest),
		           manifest_input(&p->esp_manifest), p->time);
	volume_add(&p->boot_files, STICK_DIR "/stick.manifest", manifest_size(&p->stick_manifest),
	           manifest_input(&p->stick_manifest), p->time);
	volume_add(&p->boot_files, manifest, manifest_size(&p->slot_manifest), manifest_input(&p->slot_manifest),
	           p->time);
}

u64 plan_data_room(u64 size)
{
	return size - size / 32 - MIN(size / 2, DATA_MIN);
}

/* What the family wants there; how much there is room for is known when the partitions are. */
static void add_data_files(struct plan *p)
{
	const struct family *f = p->facts->family;

	if (!layout_part(&p->layout, PART_DATA))
		return;
	for (size_t i = 0; i < f->n_data; i++) {
		const struct family_data *d = &f->data[i];
		struct volume_file *file;

		if (d->text)
			file = volume_add(&p->data_files, d->path, strlen(d->text), input_memory(d->text), p->time);
		else
			file = volume_add_dir(&p->data_files, d->path, d->mode, p->time);
		file->mode = d->mode;
		file->selinux = d->selinux;
	}
	if (f->add_data)
		f->add_data(&p->facts->family_facts, &p->medium, &p->data_files);
	for (size_t i = 0; i < p->data_files.n; i++)
		if (!p->data_files.file[i].mtime)
			p->data_files.file[i].mtime = p->time;
	if (p->data_manifest.n_files)
		volume_add(&p->data_files, STICK_DIR "/data.manifest", manifest_size(&p->data_manifest),
		           manifest_input(&p->data_manifest), p->time);
}

/* What BOOT must have for one system, and for two. */
static void boot_sizes(const struct plan *p, u64 second, u32 sector_size, u64 ret_size[2])
{
	const u64 extra[2] = { BOOT_SPARE, BOOT_SPARE + second };

	if (!p->boot_is_ext4)
		fat32_sizes_for(&p->boot_files, extra, 2, sector_size, ret_size);
	for (size_t i = 0; p->boot_is_ext4 && i < 2; i++)
		ret_size[i] = ext4_size_for(&p->boot_files, extra[i], true);
}

/* A file of a few bytes takes a block of ext4, too. What it takes on FAT32 is counted with large clusters. */
static u64 system_bytes(const struct plan *p)
{
	u64 bytes = 0;

	for (size_t i = 0; p->boot_is_ext4 && i < p->n_copy; i++)
		bytes +=
		    p->copy[i].same_as ? 0 : MAX(align_up(p->copy[i].node->size, EXT4_BLOCK_SIZE), EXT4_BLOCK_SIZE);
	return MAX(bytes, p->copy_bytes - p->same_bytes);
}

static struct layout_request layout_wanted(const struct plan *p, u32 sector_size)
{
	const struct plan_options *o = &p->options;
	/* A later system is taken to be at most a quarter larger. */
	u64 system = system_bytes(p), second = system + system / 4 + BOOT_SPARE, boot[2];

	boot_sizes(p, second, sector_size, boot);
	return (struct layout_request){
		.table = o->table,
		.sector_size = sector_size,
		.esp = p->boot_is_ext4 ? fat32_size_for(&p->esp_files, ESP_SPARE, sector_size) : 0,
		.boot_one = boot[0],
		.boot_two = boot[1],
		.boot_max = p->boot_is_ext4 ? EXT4_MAX_SIZE : 0,
		.slots = p->facts->family->takes_slot ? o->slots : 1,
		.data = p->has_data,
		.data_min = p->data_files.n ? ext4_size_for(&p->data_files, DATA_MIN, false) : DATA_MIN,
		.data_size = o->data_size,
	};
}

static int too_large_for_fat(void *ctx, const struct node *n)
{
	const struct node **large = ctx;

	if (n->type == NODE_FILE && n->size > FAT32_FILE_MAX)
		*large = n;
	return *large != NULL;
}

static bool own_without_vfat(const struct own_system *own)
{
	for (size_t i = 0; i < own->n_kernels; i++)
		if (own->kernel[i].initrd.data && !own->kernel[i].initrd.has_vfat)
			return true;
	return false;
}

int plan_check_fat(const struct facts *facts, struct err *e)
{
	const struct node *large = NULL;
	AUTO_FREE char *path = NULL;

	source_each(facts->source, too_large_for_fat, &large);
	if (own_without_vfat(&facts->own))
		return fail_source(e, -ENOTSUP, "its kernel has no vfat and cannot read a boot partition with FAT32");
	if (!large)
		return 0;
	path = node_path(large);
	return fail_source(e, -EFBIG, "%s: has %llu bytes, and a file on FAT32 ends below 4 GiB", path,
	                   (unsigned long long)large->size);
}

/* What FAT32 cannot hold decides for ext4, unless the user has decided. */
static int choose_boot_fs(struct plan *p, const struct plan_options *o, struct err *e)
{
	int r;

	p->boot_is_ext4 = o->boot_fs == BOOT_FS_EXT4;
	r = p->boot_is_ext4 ? 0 : plan_check_fat(p->facts, e);
	if (r < 0 && o->boot_fs == BOOT_FS_FAT32)
		return fail(e, r, "--boot-fs fat32 (without it, ext4 is taken)");
	p->boot_is_ext4 = p->boot_is_ext4 || r < 0;
	err_clear(e);
	return 0;
}

bool plan_can_link(const struct facts *facts, const struct plan_options *o)
{
	AUTO_ERR struct err ignored = { 0 };

	if (o->boot_fs == BOOT_FS_EXT4 || (facts->family->system_on_data && !o->no_data))
		return true;
	return o->boot_fs == BOOT_FS_AUTO && plan_check_fat(facts, &ignored) < 0;
}

/* A BIOS loader reads sectors of 512 bytes only. */
static int choose_firmware(struct plan *p, const struct host *host, u32 sector_size, struct err *e)
{
	p->efi = p->facts->efi.why_not ? &host->efi : &p->facts->efi;
	if (p->efi->from == EFI_NOWHERE)
		p->efi = NULL;
	p->uefi = p->efi != NULL;
	p->bios = sector_size == 512;
	if (p->bios || p->efi)
		return 0;
	return fail_refused(e, -ENOTSUP,
	                    "the target has sectors of %u bytes, which no BIOS loader boots from, and there is no UEFI "
	                    "loader: %s",
	                    sector_size, host->why_no_efi);
}

static void judge_secure_boot(struct plan *p)
{
	const struct efi_loader *l = p->efi ? efi_loader_for(p->efi, EFI_X64) : NULL;
	size_t n = p->facts->n_kernels;
	AUTO_FREE const struct efi_image **image = xcalloc(n + 1, sizeof(*image));
	AUTO_FREE const char **name = xcalloc(n + 1, sizeof(*name));
	struct secure_boot_chain chain = { .kernels = image, .kernel_names = name, .n_kernels = n };

	p->secure_boot = SECURE_BOOT_NO;
	if (!l)
		return;
	for (size_t i = 0; i < n; i++) {
		image[i] = p->facts->kernel[i].is_efi_program ? &p->facts->kernel[i].image : NULL;
		name[i] = p->facts->kernel[i].path;
	}
	chain.first = &l->first_image;
	chain.second = l->second == l->file ? NULL : &l->second_image;
	p->secure_boot = secure_boot_judge(&chain, &p->secure_boot_why);
}

/* What the layout and the files depend on. */
static int decide(struct plan *p, struct host *host, u32 sector_size, struct err *e)
{
	const struct plan_options *o = &p->options;
	int r = choose_firmware(p, host, sector_size, e);

	if (r == 0)
		r = choose_boot_fs(p, o, e);
	if (r < 0)
		return r;
	p->has_data = !o->no_data && (!p->facts->family->keeps_nothing || o->data_size);
	plan_choose_efi_files(p);
	plan_choose_files(p);
	make_ids(p, o);
	make_boot_label(p);
	if (!p->has_data)
		p->medium.data_uuid[0] = '\0';
	judge_secure_boot(p);
	r = make_data_label(p, o, e);
	return r == 0 ? check_append(o->append, e) : r;
}

/* The menu, and all files but those that the family wants on DATA. */
static int fill(struct plan *p, struct host *host, u64 room_on_data, struct err *e)
{
	const struct plan_options *o = &p->options;
	int r;

	p->medium.data_room = room_on_data;
	r = plan_make_menu(p, o, e);
	if (r < 0)
		return r;
	plan_write_menu_top(p);
	plan_set_slot_manifest(p);
	set_stick_manifest(p, host, o);
	plan_add_loaders(p, host);
	plan_add_system(p);
	if (o->answers)
		add_answers(p, o->answers);
	add_manifests(p);
	return 0;
}

static void unfill(struct plan *p)
{
	newc_free(&p->over);
	menu_free(&p->menu);
	buf_free(&p->top_cfg);
	buf_free(&p->slot_cfg);
	buf_free(&p->grub_top);
	buf_free(&p->slot_grub);
	buf_free(&p->grub_stub);
	buf_free(&p->warnings);
	volume_files_free(&p->esp_files);
	volume_files_free(&p->boot_files);
	volume_files_free(&p->data_files);
	manifest_free(&p->slot_manifest);
	manifest_free(&p->stick_manifest);
	manifest_free(&p->esp_manifest);
	manifest_free(&p->data_manifest);
}

/*
 * What an entry says may depend on how much room there is on DATA, which is known when BOOT has its size, which depends
 * on what the entries say. So they are first made for the largest DATA there can be: none becomes longer after that.
 */
int plan_begin(const struct facts *facts, struct host *host, u32 sector_size, const struct plan_options *o,
               struct plan **ret, struct err *e)
{
	struct plan *p = xcalloc(1, sizeof(*p));
	int r;

	p->facts = facts;
	p->options = *o;
	p->slot = 'a';
	p->slot_dir = "";
	r = decide(p, host, sector_size, e);
	if (r == 0)
		r = fill(p, host, p->has_data ? EXT4_MAX_SIZE : 0, e);
	if (r < 0) {
		plan_free(p);
		return r;
	}
	p->wanted = layout_wanted(p, sector_size);
	*ret = p;
	return 0;
}

u64 plan_smallest(const struct plan *p)
{
	return layout_smallest(&p->wanted);
}

/* Whether with so much room on DATA the entries say the same: then no file becomes another one. */
static int says_the_same(const struct plan *p, u64 room_on_data, bool *ret, struct err *e)
{
	struct plan other = { .facts = p->facts, .slot = p->slot, .slot_dir = p->slot_dir };
	int r;

	other.boot_is_ext4 = p->boot_is_ext4;
	other.has_data = p->has_data;
	other.efi = p->efi;
	other.bios = p->bios;
	other.uefi = p->uefi;
	other.time = p->time;
	other.medium = p->medium;
	other.medium.data_room = room_on_data;
	r = plan_make_menu(&other, &p->options, e);
	*ret = r == 0 && buf_same(&other.slot_cfg, &p->slot_cfg) && buf_same(&other.slot_grub, &p->slot_grub) &&
	       buf_same(&other.over.data, &p->over.data);
	unfill(&other);
	return r;
}

static int fill_again(struct plan *p, struct host *host, struct err *e)
{
	const struct part *data = layout_part(&p->layout, PART_DATA);
	u64 room = data ? plan_data_room(data->size) : 0;
	bool same = false;
	int r = says_the_same(p, room, &same, e);

	p->medium.data_room = room;
	if (r < 0 || same)
		return r;
	unfill(p);
	return fill(p, host, room, e);
}

int plan_finish(struct plan *p, struct host *host, u64 size, struct err *e)
{
	int r;

	if (p->options.slots == 2 && !p->facts->family->takes_slot)
		return fail(e, -ENOTSUP, "--slots 2: a %s system boots only from the root of its medium",
		            p->facts->family->name);
	p->wanted.device_size = size;
	r = layout_make(&p->wanted, &p->layout, e);
	if (r == 0)
		r = fill_again(p, host, e);
	if (r == 0)
		add_data_files(p);
	return r;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	unfill(p);
	buf_free(&p->secure_boot_why);
	for (size_t i = 0; i < p->n_efi_copy; i++)
		free(p->efi_copy[i].path);
	free(p->efi_copy);
	free(p->copy);
	pool_free(&p->pool);
	free(p->leave);
	free(p);
}
