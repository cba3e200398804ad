/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/inside.h"

#include <fnmatch.h>

char *inside_dir(const char *value, const char *slot)
{
	size_t len = strlen(slot);

	value += strspn(value, "/");
	/* A slot has its slash in front. */
	if (len > 1 && strncmp(value, slot + 1, len - 1) == 0 && (value[len - 1] == '/' || !value[len - 1]))
		value += len - 1 + strspn(value + len - 1, "/");
	for (len = strlen(value); len && value[len - 1] == '/';)
		len--;
	return xstrndup(value, len);
}

bool inside_leads(const struct node *n)
{
	AUTO_FREE char *path = n->type == NODE_SYMLINK ? node_path(n) : NULL;

	return !path || source_find(n->source, path);
}

bool inside_has(const struct source *s, const char *dir, const char *const *globs, size_t n_globs)
{
	const struct node *n = source_find(s, dir);

	for (size_t i = 0; n && i < n->n_children; i++)
		for (size_t k = 0; k < n_globs; k++)
			if (fnmatch(globs[k], n->children[i]->name, FNM_PERIOD) == 0 && inside_leads(n->children[i]))
				return true;
	return false;
}

/* One of microcode or of drivers alone has no program to start. */
bool inside_known(const struct family_facts *f)
{
	return family_initrd_has(f, "init") || family_initrd_has(f, "linuxrc");
}

bool inside_lacks_driver(const struct family_facts *f, const char *name)
{
	AUTO_BUF struct buf file = { 0 };
	const char *builtin = family_initrd_match(f, INSIDE_BUILTIN), *list;

	/* Without the list it cannot be told what the kernel has of its own. */
	list = builtin ? family_initrd_text(f, builtin) : NULL;
	if (!list || !inside_known(f))
		return false;
	buf_addf(&file, "/%s.ko", name);
	if (strstr(list, file.s))
		return false;
	buf_clear(&file);
	buf_addf(&file, "*lib/modules/*/%s.ko*", name);
	return !family_initrd_match(f, file.s);
}

char *inside_doubt_drivers(const struct family_facts *f)
{
	if (inside_lacks_driver(f, "ext4"))
		return xstrdup("its initrd has no driver for ext4: nothing will be kept");
	if (inside_lacks_driver(f, "vfat"))
		return xstrdup("its initrd has no driver for FAT (vfat): it finds its medium only with --boot-fs ext4");
	/* The default of Linux' configuration, which hardly anybody changes. */
	if (inside_lacks_driver(f, "nls_cp437"))
		return xstrdup(
		    "its initrd has no code page 437 (nls_cp437), without which Linux mounts no FAT: it finds "
		    "its medium only with --boot-fs ext4");
	return NULL;
}

/* dracut writes an empty file of that name (its modules.d/99base/module-setup.sh, "dracut-$DRACUT_VERSION"). */
char *inside_dracut_version(const struct family_facts *f)
{
	const char *path = family_initrd_match(f, "*lib/dracut/dracut-[0-9]*");
	struct buf version = { 0 };

	if (path)
		buf_addf(&version, "dracut %s", strrchr(path, '/') + strlen("/dracut-"));
	return version.s;
}

bool inside_is_on(const char *args, const char *word)
{
	static const char *const no[] = { "0", "no", "off" };
	AUTO_BUF struct buf key = { 0 };
	AUTO_FREE char *value = NULL;

	buf_addf(&key, "%s=", word);
	value = args_value(args, key.s);
	for (size_t i = 0; value && i < ARRAY_SIZE(no); i++)
		if (strcmp(value, no[i]) == 0)
			return false;
	return value || args_has(args, word);
}
