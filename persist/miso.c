/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The relatives of archiso whose own initrds keep nothing: Manjaro's miso, Artix' hook of the time before it used
 * dracut, and KaOS. Facts from hooks/miso of manjaro-tools (2018), hooks/artix of artools (2018 and 2019),
 * hooks/kdeosiso of live-uefi.
 *
 * All of them write to a tmpfs: in miso and artix _mnt_overlayfs has upper and work directories in .../overlay_root,
 * which is always one, though cow_device= is read and mounted at .../cowspace; kdeosiso has /rw_branch. For miso, the
 * initrd's own hook is put over itself with these two paths changed to ones below .../cowspace/${cow_directory}.
 */
#include "persist/inside.h"

struct kin {
	const char *hook;                  /* of the initrd */
	const char *base, *label, *device; /* arguments */
	const char *default_base;
	const char *image; /* glob: system images, in a directory called like the machine below the base */
};

static const struct kin miso = {
	"hooks/miso", "misobasedir=", "misolabel=", "misodevice=", "manjaro", "*.sfs",
};
static const struct kin artix = {
	"hooks/artix", "artixbasedir=", "artixlabel=", "artixdevice=", "artix", "*.sfs",
};
static const struct kin kaos = {
	"hooks/kdeosiso", "kdeosisobasedir=", "kdeosisolabel=", "kdeosisodevice=", "kdeos", "*.sqfs",
};

static bool has_words_of(const char *args, const struct kin *k)
{
	return args_has(args, k->base) || args_has(args, k->label) || args_has(args, k->device);
}

static bool any_has_words_of(const struct family_facts *f, const struct kin *k)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (has_words_of(f->cmdlines[i], k))
			return true;
	return false;
}

static char *base_dir(const char *args, const struct kin *k, const char *slot)
{
	AUTO_FREE char *value = args_value(args, k->base);

	return inside_dir(value && *value ? value : k->default_base, slot);
}

static bool base_has_image(const struct source *s, const char *base, const struct kin *k)
{
	const struct node *dir = source_find(s, base);

	for (size_t i = 0; dir && i < dir->n_children; i++) {
		AUTO_FREE char *path = node_path(dir->children[i]);

		if (inside_has(s, path, &k->image, 1))
			return true;
	}
	return false;
}

static int score(const struct family_facts *f, const struct kin *k)
{
	if (any_has_words_of(f, k))
		return 100;
	return family_initrd_has(f, k->hook) ? 80 : 0;
}

static char *refuse(const struct family_facts *f, const struct kin *k)
{
	AUTO_FREE char *missing = NULL;
	struct buf why = { 0 };

	for (size_t i = 0; i < f->n_cmdlines; i++) {
		AUTO_FREE char *base = has_words_of(f->cmdlines[i], k) ? base_dir(f->cmdlines[i], k, "") : NULL;

		if (base && base_has_image(f->source, base, k))
			return NULL;
		if (base && !missing)
			missing = TAKE(base);
	}
	if (missing)
		buf_addf(&why, "there is no system image (%s) below /%s, where its initrd would look for it", k->image,
		         missing);
	return why.s;
}

static void rewrite(const struct kin *k, const char *args, const struct family_medium *m, struct buf *out)
{
	const char *const drop[] = {
		k->base, k->label, k->device, "cow_*", "img_label=", "img_flags=", "img_dev=", "img_loop=",
	};
	AUTO_FREE char *base = base_dir(args, k, m->slot);
	AUTO_BUF struct buf words = { 0 };

	if (args[strspn(args, " ")] && !has_words_of(args, k)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "%s%s%s%s %s/dev/disk/by-uuid/%s", k->base, *m->slot ? m->slot + 1 : "", *m->slot ? "/" : "",
	         base, k->device, m->boot_uuid);
	args_add(out, words.s);
}

static bool is_no_default(const char *args)
{
	return args_has(args, "checksum=y");
}

static const char *const texts[] = { "hooks/artix", INSIDE_BUILTIN, NULL };

static const char *const limits[] = {
	"nothing is kept: its initrd has the system's changes in memory only, whatever it is told",
	NULL,
};

/* ---- Manjaro */

static const char *const miso_texts[] = { "hooks/miso", "hooks/artix", INSIDE_BUILTIN, NULL };

/* What stands between the quotes of `key="..."`, if that ends in `end`. NULL: there is no such line, or more than one.
 */
static const char *only_value(const char *text, const char *key, const char *end, size_t *ret_len)
{
	const char *at = strstr(text, key);

	if (!at || strstr(at + 1, key))
		return NULL;
	at += strlen(key);
	*ret_len = strcspn(at, "\"\n");
	if (at[*ret_len] != '"' || *ret_len < strlen(end) || memcmp(at + *ret_len - strlen(end), end, strlen(end)) != 0)
		return NULL;
	return at;
}

/* Where the paths are that have to be others; false: this is not the hook that is known. */
static bool find_paths(const char *hook, const char *ret_at[2], size_t ret_len[2])
{
	if (!strstr(hook, "cow_device") || !strstr(hook, "/cowspace/${cow_directory}"))
		return false;
	ret_at[0] = only_value(hook, "work_dir=\"", "/overlay_root/work", &ret_len[0]);
	ret_at[1] = only_value(hook, "upper_dir=\"", "/overlay_root/upper", &ret_len[1]);
	return ret_at[0] && ret_at[1] && ret_at[0] < ret_at[1];
}

static bool can_be_changed(const struct family_facts *f)
{
	const char *hook = family_initrd_text(f, "hooks/miso"), *at[2];
	size_t len[2];

	return hook && find_paths(hook, at, len);
}

static int miso_any_score(const struct family_facts *f)
{
	int by_words = score(f, &miso);

	return !by_words && source_find(f->source, "/.miso") ? 50 : by_words;
}

static int miso_score(const struct family_facts *f)
{
	return can_be_changed(f) ? miso_any_score(f) : 0;
}

static int miso_plain_score(const struct family_facts *f)
{
	return can_be_changed(f) ? 0 : miso_any_score(f);
}

static char *miso_refuse(const struct family_facts *f)
{
	return refuse(f, &miso);
}

static void miso_plain_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                               struct buf *out)
{
	(void)f;
	rewrite(&miso, args, m, out);
}

static void miso_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m, struct buf *out)
{
	AUTO_BUF struct buf words = { 0 };
	bool is_other = args[strspn(args, " ")] && !has_words_of(args, &miso);

	miso_plain_rewrite(f, args, m, out);
	if (is_other || !m->persistent)
		return;
	buf_addf(&words, "cow_device=/dev/disk/by-uuid/%s cow_directory=persistent", m->data_uuid);
	args_add(out, words.s);
}

/* The hook with ".../overlay_root/work" become ".../cowspace/${cow_directory}/work", and the same for "upper". */
static void miso_add_over(const struct family_facts *f, struct newc *out)
{
	static const char root[] = "overlay_root/", other[] = "cowspace/${cow_directory}/";
	const char *hook = family_initrd_text(f, "hooks/miso"), *at[2], *from = hook;
	AUTO_BUF struct buf text = { 0 };
	size_t len[2];

	if (!hook || !find_paths(hook, at, len))
		return;
	for (size_t i = 0; i < 2; i++) {
		const char *end = at[i] + len[i], *last = i ? "upper" : "work";
		const char *cut = end - strlen(last) - strlen(root);

		buf_add(&text, from, (size_t)(cut - from));
		buf_addf(&text, "%s%s", other, last);
		from = end;
	}
	buf_adds(&text, from);
	newc_add(out, "hooks/miso", 0755, text.s, text.len);
}

const struct family family_miso = {
	.name = "miso",
	.title = "miso (Manjaro and its descendants), its hook changed so that it saves",
	.score = miso_score,
	.texts = miso_texts,
	.refuse = miso_refuse,
	.doubt = inside_doubt_drivers,
	.rewrite = miso_rewrite,
	.is_no_default = is_no_default,
	.takes_slot = true,
	.add_over = miso_add_over,
	.proof = "^overlay / overlay .*upperdir=/run/[a-z_]*/cowspace/persistent/upper",
};

const struct family family_miso_plain = {
	.name = "miso-plain",
	.title = "miso (Manjaro and its descendants)",
	.score = miso_plain_score,
	.texts = miso_texts,
	.refuse = miso_refuse,
	.doubt = inside_doubt_drivers,
	.rewrite = miso_plain_rewrite,
	.is_no_default = is_no_default,
	.keeps_nothing = true,
	.takes_slot = true,
	.limits = limits,
};

/* ---- Artix: since 2019 label= instead of artixlabel=, and the images in /LiveOS */

#define ARTIX_LABEL "label="
#define ARTIX_IMAGE "/LiveOS/rootfs.img"

static bool is_later_artix(const char *args)
{
	return args_has(args, ARTIX_LABEL) && !args_has(args, "root=") && !args_has(args, artix.base) &&
	       !args_has(args, artix.label);
}

static bool any_is_later_artix(const struct family_facts *f)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (is_later_artix(f->cmdlines[i]))
			return true;
	return false;
}

static int artix_score(const struct family_facts *f)
{
	if (any_is_later_artix(f) && source_find(f->source, ARTIX_IMAGE))
		return 100;
	return score(f, &artix);
}

static char *artix_refuse(const struct family_facts *f)
{
	if (!any_is_later_artix(f))
		return refuse(f, &artix);
	if (!source_find(f->source, ARTIX_IMAGE))
		return xstrdup("there is no system image " ARTIX_IMAGE ", where its initrd would look for it");
	return NULL;
}

/* By the volume's label where it is not certain that the hook takes a device; all of them take a label. */
static void artix_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                          struct buf *out)
{
	const char *const drop[] = { ARTIX_LABEL, artix.device, "cow_device=", "cow_label=" };
	const char *hook = family_initrd_text(f, "hooks/artix");
	AUTO_BUF struct buf words = { 0 };

	if (!is_later_artix(args)) {
		rewrite(&artix, args, m, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, ARTIX_LABEL "%s", m->boot_label);
	if (hook && strstr(hook, "artixdevice"))
		buf_addf(&words, " artixdevice=/dev/disk/by-uuid/%s", m->boot_uuid);
	args_add(out, words.s);
}

const struct family family_artix = {
	.name = "artix",
	.title = "Artix (before it used dracut)",
	.score = artix_score,
	.texts = texts,
	.refuse = artix_refuse,
	.doubt = inside_doubt_drivers,
	.rewrite = artix_rewrite,
	.is_no_default = is_no_default,
	.keeps_nothing = true,
	.limits = limits,
};

/* ---- KaOS */

static int kaos_score(const struct family_facts *f)
{
	return score(f, &kaos);
}

static char *kaos_refuse(const struct family_facts *f)
{
	return refuse(f, &kaos);
}

static void kaos_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m, struct buf *out)
{
	(void)f;
	rewrite(&kaos, args, m, out);
}

const struct family family_kaos = {
	.name = "kaos",
	.title = "KaOS",
	.score = kaos_score,
	.refuse = kaos_refuse,
	.rewrite = kaos_rewrite,
	.keeps_nothing = true,
	.takes_slot = true,
	.limits = limits,
};
