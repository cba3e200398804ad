/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/conf.h"

#include <errno.h>

#define FIRST_LINE "livestick-initrd 1"

/* Cuts `*text` behind its first line and moves it on; NULL at the end. */
static char *next_line(char **text)
{
	char *line = *text;
	size_t len = strcspn(line, "\n");

	if (!*line)
		return NULL;
	*text = line + len + (line[len] == '\n');
	line[len] = '\0';
	return line;
}

static bool is_module_name(const char *s)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+";

	return *s && *s != '.' && s[strspn(s, ok)] == '\0' && strlen(s) < 64;
}

static const char *add_system(struct conf *c, char *value)
{
	c->system = value;
	return NULL;
}

static const char *add_init(struct conf *c, char *value)
{
	c->init = value;
	return text_is_clean_path(value) ? NULL : "not the path of a program";
}

static const char *add_union(struct conf *c, char *value)
{
	static const char *const name[] = { "overlay", "aufs", "snapshot" };

	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		if (strcmp(value, name[i]) == 0) {
			c->kind = (enum union_kind)i;
			return NULL;
		}
	}
	return "not overlay, aufs or snapshot";
}

static const char *add_module(struct conf *c, char *value)
{
	if (!is_module_name(value))
		return "not a module's name";
	if (c->n_modules == CONF_MODULES)
		return "too many modules";
	c->module[c->n_modules++] = value;
	return NULL;
}

static const char *add_image(struct conf *c, char *value)
{
	static const char *const types[] = { "squashfs", "ext4", "ext3", "ext2", "erofs", "cramfs", "iso9660" };
	char *type = strrchr(value, ' ');
	size_t i = 0;

	if (!type)
		return "no file system type";
	*type++ = '\0';
	while (i < ARRAY_SIZE(types) && strcmp(types[i], type) != 0)
		i++;
	if (i == ARRAY_SIZE(types))
		return "a file system that cannot be an image";
	if (!text_is_clean_path(value))
		return "not a path";
	if (c->n_images == CONF_IMAGES)
		return "too many images";
	c->image[c->n_images++] = (struct conf_image){ value, types[i] };
	return NULL;
}

static const struct key {
	const char *name;
	const char *(*add)(struct conf *c, char *value); /* NULL, or what is wrong with the value */
} keys[] = {
	{ "system", add_system }, { "init", add_init },   { "union", add_union },
	{ "module", add_module }, { "image", add_image },
};

static const char *read_line(struct conf *c, char *line)
{
	size_t len = strcspn(line, " ");

	if (!line[len])
		return "a word alone";
	line[len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(line, keys[i].name) == 0)
			return keys[i].add(c, line + len + 1);
	return "unknown key";
}

static const char *whole(const struct conf *c)
{
	if (c->n_images == 0)
		return "no image";
	if (c->kind == UNION_SNAPSHOT && (c->n_images != 1 || strncmp(c->image[0].type, "ext", 3) != 0))
		return "a snapshot is made of one ext image";
	return NULL;
}

int conf_parse(char *text, struct conf *ret, struct text *why)
{
	unsigned n = 1;
	const char *wrong = NULL;
	char *line = next_line(&text);

	*ret = (struct conf){ .system = "the system", .init = "/sbin/init" };
	if (!line || strcmp(line, FIRST_LINE) != 0)
		wrong = "not \"" FIRST_LINE "\"";
	while (!wrong && (line = next_line(&text))) {
		n++;
		if (*line)
			wrong = read_line(ret, line);
	}
	if (!wrong)
		wrong = whole(ret);
	if (!wrong)
		return 0;
	text_add(why, "line %u: %s", n, wrong);
	return -EINVAL;
}

const char *conf_image_name(const struct conf_image *image)
{
	return strrchr(image->path, '/') + 1;
}

static bool stays(const struct conf_image *image, const char *load, const char *noload)
{
	const char *name = conf_image_name(image);

	return (!*load || text_list_has(load, name)) && !text_list_has(noload, name);
}

int conf_select(struct conf *c, const char *load, const char *noload)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_images; i++)
		n += stays(&c->image[i], load, noload);
	if (n == 0)
		return -ENOENT;
	n = 0;
	for (size_t i = 0; i < c->n_images; i++)
		if (stays(&c->image[i], load, noload))
			c->image[n++] = c->image[i];
	c->n_images = n;
	return 0;
}
