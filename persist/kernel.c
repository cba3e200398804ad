/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/kernel_private.h"

#include <elf.h>
#include <errno.h>
#include <sys/stat.h>

#include "src/source/unpack.h"

#define CONFIG_MAX (4 * MIB)
#define PIECE      (256 * KIB)

/* ---- the setup header of x86: Documentation/arch/x86/boot.rst */

enum {
	SETUP_SECTORS = 0x1f1,
	BOOT_FLAG = 0x1fe,
	HEADER = 0x202,
	PROTOCOL = 0x206,
	KERNEL_VERSION = 0x20e, /* from 0x200 on */
	RELOCATABLE = 0x234,
	LOAD_FLAGS = 0x236,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	SETUP_SIZE = 0x250,

	SECTOR = 512,
	DEFAULT_SETUP_SECTORS = 4,
	IS_64 = 1,
	SINCE_RELOCATABLE = 0x205,
	SINCE_PAYLOAD = 0x208,
	SINCE_LOAD_FLAGS = 0x20c,
};

/* ---- what arm64 and others begin with: Documentation/arch/arm64/booting.rst, drivers/firmware/efi/libstub/zboot* */

#define ARM64_MAGIC  56
#define ZBOOT_MAGIC  4
#define ZBOOT_OFFSET 8
#define ZBOOT_LENGTH 12
#define ARM_MAGIC    0x24
#define HEAD_SIZE    SETUP_SIZE

struct reading {
	struct input in;
	u64 size;
	const char *name;
	u8 head[HEAD_SIZE];
	struct kernel_finder finder;
	struct kernel *k;
};

static bool has(const struct reading *g, size_t off, const char *magic, size_t len)
{
	return memcmp(g->head + off, magic, len) == 0;
}

static int read_at(const struct reading *g, u64 off, void *buf, size_t len, struct err *e)
{
	int r = input_read(&g->in, off, buf, len, e);

	return r < 0 ? fail_source(e, r, "%s", g->name) : 0;
}

/* ---- its configuration */

static const char *skip_line(const char *p)
{
	p += strcspn(p, "\n");
	return p + (*p == '\n');
}

/* The value of "NAME=value", up to the end of the line; NULL. */
static const char *find_option(const struct kernel *k, const char *name, size_t *ret_len)
{
	size_t len = strlen(name);

	for (const char *p = k->config; p && *p; p = skip_line(p))
		if (strncmp(p, name, len) == 0 && p[len] == '=') {
			p += len + 1;
			*ret_len = strcspn(p, "\r\n");
			return p;
		}
	return NULL;
}

bool kernel_set_config(struct kernel *k, const char *text, const char *from)
{
	if (strncmp(text, "CONFIG_", 7) != 0 && !strstr(text, "\nCONFIG_"))
		return false;
	free(k->config);
	free(k->config_from);
	k->config = xstrdup(text);
	k->config_from = xstrdup(from);
	return true;
}

enum kernel_option kernel_option(const struct kernel *k, const char *name)
{
	size_t len;
	const char *value = find_option(k, name, &len);

	if (!k->config)
		return KERNEL_UNKNOWN;
	if (!value || (len == 1 && *value == 'n'))
		return KERNEL_NO;
	return len == 1 && *value == 'm' ? KERNEL_MODULE : KERNEL_BUILT_IN;
}

char *kernel_option_text(const struct kernel *k, const char *name)
{
	size_t len;
	const char *value = find_option(k, name, &len);

	if (value && len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value++;
		len -= 2;
	}
	return value ? xstrndup(value, len) : NULL;
}

bool kernel_is_at_least(const struct kernel *k, unsigned major, unsigned minor)
{
	unsigned have_major, have_minor;

	if (!k->version || sscanf(k->version, "%u.%u", &have_major, &have_minor) != 2)
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
}

/* ---- what is inside */

static unsigned bits_of(const char *elf, size_t len)
{
	if (len < EI_NIDENT || memcmp(elf, ELFMAG, SELFMAG) != 0)
		return 0;
	return elf[EI_CLASS] == ELFCLASS64 ? 64 : elf[EI_CLASS] == ELFCLASS32 ? 32 : 0;
}

static int take_found(struct reading *g, struct err *e)
{
	struct kernel_finder *f = &g->finder;
	AUTO_BUF struct buf text = { 0 };
	AUTO_ERR struct err ignored = { 0 };
	int r = 0;

	if (!g->k->version)
		g->k->version = TAKE(f->version);
	if (!g->k->bits)
		g->k->bits = bits_of(f->head, f->head_len);
	if (f->has_config)
		r = unpack_to(input_memory(f->packed.s), f->packed.len, g->name, CONFIG_MAX, &text, &ignored);
	if (r == -EINTR)
		return fail(e, r, "%s: interrupted", g->name);
	if (r == 0 && text.len)
		kernel_set_config(g->k, text.s, g->name);
	return 0;
}

struct part {
	const struct reading *g;
	u64 off;
};

static int read_part(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct part *p = ctx;

	return input_read(&p->g->in, p->off + off, buf, len, e);
}

/* Looks into what is packed. That it cannot be unpacked is no failure. */
static int look_into(struct reading *g, u64 off, u64 len, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	struct part p = { g, off };
	int r;

	if (off > g->size || len > g->size - off)
		return fail_source(e, -ENODATA, "%s: is cut short: has %llu bytes, and its kernel ends at %llu",
		                   g->name, (unsigned long long)g->size, (unsigned long long)(off + len));
	r = unpack((struct input){ .read = read_part, .ctx = &p }, len, g->name, kernel_find, &g->finder, &why);
	if (r < 0 && r != -EINVAL && r != -ENODATA && r != -EFBIG) {
		*e = why;
		why = (struct err){ 0 };
		return r;
	}
	return take_found(g, e);
}

/* The same for a kernel that is not packed. */
static int look_through(struct reading *g, struct err *e)
{
	AUTO_FREE u8 *piece = xcalloc(1, PIECE);

	for (u64 off = 0; off < g->size; off += PIECE) {
		size_t len = (size_t)MIN(PIECE, g->size - off);
		int r = read_at(g, off, piece, len, e);

		if (r == 0)
			r = kernel_find(&g->finder, piece, len, e);
		if (r < 0)
			return r;
	}
	return take_found(g, e);
}

/* ---- the kinds */

static int read_bzimage(struct reading *g, struct err *e)
{
	unsigned protocol = get_le16(g->head + PROTOCOL), sectors = g->head[SETUP_SECTORS];
	u64 setup = ((u64)(sectors ? sectors : DEFAULT_SETUP_SECTORS) + 1) * SECTOR;
	u64 version = get_le16(g->head + KERNEL_VERSION) + 0x200, len;
	char text[SECTOR] = "";
	int r = 0;

	if (setup > g->size)
		return fail_source(e, -ENODATA, "%s: is cut short: has %llu bytes, and its setup has %llu", g->name,
		                   (unsigned long long)g->size, (unsigned long long)setup);
	g->k->is_x86 = true;
	g->k->is_relocatable = protocol >= SINCE_RELOCATABLE && g->head[RELOCATABLE];
	if (version > 0x200 && version < setup)
		r = read_at(g, version, text, (size_t)MIN(sizeof(text) - 1, setup - version), e);
	if (r < 0)
		return r;
	len = kernel_version_length(text, strlen(text) + 1);
	g->k->version = len ? xstrndup(text, len) : NULL;
	if (protocol >= SINCE_LOAD_FLAGS)
		g->k->bits = get_le16(g->head + LOAD_FLAGS) & IS_64 ? 64 : 32;
	if (protocol < SINCE_PAYLOAD || get_le32(g->head + PAYLOAD_LENGTH) < 4)
		return 0;
	/* Behind the packed bytes is the unpacked size, which lz4 would take for the length of a block. */
	return look_into(g, setup + get_le32(g->head + PAYLOAD_OFFSET), get_le32(g->head + PAYLOAD_LENGTH) - 4, e);
}

static int read_elf(struct reading *g, struct err *e)
{
	unsigned machine = get_le16(g->head + 18);

	g->k->is_x86 = machine == EM_386 || machine == EM_X86_64;
	return look_through(g, e);
}

static int read_arm64(struct reading *g, struct err *e)
{
	g->k->bits = 64;
	return look_through(g, e);
}

static int read_zboot(struct reading *g, struct err *e)
{
	return look_into(g, get_le32(g->head + ZBOOT_OFFSET), get_le32(g->head + ZBOOT_LENGTH), e);
}

static int read_packed(struct reading *g, struct err *e)
{
	return look_into(g, 0, g->size, e);
}

static int refuse(struct reading *g, const char *what, struct err *e)
{
	return fail_source(e, -EINVAL, "%s: is no Linux kernel but %s", g->name, what);
}

static int find_kind(struct reading *g, struct err *e)
{
	static const struct {
		size_t off, len;
		const char *magic, *format;
		int (*read)(struct reading *g, struct err *e);
	} kinds[] = {
		{ ARM64_MAGIC, 4, "ARM\x64", "arm64 Image", read_arm64 },
		{ ZBOOT_MAGIC, 4, "zimg", "EFI zboot image", read_zboot },
		{ 0, SELFMAG, ELFMAG, "vmlinux", read_elf },
	};

	if (get_le16(g->head + BOOT_FLAG) == 0xaa55 && has(g, HEADER, "HdrS", 4)) {
		g->k->format = "bzImage";
		return read_bzimage(g, e);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (has(g, kinds[i].off, kinds[i].magic, kinds[i].len)) {
			g->k->format = kinds[i].format;
			return kinds[i].read(g, e);
		}
	if (has(g, ARM_MAGIC, "\x18\x28\x6f\x01", 4))
		return fail_source(e, -ENOTSUP, "%s: is a Linux kernel for 32-bit ARM, which is not supported",
		                   g->name);
	if (has(g, 0, "\x27\x05\x19\x56", 4))
		return fail_source(e, -ENOTSUP, "%s: is a kernel for U-Boot (uImage), which is not supported", g->name);
	if (unpack_name(g->head, sizeof(g->head))) {
		g->k->format = "packed kernel";
		return read_packed(g, e);
	}
	return refuse(g, has(g, 0, "MZ", 2) ? "an EFI program" : "something else", e);
}

int kernel_read(struct input in, u64 size, const char *name, struct kernel *ret, struct err *e)
{
	struct kernel k = { .name = xstrdup(name) };
	struct reading g = { .in = in, .size = size, .name = name, .k = &k };
	int r = read_at(&g, 0, g.head, (size_t)MIN(size, sizeof(g.head)), e);

	if (r == 0)
		r = find_kind(&g, e);
	/* A bzImage has its header to be known by. */
	if (r == 0 && !k.version && strcmp(k.format, "bzImage") != 0)
		r = refuse(&g,
		           strcmp(k.format, "vmlinux") == 0 ? "a program (ELF) without a kernel's version in it"
		                                            : "something without a kernel's version in it",
		           e);
	kernel_finder_free(&g.finder);
	if (r < 0) {
		kernel_free(&k);
		return r;
	}
	*ret = k;
	return 0;
}

void kernel_free(struct kernel *k)
{
	free(k->name);
	free(k->version);
	free(k->config);
	free(k->config_from);
	*k = (struct kernel){ 0 };
}

/* ---- a configuration beside it */

/* With the version between. */
static const struct {
	const char *before, *behind;
} config_places[] = {
	{ "/boot/config-", "" },
	{ "/config-", "" },
	{ "/lib/modules/", "/config" },
	{ "/usr/lib/modules/", "/config" },
};
#define N_PLACES ARRAY_SIZE(config_places)

static int config_of_tree(const struct source *tree, const char *path, char **ret, struct err *e)
{
	const struct node *n = source_find(tree, path);

	return n && n->type == NODE_FILE && n->size <= CONFIG_MAX ? node_load(n, CONFIG_MAX, ret, NULL, e) : 0;
}

static int config_of_images(const struct image_stack *images, const char *path, char **ret, struct err *e)
{
	struct image_entry found;
	int r = image_find(images, path, &found, e);

	if (r <= 0 || !S_ISREG(found.mode) || found.size > CONFIG_MAX)
		return r < 0 ? r : 0;
	return image_load_entry(images, &found, path, CONFIG_MAX, ret, NULL, e);
}

int kernel_look_for_config(struct kernel *k, const struct source *tree, const struct image_stack *images, struct err *e)
{
	for (size_t i = 0; k->version && !k->config && i < 2 * N_PLACES; i++) {
		bool in_tree = i < N_PLACES;
		__typeof__(&config_places[0]) place = &config_places[i % N_PLACES];
		AUTO_BUF struct buf path = { 0 };
		AUTO_FREE char *text = NULL;
		int r = 0;

		buf_addf(&path, "%s%s%s", place->before, k->version, place->behind);
		if (in_tree && tree)
			r = config_of_tree(tree, path.s, &text, e);
		else if (!in_tree && images)
			r = config_of_images(images, path.s, &text, e);
		if (r < 0)
			return r;
		if (text)
			kernel_set_config(k, text, path.s);
	}
	return 0;
}
