/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /livestick.conf of our initrd: what the system is made of. UTF-8 in lines; the first word is the key, the value goes
 * to the end of the line. The first line is "livestick-initrd 1". Keys:
 *
 *	system TITLE            what messages call it
 *	init /sbin/init         absent: that
 *	union overlay           overlay | aufs | snapshot
 *	module NAME             /modules/NAME.ko; any number, in the order of loading
 *	image /PATH TYPE        any number, lowest first; the path is below the slot's directory on BOOT
 */
#ifndef LIVESTICK_INIT_CONF_H
#define LIVESTICK_INIT_CONF_H

#include "persist/init/text.h"

#define CONF_MODULES 512
#define CONF_IMAGES  128

enum union_kind { UNION_OVERLAY, UNION_AUFS, UNION_SNAPSHOT };

struct conf_image {
	const char *path, *type;
};

struct conf {
	const char *system, *init;
	enum union_kind kind;
	const char *module[CONF_MODULES];
	size_t n_modules;
	struct conf_image image[CONF_IMAGES];
	size_t n_images;
};

/*
 * `text` is changed, and what is returned points into it. 0; -EINVAL: `why` says which line is wrong, `ret` holds what
 * was read before it.
 */
MUST_CHECK int conf_parse(char *text, struct conf *ret, struct text *why);

/*
 * Takes the images away that load= (empty: all stay) does not name and noload= does. -ENOENT, and nothing is taken
 * away, when none would be left.
 */
MUST_CHECK int conf_select(struct conf *c, const char *load, const char *noload);

/* The file's name in an image's path. */
const char *conf_image_name(const struct conf_image *image);

#endif
