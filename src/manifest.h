/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The manifest of a slot or of the stick: what livestick wrote, with sizes and digests. What is not in a manifest is
 * the user's. The text form is described in docs/stick.md; its length is known before any digest is, so that it can
 * be laid out with the files it speaks of.
 *
 *	livestick-manifest 1
 *	KEY VALUE                      any number of settings, value to the end of the line
 *	file SHA256 SIZE /path         one a file, in the order on the medium
 *	content SHA256                 of the file lines outside /livestick, without /slot-b in front of their paths:
 *the same for the same system on every stick end SHA256                     of all the lines above
 */
#ifndef LIVESTICK_MANIFEST_H
#define LIVESTICK_MANIFEST_H

#include "src/base/buf.h"
#include "src/base/input.h"
#include "src/base/pool.h"
#include "src/base/sha256.h"

#define MANIFEST_FORMAT 1

struct manifest_file {
	const char *path; /* absolute on BOOT; no line feed */
	u64 size;
	/* The manifest's; done once all bytes were seen, and from the start in one that was read. Of files with the
	 * same bytes it may be one. */
	struct sha256 *hash;
};

struct manifest_setting {
	char *key, *value;
};

struct manifest {
	struct manifest_setting *setting;
	size_t n_settings, cap_settings;
	struct manifest_file *file;
	size_t n_files, cap_files;
	struct pool pool; /* of the hashes, and of the paths of one that was read */
	struct buf text;  /* the text form, once made */
	struct manifest_reading *reading;
};

/* In the place of what the key had before. A value is one line: line feeds in it become blanks. */
void manifest_set(struct manifest *m, const char *key, const char *value);
void manifest_setf(struct manifest *m, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* NULL: no such setting. */
const char *manifest_get(const struct manifest *m, const char *key);

/* Whether it has a file of this path. */
bool manifest_lists(const struct manifest *m, const char *path);

/* Returns the hash that must be fed with the file's bytes, owned by the manifest. `path` is borrowed until
 * manifest_free(). */
struct sha256 *manifest_add_file(struct manifest *m, const char *path, u64 size);
/* Another file with the bytes of one that was added: `first` is its index. */
void manifest_add_same(struct manifest *m, const char *path, size_t first);

/* Ends the digests: all files must have been hashed. */
void manifest_finish(struct manifest *m);
/* The digest of what is "content" in the text form, of one that is finished. */
void manifest_content(const struct manifest *m, char ret_hex[SHA256_HEX_SIZE]);
/* The text form, borrowed: what manifest_input() gives. All files must have been hashed. */
struct buf *manifest_text(struct manifest *m);
/* Whether two that were read are the same text. */
bool manifest_same(const struct manifest *a, const struct manifest *b);

/* What has become another file. */
struct manifest_change {
	const char *path;
	const char *new_path; /* NULL: the same */
	u64 size;
	u8 digest[SHA256_SIZE];
};
/* The settings and files of one that was read, with the changes, to be written again. */
void manifest_copy(const struct manifest *from, const struct manifest_change *change, size_t n, struct manifest *ret);

/* Length of the text form in bytes. */
u64 manifest_size(const struct manifest *m);
/*
 * The text form as an input, made while it is read: all files must have been hashed when that begins. Reading from one
 * end to the other costs what rendering does; each step back begins again.
 */
struct input manifest_input(struct manifest *m);

/*
 * Reads the text form, from an untrusted stick. -EINVAL says what is wrong: another format, damaged (its own digest
 * differs), a path that is not absolute or has "..".
 */
MUST_CHECK int manifest_parse(const char *text, size_t len, struct manifest *ret, struct err *e);
void manifest_free(struct manifest *m);

#endif
