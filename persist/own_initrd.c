/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/own_initrd.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "persist/own_extra.h"
#include "persist/own_tree.h"

/* What our /init can take (persist/init/conf.h). */
#define IMAGES_MAX 128

struct build {
	const struct own_initrd_request *q;
	struct own_initrd *rd;
	struct own_modules modules;
	struct own_tree tree;
	struct buf conf;
};

static void warn(struct own_initrd *rd, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void warn(struct own_initrd *rd, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	*ARRAY_ADD(rd->warnings, rd->n_warnings, rd->cap_warnings) = text;
}

/* ---- can it work at all */

/* The program must be of the kernel's kind of processor; a 64-bit x86 kernel may run programs for 32 bits. */
static int check_program(const struct own_initrd_request *q, struct err *e)
{
	const struct kernel *k = q->kernel;
	const u8 *elf = q->init;
	const char *version = k->version ? k->version : "(version unknown)";
	unsigned machine;

	if (q->init_len < 20 || memcmp(elf, ELFMAG, SELFMAG) != 0)
		return fail(e, -EINVAL, "the program for our own initrd is no ELF file");
	machine = get_le16(elf + 18);
	if (k->is_x86 != (machine == EM_X86_64 || machine == EM_386))
		return fail_source(e, -EINVAL, "%s: the kernel %s is for another kind of processor than this livestick",
		                   k->name, version);
	if (k->bits == 32 && elf[EI_CLASS] == ELFCLASS64)
		return fail_source(e, -EINVAL, "%s: the kernel %s is for 32 bits, and this livestick is for 64",
		                   k->name, version);
	if (k->bits == 64 && elf[EI_CLASS] == ELFCLASS32 && kernel_option(k, "CONFIG_IA32_EMULATION") == KERNEL_NO)
		return fail_source(e, -EINVAL, "%s: the kernel %s is for 64 bits, and this livestick is for 32",
		                   k->name, version);
	return 0;
}

/* As the kernel's driver is called. ext4's mounts the older two, and is there, for DATA is ext4. */
static const char *driver_of(const struct image_kind *kind)
{
	static const char *const types[][2] = { { "squashfs", "squashfs" }, { "ext4", "ext4" },
		                                { "ext3", "ext4" },         { "ext2", "ext4" },
		                                { "erofs", "erofs" },       { "cramfs", "cramfs" },
		                                { "iso9660", "iso9660" } };

	for (size_t i = 0; i < ARRAY_SIZE(types) && kind->type; i++)
		if (strcmp(types[i][0], kind->type) == 0)
			return types[i][1];
	return NULL;
}

static int check_images(const struct own_initrd_request *q, struct err *e)
{
	if (q->n_images == 0 || q->n_images > IMAGES_MAX)
		return fail_source(e, -EINVAL, "there are %zu system images, and our own initrd takes 1 to %d",
		                   q->n_images, IMAGES_MAX);
	for (size_t i = 0; i < q->n_images; i++)
		if (!driver_of(&q->image[i].kind))
			return fail_source(e, -ENOTSUP, "%s: is %s%s, which our own initrd cannot use",
			                   q->image[i].path,
			                   q->image[i].kind.type ? "a system image of the kind " : "no system image",
			                   q->image[i].kind.type ? q->image[i].kind.type : "");
	return 0;
}

/* ---- the system's init */

/* The kernel's own order, then where systemd is without a link, then what a root that was an initrd has. */
static const char *const inits[] = {
	"/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/bin/init", "/init",
};

static int find_init(struct build *b, const struct image_stack *images, struct err *e)
{
	bool all_open = images->n == b->q->n_images;

	for (size_t i = 0; i < ARRAY_SIZE(inits); i++) {
		struct image_entry found;
		int r = image_find(images, inits[i], &found, e);

		if (r < 0)
			return r;
		if (r == 1 && S_ISREG(found.mode) && (found.mode & 0111)) {
			b->rd->init = xstrdup(inits[i]);
			return 0;
		}
	}
	if (all_open)
		return fail_source(e, -EINVAL, "%s: has no init (%s and the like)",
		                   image_name(images->image[images->n - 1]), inits[0]);
	b->rd->init = xstrdup(inits[0]);
	warn(b->rd, "it is not known which program starts the system (an image cannot be looked into): %s is taken",
	     inits[0]);
	return 0;
}

/* ---- how it is compressed */

static const struct {
	const char *name, *option;
} compressions[] = {
	{ "gzip", "CONFIG_RD_GZIP" },
	{ "zstd", "CONFIG_RD_ZSTD" },
	{ "xz", "CONFIG_RD_XZ" },
};

/* What the kernel surely can: what its configuration says, or what it was given by those who made the medium. */
static const char *choose_compression(const struct kernel *k, const char *of_initrd)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
		if (k->config ? kernel_option(k, compressions[i].option) == KERNEL_BUILT_IN
		              : of_initrd && strcmp(of_initrd, compressions[i].name) == 0)
			return compressions[i].name;
	return "none";
}

/* ---- what is in it */

/* A value is one line, and shown to a user before there is anything that could clean it. */
static void add_value(struct buf *conf, const char *key, const char *value)
{
	buf_addf(conf, "%s ", key);
	for (const char *p = value; *p; p++)
		buf_addf(conf, "%c", (u8)*p < 0x20 || *p == 0x7f ? ' ' : *p);
	buf_adds(conf, "\n");
}

static void make_conf(struct build *b)
{
	const struct own_initrd_request *q = b->q;

	buf_adds(&b->conf, "livestick-initrd 1\n");
	add_value(&b->conf, "system", q->title && *q->title ? q->title : "the live system");
	add_value(&b->conf, "init", b->rd->init);
	add_value(&b->conf, "union", own_union_name(b->modules.union_));
	for (size_t i = 0; i < b->modules.n; i++)
		add_value(&b->conf, "module", b->modules.module[i].name);
	for (size_t i = 0; i < q->n_images; i++) {
		AUTO_BUF struct buf value = { 0 };

		buf_addf(&value, "%s %s", q->image[i].path, driver_of(&q->image[i].kind));
		add_value(&b->conf, "image", value.s);
	}
}

static void add_dirs(struct build *b)
{
	static const struct {
		const char *path;
		u32 mode;
	} dirs[] = { { "dev", 0755 }, { "proc", 0755 }, { "sys", 0755 },    { "run", 0755 },
		     { "mnt", 0755 }, { "tmp", 01777 }, { "modules", 0755 } };
	static const struct {
		const char *path;
		u32 mode, major, minor;
	} nodes[] = { { "dev/console", 0600, 5, 1 }, { "dev/null", 0666, 1, 3 } };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		own_tree_add(&b->tree, dirs[i].path, S_IFDIR | dirs[i].mode, b->q->mtime);
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		struct own_file *f = own_tree_add(&b->tree, nodes[i].path, S_IFCHR | nodes[i].mode, b->q->mtime);

		f->device_major = nodes[i].major;
		f->device_minor = nodes[i].minor;
	}
}

static void add_file(struct build *b, const char *path, u32 mode, const void *data, size_t len)
{
	struct own_file *f = own_tree_add(&b->tree, path, S_IFREG | mode, b->q->mtime);

	f->data = data;
	f->len = len;
}

static void add_files(struct build *b)
{
	add_dirs(b);
	add_file(b, "init", 0755, b->q->init, b->q->init_len);
	add_file(b, "livestick.conf", 0644, b->conf.s, b->conf.len);
	for (size_t i = 0; i < b->modules.n; i++) {
		const struct own_module *m = &b->modules.module[i];
		AUTO_BUF struct buf path = { 0 };

		buf_addf(&path, "modules/%s.ko", m->name);
		add_file(b, path.s, 0644, m->data, m->len);
	}
}

/* The directory of an image in the tree, NULL if it is not there or was seen before image number `i`. */
static const struct node *dir_of_image(const struct own_initrd_request *q, size_t i)
{
	const struct node *n = source_find(q->source, q->image[i].path);

	if (!n || !n->parent || n->parent == q->source->root)
		return NULL;
	for (size_t k = 0; k < i; k++) {
		const struct node *before = source_find(q->source, q->image[k].path);

		if (before && before->parent == n->parent)
			return NULL;
	}
	return n->parent;
}

static int add_extra(struct build *b, struct err *e)
{
	struct own_extra x = { .tree = &b->tree };
	int r = b->q->source ? own_extra_add(&x, b->q->source->root, e) : 0;

	for (size_t i = 0; b->q->source && i < b->q->n_images && r == 0; i++) {
		const struct node *dir = dir_of_image(b->q, i);

		if (dir)
			r = own_extra_add(&x, dir, e);
	}
	for (size_t i = 0; i < x.n_warnings; i++)
		*ARRAY_ADD(b->rd->warnings, b->rd->n_warnings, b->rd->cap_warnings) = x.warning[i];
	free(x.warning);
	return r;
}

/* ---- all of it */

static int choose_modules(struct build *b, const struct image_stack *images, struct err *e)
{
	const struct own_initrd_request *q = b->q;
	AUTO_FREE struct image_kind *kinds = xcalloc(q->n_images, sizeof(*kinds));
	struct own_modules_request r = { .kernel = q->kernel,
		                         .images = *images,
		                         .kinds = kinds,
		                         .n_kinds = q->n_images,
		                         .initrds = q->initrds,
		                         .n_initrds = q->n_initrds };

	for (size_t i = 0; i < q->n_images; i++)
		kinds[i] = q->image[i].kind;
	return own_modules_choose(&r, &b->modules, e);
}

static int fill(struct build *b, struct err *e)
{
	AUTO_FREE struct image **open = xcalloc(b->q->n_images, sizeof(struct image *));
	struct image_stack images = { open, 0 };
	int r;

	for (size_t i = 0; i < b->q->n_images; i++)
		if (b->q->image[i].image)
			open[images.n++] = b->q->image[i].image;
	r = find_init(b, &images, e);
	if (r == 0)
		r = choose_modules(b, &images, e);
	if (r < 0)
		return r;
	if (b->modules.doubt)
		warn(b->rd, "%s", b->modules.doubt);
	make_conf(b);
	add_files(b);
	r = add_extra(b, e);
	return r < 0 ? r : own_tree_settle(&b->tree, b->q->mtime, e);
}

static int pack(struct build *b, struct err *e)
{
	struct buf out = { 0 };
	int r;

	b->rd->compression = choose_compression(b->q->kernel, b->modules.initrd_compression);
	r = own_tree_pack(&b->tree, b->rd->compression, &out, e);
	b->rd->data = out.s;
	b->rd->len = out.len;
	b->rd->union_ = b->modules.union_;
	b->rd->has_vfat = b->modules.has_vfat;
	return r;
}

int own_initrd_build(const struct own_initrd_request *q, struct own_initrd *ret, struct err *e)
{
	struct own_initrd rd = { 0 };
	struct build b = { .q = q, .rd = &rd };
	int r = check_program(q, e);

	if (r == 0)
		r = check_images(q, e);
	if (r == 0)
		r = fill(&b, e);
	if (r == 0)
		r = pack(&b, e);
	own_tree_free(&b.tree);
	own_modules_free(&b.modules);
	buf_free(&b.conf);
	if (r < 0)
		own_initrd_free(&rd);
	else
		*ret = rd;
	return r;
}

void own_initrd_free(struct own_initrd *rd)
{
	for (size_t i = 0; i < rd->n_warnings; i++)
		free(rd->warnings[i]);
	free(rd->warnings);
	free(rd->init);
	free(rd->data);
	*rd = (struct own_initrd){ 0 };
}
