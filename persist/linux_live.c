/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Linux Live Kit: Slax, MiniOS, and what people build with it. Facts from its livekitlib (find_data_try(),
 * persistent_changes(), restore_perch_session(), copy_to_ram()), Tomas-M/linux-live 2018 to 2024-11, and MiniOS'
 * (native_mode(), check_write_access()), minios-linux/minios-live v2.0 to 5.1.1.
 *
 * The initrd mounts one device after the other, in order of their names, until one has bundles ("*.sb") in /NAME or
 * /NAME/modules; NAME is in the initrd. With "perch" anywhere on the command line it binds /NAME/changes/SESSION of
 * that same file system over its memory; on FAT it would be a FUSE container instead. So bundles and changes lie on
 * DATA together, and BOOT has no bundle that could be found first. MiniOS can keep its changes on a partition with
 * the label "persistence", but since 5.0 it takes the bundles' file system for that partition's: on FAT a container
 * again.
 */
#include "persist/look.h"

#define SCRIPT "lib/livekitlib"

static char *setting(const struct family_facts *f, const char *name)
{
	static const char *const file[] = { "lib/config", "init", "minios-init" };
	char *value = NULL;

	for (size_t i = 0; !value && i < ARRAY_SIZE(file); i++) {
		const char *text = family_initrd_text(f, file[i]);

		value = text ? look_assigned(text, name) : NULL;
	}
	return value;
}

static char *bundle_glob(const struct family_facts *f)
{
	AUTO_FREE char *ending = setting(f, "BEXT");

	return look_sentence("*.%s", ending ? ending : "sb");
}

static bool has_bundles(const struct family_facts *f, const char *dir)
{
	AUTO_FREE char *glob = bundle_glob(f), *modules = look_sentence("%s/modules", dir);

	return look_has(f->source, dir, glob) || look_has(f->source, modules, glob);
}

/* Where the initrd looks: "slax"; without an initrd, where there are bundles. NULL: nowhere. The caller frees. */
static char *kit_dir(const struct family_facts *f)
{
	AUTO_FREE char *glob = bundle_glob(f);
	char *name = family_initrd_has(f, SCRIPT) ? setting(f, "LIVEKITNAME") : NULL;
	const char *found;

	if (name)
		return name;
	found = look_dir(f->source, "", glob);
	if (!found)
		found = look_dir(f->source, "modules", glob);
	return found ? xstrdup(found) : NULL;
}

static bool is_minios(const struct family_facts *f)
{
	AUTO_FREE char *dir = kit_dir(f);

	return dir && strcmp(dir, "minios") == 0;
}

static int kit_score(const struct family_facts *f, const char *const *tokens, size_t n)
{
	AUTO_FREE char *dir = kit_dir(f);
	bool has_script = family_initrd_has(f, SCRIPT);

	if (!dir || (!has_script && !has_bundles(f, dir)))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (family_any_has(f, tokens[i]))
			return 100;
	return has_script ? 80 : 50;
}

static int linux_live_score(const struct family_facts *f)
{
	static const char *const tokens[] = { "perch", "perchdir=", "perchsize=", "slax.flags=" };

	return is_minios(f) ? 0 : kit_score(f, tokens, ARRAY_SIZE(tokens));
}

/* Its menu says "boot=live" too, which means nothing to its initrd. */
static int minios_score(const struct family_facts *f)
{
	static const char *const tokens[] = { "perch", "perchdir=", "perchmode=", "boot=live" };

	return is_minios(f) ? kit_score(f, tokens, ARRAY_SIZE(tokens)) : 0;
}

static char *kit_refuse(const struct family_facts *f)
{
	AUTO_FREE char *dir = kit_dir(f), *glob = bundle_glob(f);

	if (dir && has_bundles(f, dir))
		return NULL;
	return look_sentence("there are no bundles (%s) in /%s, where its initrd would look for them", glob,
	                     dir ? dir : "slax");
}

/* DATA is its medium. */
static char *kit_doubt(const struct family_facts *f)
{
	return inside_lacks_driver(f, "ext4")
	           ? xstrdup("its initrd has no driver for ext4, on which the system lies: it will not start")
	           : NULL;
}

/* Which session a "perchdir=" wants; a device is not where this stick keeps them. */
static char *session(const char *args)
{
	AUTO_FREE char *value = args_value(args, "perchdir=");

	if (value && (strcmp(value, "new") == 0 || strcmp(value, "ask") == 0 ||
	              (*value && strspn(value, "0123456789") == strlen(value))))
		return TAKE(value);
	return xstrdup("resume");
}

/* "slax.flags=perch,automount" without what asks for changes to be kept; NULL: nothing is left. */
static char *other_flags(const char *args)
{
	AUTO_FREE char *value = args_value(args, "slax.flags=");
	struct buf flags = { 0 };

	for (const char *v = value; v && *v;) {
		size_t n = strcspn(v, ", \t");

		if (n && !memmem(v, n, "perch", 5))
			buf_addf(&flags, "%s%.*s", flags.len ? "," : "", (int)n, v);
		v += n + (v[n] != '\0');
	}
	return flags.s;
}

/* Whether the data come by network, or from an image file that somebody put somewhere. */
static bool comes_from_elsewhere(const char *args)
{
	AUTO_FREE char *from = args_value(args, "from=");

	return args_has(args, "ip=") || (from && strstr(from, "://"));
}

static void kit_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m, struct buf *out)
{
	static const char *const drop[] = { "perch*", "from=", "slax.flags=" };
	AUTO_FREE char *flags = other_flags(args), *dir = session(args), *from = args_value(args, "from=");
	AUTO_BUF struct buf words = { 0 };

	if (comes_from_elsewhere(args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	if (from && !strpbrk(from, " \t") && has_bundles(f, from))
		buf_addf(&words, "from=%s ", from);
	if (flags)
		buf_addf(&words, "slax.flags=%s ", flags);
	if (m->persistent)
		buf_addf(&words, "perchdir=%s ", dir);
	if (words.len) {
		words.s[words.len - 1] = '\0';
		args_add(out, words.s);
	}
}

/* It stops for a choice of sessions. */
static bool kit_asks(const char *args)
{
	return args_has(args, "perchdir=ask");
}

/* Initrds before 2022 use this directory but do not make it. */
static void kit_add_data(const struct family_facts *f, const struct family_medium *m, struct volume_files *out)
{
	AUTO_FREE char *dir = kit_dir(f), *path = look_sentence("/%s/changes", dir ? dir : "slax");

	(void)m;
	if (!volume_find(out, path))
		volume_add_dir(out, path, 0755, f->source->root->mtime);
}

static char *minios_version(const struct family_facts *f)
{
	const char *text = family_initrd_text(f, "etc/minios-release");
	AUTO_FREE char *value = text ? look_assigned(text, "VERSION") : NULL;

	return value ? look_sentence("MiniOS %s", value) : NULL;
}

static const char *const kit_texts[] = {
	"*" SCRIPT, "*lib/config", "init", "minios-init", "etc/minios-release", INSIDE_BUILTIN, NULL,
};

#define LIMIT_KERNEL                                                                                                   \
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from " \
	"BOOT"
#define LIMIT_FIRST                                                                                                    \
	"its initrd takes the first drive that has the system's directory: with a second stick of the same kind "      \
	"plugged in, either may be used"

static const char *const linux_live_limits[] = {
	LIMIT_KERNEL,
	LIMIT_FIRST,
	"an entry that copies the system into memory copies the saved changes too, and needs memory for both",
	NULL,
};

static const char *const minios_limits[] = {
	LIMIT_KERNEL,
	LIMIT_FIRST,
	"an entry that copies the system into memory keeps nothing",
	"a new release of MiniOS begins with a session of its own: the changes of the old one are kept, but not used",
	NULL,
};

#define KIT_PROOF "^/dev/[^ ]+ /(run/initramfs|mnt/live)/memory/changes ext4 "

const struct family family_linux_live = {
	.name = "linux-live",
	.title = "Linux Live Kit (Slax, ...)",
	.score = linux_live_score,
	.texts = kit_texts,
	.refuse = kit_refuse,
	.doubt = kit_doubt,
	.rewrite = kit_rewrite,
	.is_no_default = kit_asks,
	.system_on_data = true,
	.add_data = kit_add_data,
	.limits = linux_live_limits,
	.proof = KIT_PROOF,
};

const struct family family_minios = {
	.name = "minios",
	.title = "MiniOS",
	.score = minios_score,
	.texts = kit_texts,
	.refuse = kit_refuse,
	.doubt = kit_doubt,
	.version = minios_version,
	.rewrite = kit_rewrite,
	.is_no_default = kit_asks,
	.system_on_data = true,
	.add_data = kit_add_data,
	.limits = minios_limits,
	.proof = KIT_PROOF,
};
