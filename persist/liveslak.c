/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * liveslak: Slackware Live and its relatives. Facts from liveinit.tpl of 1.8.2 (mac-a-r0ni/liveslak, 2025-08) and of a
 * fork of an older one (mdrights/LiveSlak).
 *
 * "livemedia=" takes a UUID without the word; "livemain=" is the directory on it. The upper layer is a directory that
 * must exist: before 1.6 in the root of the medium, later anywhere by "persistence=UUID:/dir", which also takes
 * precedence over "nop". The old ones are a family of their own, with all of the system on DATA: overlays cannot write
 * on FAT.
 */
#include "persist/look.h"

#define MARKER   "0099-*_zzzconf-*"
#define MAIN_DIR "liveslak"

static const char *liveslak_init(const struct family_facts *f)
{
	const char *text = family_initrd_text(f, "init");

	return text && strstr(text, "LIVEMAIN=") && strstr(text, "MEDIALABEL=") ? text : NULL;
}

/* Where the initrd looks when no argument says anything. The caller frees. */
static char *main_dir(const struct family_facts *f)
{
	const char *text = liveslak_init(f), *found;
	char *name = text ? look_assigned(text, "LIVEMAIN") : NULL;

	if (name)
		return name;
	found = look_dir(f->source, "system", MARKER);
	return xstrdup(found ? found : MAIN_DIR);
}

static bool has_system(const struct family_facts *f, const char *dir)
{
	AUTO_FREE char *path = look_sentence("%s/system", dir);

	return look_has(f->source, path, MARKER);
}

static int score(const struct family_facts *f)
{
	AUTO_FREE char *dir = main_dir(f);

	if (!liveslak_init(f) && !has_system(f, dir))
		return 0;
	if (family_any_has(f, "livemedia=") || family_any_has(f, "livemain="))
		return 100;
	return liveslak_init(f) ? 80 : 50;
}

/* An initrd that cannot be read is taken for one of these years. */
static bool is_old(const struct family_facts *f)
{
	const char *text = liveslak_init(f);

	return text && !strstr(text, "PERSISTPART");
}

static int liveslak_score(const struct family_facts *f)
{
	return is_old(f) ? 0 : score(f);
}

static int liveslak_old_score(const struct family_facts *f)
{
	return is_old(f) ? score(f) : 0;
}

static char *liveslak_refuse(const struct family_facts *f)
{
	AUTO_FREE char *dir = main_dir(f);

	if (has_system(f, dir))
		return NULL;
	for (size_t i = 0; i < f->n_cmdlines; i++) {
		AUTO_FREE char *other = args_value(f->cmdlines[i], "livemain=");

		if (other && has_system(f, other))
			return NULL;
	}
	return look_sentence("there is no module " MARKER " in /%s/system, by which its initrd would know the medium",
	                     dir);
}

/* The path of the system on the medium, when it is not what the initrd would take by itself; NULL. */
static char *other_main(const struct family_facts *f, const char *args, const char *slot)
{
	AUTO_FREE char *value = args_value(args, "livemain="), *usual = main_dir(f);
	AUTO_FREE char *path = look_path(value, slot, usual);

	if (!*slot && strcmp(path, usual) == 0)
		return NULL;
	slot += strspn(slot, "/");
	return look_sentence("%s%s%s", slot, *slot ? "/" : "", path);
}

static void rewrite(const struct family_facts *f, const char *args, const struct family_medium *m, const char *medium,
                    const char *saving, struct buf *out)
{
	static const char *const drop[] = { "livemedia=", "livemain=", "persistence=", "nop", "nop=" };
	AUTO_FREE char *path = other_main(f, args, m->slot);
	AUTO_BUF struct buf words = { 0 };

	if (args_has(args, "nfsroot=")) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "livemedia=%s %s", medium, m->persistent ? saving : "nop");
	if (path)
		buf_addf(&words, " livemain=%s", path);
	args_add(out, words.s);
}

static void liveslak_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                             struct buf *out)
{
	AUTO_FREE char *saving = look_sentence("persistence=%s:/persistence", m->data_uuid);

	rewrite(f, args, m, m->boot_uuid, saving, out);
}

/* Without a DATA partition, which has no UUID then, the system lies on BOOT. */
static void liveslak_old_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                                 struct buf *out)
{
	rewrite(f, args, m, *m->data_uuid ? m->data_uuid : m->boot_uuid, "persistence=persistence", out);
}

static char *liveslak_version(const struct family_facts *f)
{
	const char *text = liveslak_init(f);
	AUTO_FREE char *value = text ? look_assigned(text, "VERSION") : NULL;

	return value ? look_sentence("liveslak %s", value) : NULL;
}

static const char *const liveslak_texts[] = { "init", INSIDE_BUILTIN, NULL };

static const struct family_data liveslak_data[] = {
	{ .path = "/persistence", .mode = 0755 },
};

static const char *const liveslak_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	"changes made with one release of the system may not fit the next: after an upgrade of the stick the old "
	"versions of changed files stay in front of the new ones",
	NULL,
};

const struct family family_liveslak = {
	.name = "liveslak",
	.title = "liveslak (Slackware Live, ...)",
	.score = liveslak_score,
	.texts = liveslak_texts,
	.refuse = liveslak_refuse,
	.doubt = inside_doubt_drivers,
	.version = liveslak_version,
	.rewrite = liveslak_rewrite,
	.takes_slot = true,
	.data = liveslak_data,
	.n_data = ARRAY_SIZE(liveslak_data),
	.limits = liveslak_limits,
	.proof = "^overlay / overlay .*upperdir=/mnt/live/\\.persistence_[0-9]+/+persistence,",
};

const struct family family_liveslak_old = {
	.name = "liveslak-old",
	.title = "liveslak before 1.6",
	.score = liveslak_old_score,
	.texts = liveslak_texts,
	.refuse = liveslak_refuse,
	.doubt = inside_doubt_drivers,
	.version = liveslak_version,
	.rewrite = liveslak_old_rewrite,
	.system_on_data = true,
	.data = liveslak_data,
	.n_data = ARRAY_SIZE(liveslak_data),
	.limits = liveslak_limits,
	.proof = "^overlay / overlay .*upperdir=/mnt/media/+persistence,",
};
