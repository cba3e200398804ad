/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Puppy Linux, and EasyOS by the same author. Facts from the initrd's init (woof-CE, initrd-progs/0initrd/init,
 * 2024-10): decode_spec(), wait_for_blkid(), find_drv_file(), setup_psave(), and how it decides on PUPMODE.
 *
 * "pupsfs=" and "psave=" take a UUID without the word, up to a colon; without a path "pupsfs=" means the file named in
 * /DISTRO_SPECS in "psubdir=". A directory is a place to save in when it is on a Linux file system and the path does
 * not end in a slash. "pmedia=usbhd" writes there at once (PUPMODE 12); flash drives would be written to at times.
 */
#include "persist/look.h"

#define SAVE_DIR "/pupsave/save"

/* Whether "pfix=", a list, has the word: "pfix=fsck,ram". */
static bool pfix_has(const char *args, const char *word)
{
	AUTO_FREE char *list = args_value(args, "pfix=");
	size_t len = strlen(word);

	for (const char *v = list; v && *v;) {
		size_t n = strcspn(v, ", ");

		if (n == len && memcmp(v, word, n) == 0)
			return true;
		v += n;
		v += strspn(v, ", ");
	}
	return false;
}

static bool without_saving(const char *args)
{
	return pfix_has(args, "ram");
}

/* The main file's name, or a glob for it. The caller frees. */
static char *main_sfs(const struct family_facts *f)
{
	const char *specs = family_initrd_text(f, "DISTRO_SPECS");
	char *name = specs ? look_assigned(specs, "DISTRO_PUPPYSFS") : NULL;

	return name ? name : xstrdup("puppy_*.sfs");
}

static bool has_main_sfs(const struct family_facts *f, const char *args)
{
	AUTO_FREE char *value = args_value(args, "psubdir="), *dir = look_path(value, "", "");
	AUTO_FREE char *name = main_sfs(f);

	return look_has(f->source, dir, name) || family_initrd_has(f, name);
}

static int puppy_score(const struct family_facts *f)
{
	static const char *const tokens[] = { "pmedia=", "pfix=", "psubdir=", "pupsfs=", "psave=" };

	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
		if (family_any_has(f, tokens[i]))
			return 100;
	if (family_initrd_has(f, "DISTRO_SPECS"))
		return 80;
	return look_has(f->source, "/", "puppy_*.sfs") || look_dir(f->source, "", "puppy_*.sfs") ? 50 : 0;
}

static char *puppy_refuse(const struct family_facts *f)
{
	AUTO_FREE char *name = main_sfs(f);

	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (has_main_sfs(f, f->cmdlines[i]))
			return NULL;
	if (f->n_cmdlines == 0 && has_main_sfs(f, ""))
		return NULL;
	return look_sentence("there is no %s where its initrd would look for it", name);
}

static char *puppy_doubt(const struct family_facts *f)
{
	const char *text = family_initrd_text(f, "init");

	if (!text || strstr(text, "psave"))
		return inside_doubt_drivers(f);
	return xstrdup(
	    "this Puppy is too old to be told where to save: it asks at its first shutdown, and can save on the "
	    "stick's second partition then");
}

/* "pfix=" with "ram" in it, which says not to save. */
static void add_ram(const char *args, struct buf *words)
{
	AUTO_FREE char *list = args_value(args, "pfix=");
	bool blank = list && strpbrk(list, " \t");

	buf_addf(words, "%spfix=ram%s%s%s", blank ? "\"" : "", list && *list ? "," : "", list ? list : "",
	         blank ? "\"" : "");
}

static void puppy_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                          struct buf *out)
{
	static const char *const drop[] = { "pmedia=", "pupsfs=",    "pdrv=",    "pdev1=",
		                            "psave=",  "psavemark=", "psubdir=", "pfix=" };
	bool saves = m->persistent && !without_saving(args), has_ram = without_saving(args);
	AUTO_FREE char *value = args_value(args, "psubdir="), *dir = look_path(value, m->slot, "");
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	/* The last one stays as it is where nothing is to be added to it. */
	args_without(args, drop, ARRAY_SIZE(drop) - (saves || has_ram), out);
	if (!saves && !has_ram) {
		add_ram(args, &words);
		buf_adds(&words, " ");
	}
	buf_addf(&words, "pmedia=usbhd pupsfs=%s", m->boot_uuid);
	if (*m->slot || *dir)
		buf_addf(&words, " psubdir=%s%s%s", m->slot, *dir ? "/" : "", dir);
	if (saves)
		buf_addf(&words, " psave=%s:" SAVE_DIR, m->data_uuid);
	args_add(out, words.s);
}

static char *puppy_version(const struct family_facts *f)
{
	const char *specs = family_initrd_text(f, "DISTRO_SPECS");
	AUTO_FREE char *name = specs ? look_assigned(specs, "DISTRO_NAME") : NULL;
	AUTO_FREE char *version = specs ? look_assigned(specs, "DISTRO_VERSION") : NULL;

	return name && version ? look_sentence("Puppy %s %s", name, version) : NULL;
}

static const char *const puppy_texts[] = { "init", "DISTRO_SPECS", INSIDE_BUILTIN, NULL };

static const struct family_data puppy_data[] = {
	{ .path = SAVE_DIR, .mode = 0755 },
};

static const char *const puppy_limits[] = {
	"the entries of its menu that say they save nothing (pfix=ram) keep nothing",
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	NULL,
};

const struct family family_puppy = {
	.name = "puppy",
	.title = "Puppy Linux",
	.score = puppy_score,
	.texts = puppy_texts,
	.refuse = puppy_refuse,
	.doubt = puppy_doubt,
	.version = puppy_version,
	.rewrite = puppy_rewrite,
	.is_no_default = without_saving,
	.takes_slot = true,
	.data = puppy_data,
	.n_data = ARRAY_SIZE(puppy_data),
	.limits = puppy_limits,
	.proof = "^/dev/[^ ]+ /initrd/mnt/dev_save ext4 ",
};

/* ---- EasyOS: a disk image with a working partition of its own layout */

static int easyos_score(const struct family_facts *f)
{
	static const char *const tokens[] = { "wkg_uuid=", "wkg_label=", "wkg_dev=", "wkg_dir=" };

	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
		if (family_any_has(f, tokens[i]))
			return 100;
	if (look_initrd_says(f, "init", "wkg_dir"))
		return 80;
	return look_has(f->source, "/", "easy.sfs") || look_has(f->source, "/easyos", "easy.sfs") ? 50 : 0;
}

static char *easyos_refuse(const struct family_facts *f)
{
	(void)f;
	return xstrdup(
	    "EasyOS keeps its data in a working partition that its own image brings along: write that image");
}

static void easyos_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                           struct buf *out)
{
	(void)f;
	(void)m;
	args_without(args, NULL, 0, out);
}

const struct family family_easyos = {
	.name = "easyos",
	.title = "EasyOS",
	.score = easyos_score,
	.texts = puppy_texts,
	.refuse = easyos_refuse,
	.rewrite = easyos_rewrite,
};
