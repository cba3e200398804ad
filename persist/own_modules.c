/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/own_modules.h"

#include <errno.h>

#include "persist/modinfo.h"
#include "persist/own_drivers.h"

/* What our /init can take; a kernel's own list of what we want has 60. */
#define MODULES_MAX  400
#define DATA_MAX     (256 * MIB)
#define DEPTH_MAX    64
#define VERSION_SIZE 80

/* Words for a list in a sentence. */
struct words {
	struct buf text;
	const char *before; /* each word */
	size_t last;        /* where the last one begins */
	unsigned n;
};

struct choice {
	const struct own_modules_request *q;
	const struct kernel *k;
	struct shelves *s;
	struct own_modules *m;
	enum own_have *have; /* of each of own_drivers */
	struct words missing, unknown;
	struct shelf_module **order;
	size_t n, cap;
	u64 data;
	unsigned depth;
	bool is_needed; /* what is visited */
};

/* ---- sentences */

static void add_word(struct words *w, const char *word)
{
	if (w->n++)
		buf_adds(&w->text, ", ");
	w->last = w->text.len;
	buf_addf(&w->text, "%s%s", w->before, word);
}

/* "a, b and c"; the caller frees. */
static char *list_of(const struct words *w)
{
	struct buf b = { 0 };

	if (w->n > 1) {
		buf_add(&b, w->text.s, w->last - strlen(", "));
		buf_adds(&b, " and ");
	}
	buf_adds(&b, w->text.s + w->last);
	return b.s;
}

static const char *kernel_name(const struct kernel *k)
{
	return k->version ? k->version : k->name;
}

/* Modules of another kernel explain why there are none for this one. */
static int refuse_version(const struct choice *c, struct err *e)
{
	const char *where, *other = shelves_other_version(c->s, &where);

	return fail_source(e, -EINVAL, "%s: the kernel is %s, but the modules in %s are for %s", c->k->name,
	                   kernel_name(c->k), where, other);
}

static int refuse_missing(const struct choice *c, struct err *e)
{
	AUTO_FREE char *list = list_of(&c->missing);
	const char *where = shelves_where(c->s);

	if (*where)
		return fail_source(e, -EINVAL, "the kernel %s has %s, neither built in nor as a module in %s",
		                   kernel_name(c->k), list, where);
	return fail_source(e, -EINVAL,
	                   "the kernel %s has %s built in, and there are no modules for it (lib/modules/%s)",
	                   kernel_name(c->k), list, c->k->version ? c->k->version : "VERSION");
}

static char *doubt(const struct choice *c)
{
	AUTO_FREE char *list = list_of(&c->unknown);
	struct buf b = { 0 };

	buf_addf(&b,
	         "it cannot be told whether the kernel %s has %s: its configuration is neither in it nor in "
	         "/boot/config-%s",
	         kernel_name(c->k), list, c->k->version ? c->k->version : "VERSION");
	return b.s;
}

/* ---- what there is */

static bool has(enum own_have h)
{
	return h == OWN_HAS_MODULE || h == OWN_HAS_BUILT_IN;
}

static int find_drivers(struct choice *c, struct err *e)
{
	for (size_t i = 0; i < n_own_drivers; i++) {
		int r = own_driver_have(c->k, c->s, own_drivers[i].module, own_drivers[i].option, &c->have[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_type_used(const struct choice *c, const char *type)
{
	for (size_t i = 0; i < c->q->n_kinds; i++)
		if (c->q->kinds[i].type && strcmp(c->q->kinds[i].type, type) == 0)
			return true;
	return false;
}

static bool is_wanted(const struct choice *c, const struct own_driver *d)
{
	return d->role != OWN_IMAGE || is_type_used(c, d->type);
}

/* The best that one of a role has, or the worst. */
static enum own_have best_of(const struct choice *c, enum own_role role)
{
	enum own_have best = OWN_HAS_NOT;

	for (size_t i = 0; i < n_own_drivers; i++)
		if (own_drivers[i].role == role)
			best = MAX(best, c->have[i]);
	return best;
}

static enum own_have worst_of(const struct choice *c, enum own_role role)
{
	enum own_have worst = OWN_HAS_BUILT_IN;

	for (size_t i = 0; i < n_own_drivers; i++)
		if (own_drivers[i].role == role)
			worst = MIN(worst, c->have[i]);
	return worst;
}

static void need(struct choice *c, enum own_have h, const char *word)
{
	if (h == OWN_HAS_NOT)
		add_word(&c->missing, word);
	else if (h == OWN_HAS_PERHAPS)
		add_word(&c->unknown, word);
}

/* Parts of the kernel that are no modules. */
static const struct {
	const char *option, *word;
} core[] = {
	{ "CONFIG_BLK_DEV_INITRD", "initrd (CONFIG_BLK_DEV_INITRD)" },
	{ "CONFIG_BINFMT_ELF", "programs (CONFIG_BINFMT_ELF)" },
	{ "CONFIG_TMPFS", "tmpfs" },
	{ "CONFIG_PROC_FS", "proc" },
	{ "CONFIG_SYSFS", "sysfs" },
};

static void need_core(struct choice *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(core); i++)
		if (kernel_option(c->k, core[i].option) == KERNEL_NO)
			add_word(&c->missing, core[i].word);
}

static void need_drivers(struct choice *c)
{
	need(c, best_of(c, OWN_USB_HOST), "xhci, ehci, ohci or uhci");
	for (size_t i = 0; i < n_own_drivers; i++) {
		const struct own_driver *d = &own_drivers[i];

		if (d->role == OWN_NEEDED || (d->role == OWN_IMAGE && is_wanted(c, d)))
			need(c, c->have[i], d->module);
	}
}

/* DATA has checksums in its metadata, which ext4 can make since 3.5, and by itself since 6.14. */
static void need_checksums(struct choice *c)
{
	if (c->k->version && !kernel_is_at_least(c->k, 3, 5))
		add_word(&c->missing, "ext4 with checksums (since Linux 3.5)");
	else if (!kernel_is_at_least(c->k, 6, 14))
		need(c, best_of(c, OWN_CHECKSUM), "crc32c");
}

static void need_unpackers(struct choice *c, const struct buf *squashfs)
{
	for (size_t i = 0; i < c->q->n_kinds; i++) {
		const char *compressor = c->q->kinds[i].compressor;
		AUTO_BUF struct buf word = { 0 };
		bool was_seen = false;

		for (size_t k = 0; k < i && compressor; k++)
			was_seen |= c->q->kinds[k].compressor && strcmp(c->q->kinds[k].compressor, compressor) == 0;
		if (!compressor || was_seen)
			continue;
		buf_addf(&word, "squashfs with %s", compressor);
		need(c, own_driver_unpacks(c->k, squashfs, compressor), word.s);
	}
}

/* ---- the choices */

/*
 * overlay since 3.18, of more than one lower directory since 4.0. A snapshot needs one file system that is written to.
 */
static void choose_union(struct choice *c)
{
	enum own_have overlay = best_of(c, OWN_OVERLAY_DRIVER), aufs = best_of(c, OWN_AUFS_DRIVER);
	enum own_have snapshot = worst_of(c, OWN_SNAPSHOT_DRIVER);
	bool is_one_ext = c->q->n_kinds == 1 && c->q->kinds[0].type && strncmp(c->q->kinds[0].type, "ext", 3) == 0;

	if (c->k->version && !kernel_is_at_least(c->k, c->q->n_kinds == 1 ? 3 : 4, c->q->n_kinds == 1 ? 18 : 0))
		overlay = OWN_HAS_NOT;
	if (!is_one_ext)
		snapshot = OWN_HAS_NOT;
	c->m->union_ = has(overlay) || (overlay >= aufs && overlay >= snapshot) ? OWN_OVERLAY
	               : has(aufs) || aufs >= snapshot                          ? OWN_AUFS
	                                                                        : OWN_SNAPSHOT;
	need(c, MAX(overlay, MAX(aufs, snapshot)), is_one_ext ? "overlay, aufs or dm-snapshot" : "overlay or aufs");
}

/* FAT wants the code page that the kernel was told to use, and any set of characters for names. */
static int choose_fat(struct choice *c, char **ret_page, struct err *e)
{
	AUTO_FREE char *number = kernel_option_text(c->k, "CONFIG_FAT_DEFAULT_CODEPAGE");
	enum own_have vfat = worst_of(c, OWN_FAT), names = best_of(c, OWN_FAT_NAMES), page;
	struct buf module = { 0 }, option = { 0 };
	int r;

	if (number && (strspn(number, "0123456789") != strlen(number) || strlen(number) > 5))
		*number = '\0';
	buf_addf(&module, "nls_cp%s", number && *number ? number : "437");
	buf_addf(&option, "CONFIG_NLS_CODEPAGE_%s", number && *number ? number : "437");
	r = own_driver_have(c->k, c->s, module.s, option.s, &page, e);
	buf_free(&option);
	*ret_page = module.s;
	c->m->has_vfat = vfat != OWN_HAS_NOT && page != OWN_HAS_NOT && names != OWN_HAS_NOT;
	if (c->m->has_vfat && MIN(vfat, MIN(page, names)) == OWN_HAS_PERHAPS)
		add_word(&c->unknown, "vfat");
	return r;
}

static bool is_union_of(const struct choice *c, enum own_role role)
{
	return role == OWN_OVERLAY_DRIVER    ? c->m->union_ == OWN_OVERLAY
	       : role == OWN_AUFS_DRIVER     ? c->m->union_ == OWN_AUFS
	       : role == OWN_SNAPSHOT_DRIVER ? c->m->union_ == OWN_SNAPSHOT
	                                     : true;
}

/* ---- the order of loading */

static int visit(struct choice *c, struct shelf_module *m, struct err *e);

static int visit_dependency(void *ctx, const char *name, struct err *e)
{
	struct choice *c = ctx;
	struct shelf_module *m = shelves_find(c->s, name);

	return m ? visit(c, m, e) : 0;
}

/* Who wishes for something does without it when it is not whole. */
static int visit_wish(void *ctx, const char *name, struct err *e)
{
	struct choice *c = ctx;
	enum own_have h;
	int r = own_driver_have(c->k, c->s, name, NULL, &h, e);

	return r < 0 || h != OWN_HAS_MODULE ? r : visit_dependency(c, name, e);
}

static int visit_soft(void *ctx, const char *name, struct err *e)
{
	struct choice *c = ctx;

	if (shelves_find(c->s, name))
		return visit_wish(c, name, e);
	return shelves_each_alias(c->s, name, visit_wish, c, e);
}

static int visit_all(struct choice *c, struct shelf_module *m, struct err *e)
{
	bool was_needed = c->is_needed;
	int r;

	c->is_needed = false;
	r = shelves_each_related(c->s, m, SHELF_SOFT_BEFORE, visit_soft, c, e);
	c->is_needed = was_needed;
	if (r == 0)
		r = shelves_each_related(c->s, m, SHELF_DEPENDENCIES, visit_dependency, c, e);
	if (r == 0 && !(m->state & OWN_PLACED)) {
		m->state |= OWN_PLACED;
		*ARRAY_ADD(c->order, c->n, c->cap) = m;
	}
	c->is_needed = false;
	if (r == 0)
		r = shelves_each_related(c->s, m, SHELF_SOFT_BEHIND, visit_soft, c, e);
	c->is_needed = was_needed;
	return r;
}

/* Dependencies first. What is needed may have been placed before as a mere wish: then it is marked. */
static int visit(struct choice *c, struct shelf_module *m, struct err *e)
{
	int r;

	if ((m->state & OWN_VISITED) && (!c->is_needed || (m->state & OWN_MARKED)))
		return 0;
	m->state |= OWN_VISITED | (c->is_needed ? OWN_MARKED : 0);
	if (c->depth >= DEPTH_MAX || c->n >= MODULES_MAX)
		return fail_source(e, -EINVAL, "%s: the module %s depends on more than makes sense",
		                   shelves_where(c->s), m->name);
	c->depth++;
	r = visit_all(c, m, e);
	c->depth--;
	return r;
}

static int visit_driver(struct choice *c, const char *name, bool is_needed, struct err *e)
{
	c->is_needed = is_needed;
	return visit_dependency(c, name, e);
}

static int order_modules(struct choice *c, const char *page, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < n_own_drivers && r == 0; i++) {
		const struct own_driver *d = &own_drivers[i];

		if (d->role == OWN_FAT) /* first what it asks for */
			r = visit_driver(c, page, true, e);
		if (r == 0 && c->have[i] == OWN_HAS_MODULE && is_wanted(c, d) && is_union_of(c, d->role))
			r = visit_driver(c, d->module, d->role != OWN_EXTRA, e);
	}
	return r;
}

/* ---- the modules' bytes */

static int check_version(const struct choice *c, const struct shelf_module *m, const struct buf *data, struct err *e)
{
	const char *vermagic = modinfo_find((const u8 *)data->s, data->len, "vermagic", NULL);
	const char *want = c->k->version ? c->k->version : shelves_version(c->s);
	size_t len = vermagic ? strcspn(vermagic, " ") : 0;

	if (len == 0 || (strlen(want) == len && memcmp(vermagic, want, len) == 0))
		return 0;
	return fail_source(e, -EINVAL, "%s: the module %s is for the kernel %.*s, and the kernel is %s",
	                   shelves_where(c->s), m->file, (int)MIN(len, VERSION_SIZE), vermagic, want);
}

static int load_module(struct choice *c, const struct shelf_module *m, struct err *e)
{
	struct buf data = { 0 };
	int r = shelves_load(c->s, m, &data, e);

	if (r == 0)
		r = check_version(c, m, &data, e);
	c->data += data.len;
	if (r == 0 && c->data > DATA_MAX)
		r = fail_source(e, -EFBIG, "%s: the modules have more than %llu MiB", shelves_where(c->s),
		                DATA_MAX / MIB);
	if (r < 0) {
		buf_free(&data);
		return r;
	}
	*ARRAY_ADD(c->m->module, c->m->n, c->m->cap) = (struct own_module){
		.name = xstrdup(m->file),
		.data = (u8 *)data.s,
		.len = data.len,
		.is_needed = m->state & OWN_MARKED,
	};
	return 0;
}

static int load_modules(struct choice *c, struct err *e)
{
	int r = shelves_fetch(c->s, (const struct shelf_module *const *)c->order, c->n, e);

	for (size_t i = 0; i < c->n && r == 0; i++)
		r = load_module(c, c->order[i], e);
	return r;
}

/* squashfs's own bytes tell what it can unpack, when it is a module. */
static int look_at_squashfs(struct choice *c, struct err *e)
{
	const struct shelf_module *m = shelves_find(c->s, "squashfs");
	AUTO_BUF struct buf data = { 0 };
	enum own_have h;
	int r = own_driver_have(c->k, c->s, "squashfs", "CONFIG_SQUASHFS", &h, e);

	if (r < 0 || h == OWN_HAS_NOT)
		return r;
	if (h == OWN_HAS_MODULE) {
		r = shelves_fetch(c->s, &m, 1, e);
		if (r == 0)
			r = shelves_load(c->s, m, &data, e);
	}
	if (r == 0)
		need_unpackers(c, h == OWN_HAS_MODULE ? &data : NULL);
	return r;
}

/* ---- all of it */

static int judge(struct choice *c, struct err *e)
{
	const char *where;
	bool has_other = shelves_other_version(c->s, &where) && !*shelves_where(c->s);

	if (has_other && (c->missing.n || c->unknown.n))
		return refuse_version(c, e);
	if (c->missing.n)
		return refuse_missing(c, e);
	if (c->unknown.n)
		c->m->doubt = doubt(c);
	return 0;
}

static int choose(struct choice *c, struct err *e)
{
	AUTO_FREE char *page = NULL;
	int r = find_drivers(c, e);

	if (r < 0)
		return r;
	need_core(c);
	need_drivers(c);
	need_checksums(c);
	choose_union(c);
	r = choose_fat(c, &page, e);
	if (r == 0)
		r = look_at_squashfs(c, e);
	if (r == 0)
		r = judge(c, e);
	if (r == 0)
		r = order_modules(c, page, e);
	return r < 0 ? r : load_modules(c, e);
}

int own_modules_choose(const struct own_modules_request *q, struct own_modules *ret, struct err *e)
{
	struct own_modules m = { 0 };
	struct choice c = { .q = q, .k = q->kernel, .m = &m, .missing.before = "no ", .unknown.before = "" };
	int r = shelves_open(&q->images, q->initrds, q->n_initrds, q->kernel->version, &c.s, e);

	if (r < 0)
		return r;
	c.have = xcalloc(n_own_drivers, sizeof(*c.have));
	m.initrd_compression = shelves_compression(c.s);
	r = choose(&c, e);
	shelves_free(c.s);
	free(c.have);
	free(c.order);
	buf_free(&c.missing.text);
	buf_free(&c.unknown.text);
	if (r < 0)
		own_modules_free(&m);
	else
		*ret = m;
	return r;
}

void own_modules_free(struct own_modules *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->module[i].name);
		free(m->module[i].data);
	}
	free(m->module);
	free(m->doubt);
	*m = (struct own_modules){ 0 };
}

const char *own_union_name(enum own_union u)
{
	return u == OWN_OVERLAY ? "overlay" : u == OWN_AUFS ? "aufs" : "snapshot";
}
