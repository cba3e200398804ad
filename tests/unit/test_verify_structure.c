/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sticks as `create` makes them, with one byte changed in each kind of place: the check that is about the place says
 * so, and no check that is about something else.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>

#include "src/fs/reader.h"
#include "src/job_create.h"
#include "src/verify_structure.h"

#define STICK_SIZE (600 * MIB)

static char iso[4096];
static char dir[] = "/var/tmp/livestick-verify.XXXXXX";

enum variant { MBR_FAT, MBR_EXT, GPT_FAT, GPT_EXT, N_VARIANTS };

static const struct {
	const char *name;
	enum table_type table;
	enum boot_fs fs;
} variants[N_VARIANTS] = {
	[MBR_FAT] = { "mbr-fat32", TABLE_MBR, BOOT_FS_FAT32 },
	[MBR_EXT] = { "mbr-ext4", TABLE_MBR, BOOT_FS_EXT4 },
	[GPT_FAT] = { "gpt-fat32", TABLE_GPT, BOOT_FS_FAT32 },
	[GPT_EXT] = { "gpt-ext4", TABLE_GPT, BOOT_FS_EXT4 },
};

/* ---- sticks */

static char path[N_VARIANTS][128];
static struct {
	u64 start, size;
} part[N_VARIANTS][N_PART_ROLES];

static void make_stick(enum variant v)
{
	struct create_request q = { .source = iso, .target = path[v], .make_size = STICK_SIZE };
	struct create_source from = { 0 };
	struct create_job j = { 0 };
	AUTO_ERR struct err e = { 0 };

	snprintf(path[v], sizeof(path[v]), "%s/%s.img", dir, variants[v].name);
	q.plan.table = variants[v].table;
	q.plan.boot_fs = variants[v].fs;
	q.plan.time = 1700000000;
	seed_from_text("verify", &q.plan.seed);
	if (CHECK_OK(create_source_read(&q, &from, &e), &e) && CHECK_OK(create_job_prepare(&q, &from, &j, &e), &e) &&
	    CHECK_OK(create_jobs_run(&j, 1, &e), &e))
		for (size_t i = 0; i < j.plan->layout.n_parts; i++) {
			const struct part *p = &j.plan->layout.part[i];

			part[v][p->role].start = p->start;
			part[v][p->role].size = p->size;
		}
	create_job_free(&j);
	create_source_free(&from);
}

static const char *stick(enum variant v)
{
	if (!*path[v])
		make_stick(v);
	return path[v];
}

static void look_at(const char *image, struct checks *c)
{
	AUTO_DEVICE struct device *d = NULL;
	AUTO_ERR struct err e = { 0 };
	struct stick s = { 0 };

	if (CHECK_OK(device_open(image, false, &d, &e), &e) && CHECK_OK(stick_read(d, &s, &e), &e))
		CHECK_OK(verify_structure(d, &s, c, &e), &e);
	stick_free(&s);
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *w = words; *w; w += strcspn(w, " "), w += strspn(w, " "))
		if (strcspn(w, " ") == len && memcmp(w, word, len) == 0)
			return true;
	return false;
}

static const struct check *find_bad(const struct checks *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->check[i].result == CHECK_BAD && strcmp(c->check[i].id, id) == 0)
			return &c->check[i];
	return NULL;
}

/* All of `must` are bad, and nothing else but what is in `may`; "*": whatever follows from it. */
static void judge(const struct checks *c, const char *what, const char *must, const char *may)
{
	for (const char *w = must; *w; w += strcspn(w, " "), w += strspn(w, " ")) {
		AUTO_FREE char *id = xstrndup(w, strcspn(w, " "));

		if (!find_bad(c, id))
			test_fail(__FILE__, __LINE__, "%s: %s is not bad", what, id);
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->check[i].result == CHECK_BAD && strcmp(may, "*") != 0 && !has_word(must, c->check[i].id) &&
		    !has_word(may, c->check[i].id))
			test_fail(__FILE__, __LINE__, "%s: %s is bad, too: %s", what, c->check[i].id,
			          c->check[i].detail);
}

TEST(healthy_sticks_have_nothing_bad_and_nothing_unknown)
{
	for (enum variant v = 0; v < N_VARIANTS; v++) {
		struct checks c = { 0 };

		look_at(stick(v), &c);
		for (size_t i = 0; i < c.n; i++)
			if (c.check[i].result != CHECK_OK)
				test_fail(__FILE__, __LINE__, "%s: %s: %s", variants[v].name, c.check[i].id,
				          c.check[i].detail);
		CHECK(c.n >= 28);
		checks_free(&c);
	}
}

/* ---- one byte */

/* A byte of the device, a partition, or a file in one: `off` behind the first `text`. From the end: DEVICE_END. */
enum base { DEVICE, DEVICE_END, ESP, BOOT, DATA };

struct spoiling {
	const char *what;
	enum variant v;
	enum base base;
	const char *file, *text;
	i64 off;
	u8 with; /* XOR */
	const char *must, *may;
};

static u64 find_in_file(enum variant v, enum part_role role, const struct spoiling *s)
{
	AUTO_DEVICE struct device *d = NULL, *window = NULL;
	AUTO_READER struct reader *r = NULL;
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err e = { 0 };
	size_t len = 0;
	const u8 *found;
	u8 *all;
	u64 at = 0;

	if (!CHECK_OK(device_open(stick(v), false, &d, &e), &e))
		return 0;
	window = device_new_window(d, "partition", part[v][role].start, part[v][role].size);
	if (!CHECK_OK(reader_open(window, &r, &e), &e) ||
	    !CHECK_OK(reader_load(r, s->file, 16 * MIB, &text, &len, &e), &e))
		return 0;
	found = s->text ? memmem(text, len, s->text, strlen(s->text)) : (const u8 *)text;
	CHECK(found != NULL);
	/* Files of a new stick lie in one stretch, at a whole KiB: their first bytes are found on the device. */
	all = xcalloc(1, part[v][role].size);
	CHECK_OK(device_read(window, 0, all, part[v][role].size, &e), &e);
	for (u64 i = 0; i + len <= part[v][role].size && !at; i += KIB)
		if (memcmp(all + i, text, len) == 0)
			at = i;
	CHECK(at != 0);
	free(all);
	return part[v][role].start + at + (found ? (u64)(found - (const u8 *)text) : 0) + (u64)s->off;
}

static u64 find_byte(const struct spoiling *s)
{
	const enum part_role role = s->base == ESP ? PART_ESP : s->base == DATA ? PART_DATA : PART_BOOT;

	stick(s->v);
	if (s->file)
		return find_in_file(s->v, role, s);
	if (s->base == DEVICE)
		return (u64)s->off;
	return s->base == DEVICE_END ? STICK_SIZE + (u64)s->off : part[s->v][role].start + (u64)s->off;
}

static void flip(const char *image, u64 at, u8 with)
{
	AUTO_CLOSE int fd = open(image, O_RDWR | O_CLOEXEC);
	u8 byte;

	CHECK(pread(fd, &byte, 1, (off_t)at) == 1);
	byte ^= with;
	CHECK(pwrite(fd, &byte, 1, (off_t)at) == 1);
}

static void spoil(const struct spoiling *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct checks c = { 0 };
		u64 at = find_byte(&s[i]);

		flip(stick(s[i].v), at, s[i].with);
		look_at(stick(s[i].v), &c);
		flip(stick(s[i].v), at, s[i].with);
		judge(&c, s[i].what, s[i].must, s[i].may);
		checks_free(&c);
	}
}

/* Bytes of the MBR. */
#define ENTRY(n) (446 + 16 * ((n)-1))
#define TYPE     4
#define START    8
#define SIZE     12

TEST(a_byte_of_the_boot_code_or_the_mbr_is_named)
{
	static const struct spoiling rows[] = {
		{ "boot code", MBR_FAT, DEVICE, NULL, NULL, 100, 0x01, "boot-code", "" },
		{ "boot code, GPT", GPT_FAT, DEVICE, NULL, NULL, 20, 0x80, "boot-code", "" },
		{ "disk id", MBR_FAT, DEVICE, NULL, NULL, 441, 0x10, "table-layout", "" },
		{ "active flag", MBR_FAT, DEVICE, NULL, NULL, ENTRY(1), 0x80, "boot-flag", "" },
		{ "a second active flag", MBR_FAT, DEVICE, NULL, NULL, ENTRY(2), 0x80, "boot-flag", "" },
		{ "type of BOOT", MBR_FAT, DEVICE, NULL, NULL, ENTRY(1) + TYPE, 0x07, "boot-flag", "" },
		{ "type of the ESP", MBR_EXT, DEVICE, NULL, NULL, ENTRY(1) + TYPE, 0x6c, "boot-flag", "" },
		{ "type of DATA", MBR_FAT, DEVICE, NULL, NULL, ENTRY(2) + TYPE, 0x01, "table-layout", "" },
		{ "size of BOOT", MBR_FAT, DEVICE, NULL, NULL, ENTRY(1) + SIZE, 0x08, "table-layout",
		  "table table-second" },
		{ "size of BOOT, too small", MBR_FAT, DEVICE, NULL, NULL, ENTRY(1) + SIZE + 1, 0x08, "boot-sector",
		  "fs-read fs-check" },
		{ "start of DATA", MBR_FAT, DEVICE, NULL, NULL, ENTRY(2) + START, 0x08, "table-layout data", "*" },
		{ "size of DATA", MBR_FAT, DEVICE, NULL, NULL, ENTRY(2) + SIZE + 2, 0x40, "table-layout", "*" },
	};

	spoil(rows, ARRAY_SIZE(rows));
}

TEST(a_byte_of_the_gpt_is_named)
{
	static const struct spoiling rows[] = {
		{ "header", GPT_FAT, DEVICE, NULL, NULL, 512 + 56, 0x01, "gpt-header", "table table-second" },
		{ "header's signature", GPT_EXT, DEVICE, NULL, NULL, 512, 0x01, "gpt-header", "table table-second" },
		{ "entry", GPT_FAT, DEVICE, NULL, NULL, 1024 + 32, 0x01, "gpt-header", "table table-second" },
		{ "entry of DATA", GPT_EXT, DEVICE, NULL, NULL, 1024 + 2 * 128 + 60, 0x01, "gpt-header",
		  "table table-second" },
		{ "backup header", GPT_FAT, DEVICE_END, NULL, NULL, -512 + 40, 0x01, "gpt-backup",
		  "table table-second" },
		{ "backup entry", GPT_FAT, DEVICE_END, NULL, NULL, -33 * 512 + 33, 0x01, "gpt-backup",
		  "table table-second" },
		{ "protective size", GPT_FAT, DEVICE, NULL, NULL, ENTRY(1) + SIZE + 1, 0x01, "gpt-protective",
		  "table table-second" },
		{ "a partition beside the protective one", GPT_FAT, DEVICE, NULL, NULL, ENTRY(3) + TYPE, 0x83,
		  "gpt-protective", "table table-second" },
	};

	spoil(rows, ARRAY_SIZE(rows));
}

/* Where FSInfo and the backup are; the FATs begin behind the reserved sectors, see the boot sector. */
#define FSINFO 512
#define BACKUP (6 * 512)

static i64 fat_at(enum variant v, unsigned number)
{
	AUTO_CLOSE int fd = open(stick(v), O_RDONLY | O_CLOEXEC);
	u8 b[512] = { 0 };

	CHECK(pread(fd, b, sizeof(b), (off_t)part[v][PART_BOOT].start) == sizeof(b));
	return (i64)(get_le16(b + 14) + (u64)number * get_le32(b + 36)) * 512;
}

TEST(a_byte_of_fat_is_named)
{
	const struct spoiling rows[] = {
		{ "boot sector's code", MBR_FAT, BOOT, NULL, NULL, 200, 0x01, "boot-sector boot-sector-backup",
		  "fs-check" },
		{ "hidden sectors", MBR_FAT, BOOT, NULL, NULL, 29, 0x01, "boot-sector boot-sector-backup",
		  "fs-check fs-read" },
		{ "number of sectors", MBR_FAT, BOOT, NULL, NULL, 34, 0x01, "boot-sector-backup", "*" },
		{ "signature", MBR_FAT, BOOT, NULL, NULL, 510, 0x01, "boot-sector-backup", "*" },
		{ "backup's code", MBR_FAT, BOOT, NULL, NULL, BACKUP + 200, 0x01, "boot-sector-backup", "fs-check" },
		{ "backup's fields", MBR_FAT, BOOT, NULL, NULL, BACKUP + 13, 0x02, "boot-sector-backup",
		  "fs-check fs-read" },
		{ "count of free clusters", MBR_FAT, BOOT, NULL, NULL, FSINFO + 488, 0x01, "fat-info", "fs-check" },
		{ "FSInfo's mark", MBR_FAT, BOOT, NULL, NULL, FSINFO + 484, 0x01, "fat-info",
		  "fs-check fs-read fs-id" },
		{ "first FAT, a chain", MBR_FAT, BOOT, NULL, NULL, fat_at(MBR_FAT, 0) + 4 * 100, 0x01, "fat-copies",
		  "*" },
		{ "first FAT, a free cluster", MBR_FAT, BOOT, NULL, NULL, fat_at(MBR_FAT, 1) - 512 * 40, 0x01,
		  "fat-copies", "fs-check fat-info" },
		{ "second FAT", MBR_FAT, BOOT, NULL, NULL, fat_at(MBR_FAT, 1) + 4 * 100, 0x01, "fat-copies",
		  "fs-check" },
		{ "ESP: boot sector", MBR_EXT, ESP, NULL, NULL, 3, 0x01, "boot-sector-backup", "fs-check" },
		{ "ESP: backup", GPT_EXT, ESP, NULL, NULL, BACKUP + 45, 0x01, "boot-sector-backup", "fs-check" },
	};

	spoil(rows, ARRAY_SIZE(rows));
}

/* A volume that is or was mounted has its mark; that is no fault. */
TEST(the_mark_of_a_mounted_fat_is_told_and_is_not_bad)
{
	struct checks c = { 0 };
	bool told = false;
	u64 at;

	stick(MBR_FAT);
	at = part[MBR_FAT][PART_BOOT].start + 65;
	flip(stick(MBR_FAT), at, 0x01);
	look_at(stick(MBR_FAT), &c);
	flip(stick(MBR_FAT), at, 0x01);
	judge(&c, "dirty", "", "");
	for (size_t i = 0; i < c.n; i++)
		told |= strcmp(c.check[i].id, "fs-clean") == 0 && strstr(c.check[i].detail, "BOOT: was not unmounted");
	CHECK(told);
	checks_free(&c);
}

TEST(a_byte_of_the_loader_is_named)
{
	static const struct spoiling rows[] = {
		{ "core", MBR_FAT, BOOT, "/livestick/ldlinux.sys", NULL, 20000, 0x01, "loader-sum", "" },
		{ "core, ext4", MBR_EXT, BOOT, "/livestick/ldlinux.sys", NULL, 30000, 0x40, "loader-sum", "" },
		{ "ldlinux.c32", MBR_FAT, BOOT, "/livestick/ldlinux.c32", NULL, 1, 0x01, "loader-modules", "" },
		{ "menu.c32", GPT_EXT, BOOT, "/livestick/menu.c32", NULL, 0, 0x01, "loader-modules", "" },
		{ "boot sector on ext4", MBR_EXT, BOOT, NULL, NULL, 300, 0x01, "boot-sector", "" },
		{ "fields of the boot sector on ext4", GPT_EXT, BOOT, NULL, NULL, 29, 0x01, "boot-sector", "" },
	};

	spoil(rows, ARRAY_SIZE(rows));
}

/* The map is found by its magic number; its first extent begins where ldlinux.sys has its second sector. */
static i64 map_at(enum variant v)
{
	AUTO_CLOSE int fd = open(stick(v), O_RDONLY | O_CLOEXEC);
	const struct spoiling s = { .v = v, .base = BOOT, .file = "/livestick/ldlinux.sys" };
	u64 file = find_byte(&s), sector = (file - part[v][PART_BOOT].start) / 512 + 1;
	u8 head[4096] = { 0 }, want[8];
	const u8 *found;

	put_le64(want, sector);
	CHECK(pread(fd, head, sizeof(head), (off_t)file) == sizeof(head));
	found = memmem(head, sizeof(head), want, sizeof(want));
	CHECK(found != NULL);
	return found ? found - head : 0;
}

TEST(a_map_that_leads_elsewhere_is_named)
{
	const struct spoiling rows[] = {
		{ "map", MBR_FAT, BOOT, "/livestick/ldlinux.sys", NULL, map_at(MBR_FAT), 0x01, "loader-map loader-sum",
		  "" },
		{ "map, ext4", GPT_EXT, BOOT, "/livestick/ldlinux.sys", NULL, map_at(GPT_EXT) + 1, 0x01,
		  "loader-map loader-sum", "" },
		{ "length in the map", MBR_FAT, BOOT, "/livestick/ldlinux.sys", NULL, map_at(MBR_FAT) + 8, 0x02,
		  "loader-map", "loader-sum" },
	};

	spoil(rows, ARRAY_SIZE(rows));
}

TEST(a_pointer_of_the_boot_sector_that_leads_elsewhere_is_named)
{
	AUTO_CLOSE int fd = open(stick(MBR_EXT), O_RDONLY | O_CLOEXEC);
	const struct spoiling s = { .v = MBR_EXT, .base = BOOT, .file = "/livestick/ldlinux.sys" };
	u8 b[512] = { 0 }, want[4];
	const u8 *found;

	put_le32(want, (u32)((find_byte(&s) - part[MBR_EXT][PART_BOOT].start) / 512));
	CHECK(pread(fd, b, sizeof(b), (off_t)part[MBR_EXT][PART_BOOT].start) == sizeof(b));
	found = memmem(b + 90, sizeof(b) - 90, want, sizeof(want));
	CHECK(found != NULL);
	if (found) {
		const struct spoiling row = { "pointer", MBR_EXT, BOOT, NULL, NULL, found - b, 0x01, "loader-map", "" };

		spoil(&row, 1);
	}
}

TEST(a_byte_of_the_menus_is_named)
{
	static const struct spoiling rows[] = {
		{ "path of a kernel", MBR_FAT, BOOT, "/livestick/a.cfg", "LINUX /live/vm", 12, 0x01,
		  "menu-files menu-same", "" },
		{ "path of an initrd", MBR_EXT, BOOT, "/livestick/a.cfg", "INITRD /live/in", 12, 0x01,
		  "menu-files menu-same", "" },
		{ "path of a kernel, GRUB", GPT_FAT, BOOT, "/livestick/a.grub", "$linux /live/vm", 13, 0x01,
		  "menu-files menu-same", "" },
		{ "UUID of BOOT", MBR_FAT, BOOT, "/livestick/a.cfg", "by-uuid/", 8, 0x01, "menu-ids menu-same", "" },
		{ "UUID of BOOT, GRUB", MBR_EXT, BOOT, "/livestick/a.grub", "by-uuid/", 8, 0x01, "menu-ids menu-same",
		  "" },
		{ "another argument", MBR_FAT, BOOT, "/livestick/a.cfg", "persistence-label=", 3, 0x01, "menu-same",
		  "" },
		{ "include", MBR_FAT, BOOT, "/livestick/syslinux.cfg", "/livestick/sw", 11, 0x01, "menu-files", "" },
		{ "source, GRUB", MBR_FAT, BOOT, "/livestick/grub.cfg", "source /livestick/sw", 18, 0x01, "menu-files",
		  "" },
		{ "default entry", MBR_FAT, BOOT, "/livestick/switch.cfg", "DEFAULT a", 9, 0x08, "menu-switch", "" },
		{ "slot", GPT_FAT, BOOT, "/livestick/switch.cfg", "/livestick/a", 11, 0x03, "menu-switch",
		  "menu-files" },
		{ "a word of the switch", MBR_EXT, BOOT, "/livestick/switch.cfg", "INCLUDE", 1, 0x01, "menu-switch",
		  "menu-files" },
		{ "stub", MBR_FAT, BOOT, "/EFI/BOOT/grub.cfg", "--set=root ", 11, 0x01, "menu-stub", "" },
		{ "stub on the ESP", MBR_EXT, ESP, "/EFI/BOOT/grub.cfg", "--set=root ", 11, 0x01, "menu-stub", "" },
		{ "stub's next file", GPT_FAT, BOOT, "/EFI/BOOT/grub.cfg", "configfile ", 14, 0x01, "menu-stub", "" },
		{ "UEFI's program", MBR_FAT, BOOT, "/EFI/BOOT/BOOTX64.EFI", NULL, 0, 0x01, "efi-program", "" },
	};

	spoil(rows, ARRAY_SIZE(rows));
}

/* Of ext4: the superblock at 1024, group descriptors in block 1, an inode table behind them. */
TEST(a_byte_of_data_is_named)
{
	static const struct spoiling rows[] = {
		{ "what is kept", MBR_FAT, DATA, "/persistence.conf", "/", 0, 0x0c, "data-files", "" },
		{ "superblock", MBR_FAT, DATA, NULL, NULL, 1024 + 300, 0x01, "fs-check",
		  "data data-files fs-id table-layout" },
		{ "label", GPT_FAT, DATA, NULL, NULL, 1024 + 120, 0x01, "fs-check", "data data-files fs-id" },
		{ "group descriptor", MBR_FAT, DATA, NULL, NULL, 4096 + 12, 0x01, "fs-check", "fs-read" },
		{ "checksum of a group", GPT_EXT, DATA, NULL, NULL, 4096 + 30, 0x01, "fs-check", "fs-read" },
		{ "BOOT: group descriptor", MBR_EXT, BOOT, NULL, NULL, 4096 + 14, 0x01, "fs-check", "*" },
		{ "BOOT: superblock", MBR_EXT, BOOT, NULL, NULL, 1024 + 4, 0x01, "fs-check", "*" },
	};

	spoil(rows, ARRAY_SIZE(rows));
}

/* ---- what the user may have done */

static void debugfs(enum variant v, const char *commands)
{
	AUTO_BUF struct buf line = { 0 };

	buf_addf(&line, "printf '%s' | debugfs -w -f - '%s?offset=%llu' >/dev/null 2>&1", commands, stick(v),
	         (unsigned long long)part[v][PART_DATA].start);
	CHECK(system(line.s) == 0);
}

static void judge_stick(enum variant v, const char *what, const char *must, const char *may)
{
	struct checks c = { 0 };

	look_at(stick(v), &c);
	judge(&c, what, must, may);
	checks_free(&c);
}

static void put_conf(enum variant v, const char *text)
{
	AUTO_BUF struct buf name = { 0 }, commands = { 0 };
	FILE *f;

	buf_addf(&name, "%s/conf", dir);
	f = fopen(name.s, "w");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
	buf_addf(&commands, "rm /persistence.conf\\nwrite %s /persistence.conf\\n", name.s);
	debugfs(v, commands.s);
	unlink(name.s);
}

TEST(a_persistence_conf_of_the_users_own_is_judged_by_what_it_does)
{
	put_conf(GPT_FAT, "# only what is mine\n/home union\n/etc bind,source=etc\n");
	judge_stick(GPT_FAT, "another persistence.conf", "", "");
	put_conf(GPT_FAT, "# nothing\n\n");
	judge_stick(GPT_FAT, "an empty persistence.conf", "data-files", "");
	debugfs(GPT_FAT, "rm /persistence.conf\\n");
	judge_stick(GPT_FAT, "no persistence.conf", "data-files", "");
	put_conf(GPT_FAT, "/ union\n");
	judge_stick(GPT_FAT, "the persistence.conf of before", "", "");
}

/* live-boot looks for it by its label. */
TEST(a_label_that_the_system_does_not_look_for_is_named)
{
	debugfs(GPT_EXT, "ssv volume_name other\\n");
	judge_stick(GPT_EXT, "label", "data", "");
	put_conf(GPT_EXT, "/ union\n");
	unlink(stick(GPT_EXT));
	*path[GPT_EXT] = '\0';
}

/* A stick that was copied to a larger one: libraries would mend the GPT, and are told no. */
TEST(a_gpt_that_does_not_end_where_the_device_does_is_named_and_not_mended)
{
	struct checks c = { 0 };
	const struct check *bad;

	CHECK(truncate(stick(GPT_FAT), STICK_SIZE + 8 * MIB) == 0);
	look_at(stick(GPT_FAT), &c);
	judge(&c, "larger", "gpt-backup table-second", "gpt-protective table");
	bad = find_bad(&c, "table-second");
	CHECK(bad && strstr(bad->detail, "libparted says"));
	checks_free(&c);
	CHECK(truncate(stick(GPT_FAT), STICK_SIZE) == 0);
	judge_stick(GPT_FAT, "as before", "", "");
}

/* libparted would open it for writing, and what lies beside it as its partitions. */
TEST(nobody_else_opens_the_stick_and_nobody_writes_to_it)
{
	AUTO_CLOSE int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	AUTO_BUF struct buf beside = { 0 };
	char events[64 * KIB];
	ssize_t n;
	size_t closed = 0;

	buf_addf(&beside, "%s1", stick(MBR_FAT));
	CHECK(symlink(iso, beside.s) == 0);
	CHECK(inotify_add_watch(fd, stick(MBR_FAT),
	                        IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_OPEN | IN_CLOSE_NOWRITE) >= 0);
	judge_stick(MBR_FAT, "watched", "", "");
	n = read(fd, events, sizeof(events));
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *x = (const void *)(events + at);

		CHECK((x->mask & (IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE)) == 0);
		closed += (x->mask & IN_CLOSE_NOWRITE) != 0;
		at += (ssize_t)(sizeof(*x) + x->len);
	}
	/* device_open() opens it a second time, past the page cache. */
	CHECK(closed >= 1 && closed <= 2);
	unlink(beside.s);
}

static void clean_up(void)
{
	for (enum variant v = 0; v < N_VARIANTS; v++)
		if (*path[v])
			unlink(path[v]);
	rmdir(dir);
}

int main(int argc, char **argv)
{
	FILE *p = popen("tests/iso/small.sh 2>/dev/null | tail -n 1", "r");
	int r;

	if (!p || !fgets(iso, sizeof(iso), p) || pclose(p) != 0 || !mkdtemp(dir)) {
		puts("not ok the_small_live_iso_can_be_built");
		return 1;
	}
	iso[strcspn(iso, "\n")] = '\0';
	r = test_main(argc, argv);
	clean_up();
	return r;
}
