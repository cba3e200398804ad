/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/manifest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char first_line[] = "livestick-manifest";

void manifest_set(struct manifest *m, const char *key, const char *value)
{
	struct manifest_setting *s = ARRAY_ADD(m->setting, m->n_settings, m->cap_settings);

	s->key = xstrdup(key);
	s->value = xstrdup(value);
	for (char *p = s->value; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
}

void manifest_setf(struct manifest *m, const char *key, const char *fmt, ...)
{
	AUTO_FREE char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) < 0)
		value = NULL;
	va_end(ap);
	manifest_set(m, key, value ? value : "");
}

const char *manifest_get(const struct manifest *m, const char *key)
{
	for (size_t i = 0; i < m->n_settings; i++)
		if (strcmp(m->setting[i].key, key) == 0)
			return m->setting[i].value;
	return NULL;
}

bool manifest_lists(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->n_files; i++)
		if (strcmp(m->file[i].path, path) == 0)
			return true;
	return false;
}

struct sha256 *manifest_add_file(struct manifest *m, const char *path, u64 size)
{
	struct manifest_file *f = ARRAY_ADD(m->file, m->n_files, m->cap_files);

	f->path = xstrdup(path);
	f->size = size;
	f->hash = sha256_new_sized(size);
	return f->hash;
}

/* The line as it would be in the other slot. */
static void add_content(struct sha256 *content, const struct manifest_file *f, const char *hex)
{
	static const char slot_b[] = "/slot-b/";
	const char *path = strncmp(f->path, slot_b, strlen(slot_b)) == 0 ? f->path + strlen(slot_b) - 1 : f->path;
	AUTO_BUF struct buf line = { 0 };

	buf_addf(&line, "file %s %llu %s\n", hex, (unsigned long long)f->size, path);
	sha256_add(content, line.s, line.len);
}

static void render(const struct manifest *m, struct buf *out)
{
	struct sha256 *content = sha256_new();
	char hex[SHA256_HEX_SIZE];
	u8 digest[SHA256_SIZE];

	buf_addf(out, "%s %d\n", first_line, MANIFEST_FORMAT);
	for (size_t i = 0; i < m->n_settings; i++)
		buf_addf(out, "%s %s\n", m->setting[i].key, m->setting[i].value);
	for (size_t i = 0; i < m->n_files; i++) {
		const struct manifest_file *f = &m->file[i];

		sha256_hex(f->digest, hex);
		buf_addf(out, "file %s %llu %s\n", hex, (unsigned long long)f->size, f->path);
		if (strncmp(f->path, "/livestick/", 11) != 0)
			add_content(content, f, hex);
	}
	sha256_end(content, digest);
	sha256_hex(digest, hex);
	buf_addf(out, "content %s\n", hex);
	sha256_of(out->s, out->len, digest);
	sha256_hex(digest, hex);
	buf_addf(out, "end %s\n", hex);
}

static size_t digits(u64 n)
{
	size_t len = 1;

	for (; n >= 10; n /= 10)
		len++;
	return len;
}

/* Counted, not rendered: it is asked for several times of a hundred thousand files. */
u64 manifest_size(const struct manifest *m)
{
	const size_t digest = SHA256_HEX_SIZE - 1;
	u64 size = strlen(first_line) + digits(MANIFEST_FORMAT) + 2;

	for (size_t i = 0; i < m->n_settings; i++)
		size += strlen(m->setting[i].key) + strlen(m->setting[i].value) + 2;
	for (size_t i = 0; i < m->n_files; i++)
		size += strlen("file   \n") + digest + digits(m->file[i].size) + strlen(m->file[i].path);
	return size + strlen("content \nend \n") + 2 * digest;
}

struct buf *manifest_text(struct manifest *m)
{
	for (size_t i = 0; i < m->n_files; i++) {
		if (m->file[i].hash)
			sha256_end(m->file[i].hash, m->file[i].digest);
		m->file[i].hash = NULL;
	}
	if (!m->text.len)
		render(m, &m->text);
	return &m->text;
}

static int read_text(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct buf *text = manifest_text(ctx);

	if (off > text->len || len > text->len - off)
		return fail(e, -EIO, "manifest: is not as long as was planned");
	memcpy(buf, text->s + off, len);
	return 0;
}

/* What every text form has of its own is not a setting. */
static bool is_made(const char *key)
{
	return strcmp(key, first_line) == 0 || strcmp(key, "content") == 0;
}

void manifest_copy(const struct manifest *from, const struct manifest_change *change, size_t n, struct manifest *ret)
{
	for (size_t i = 0; i < from->n_settings; i++)
		if (!is_made(from->setting[i].key))
			manifest_set(ret, from->setting[i].key, from->setting[i].value);
	for (size_t i = 0; i < from->n_files; i++) {
		struct manifest_file *f = ARRAY_ADD(ret->file, ret->n_files, ret->cap_files);

		*f = (struct manifest_file){ .path = xstrdup(from->file[i].path), .size = from->file[i].size };
		memcpy(f->digest, from->file[i].digest, SHA256_SIZE);
		for (size_t k = 0; k < n; k++) {
			if (strcmp(change[k].path, f->path) == 0) {
				f->size = change[k].size;
				memcpy(f->digest, change[k].digest, SHA256_SIZE);
			}
		}
	}
}

bool manifest_same(const struct manifest *a, const struct manifest *b)
{
	AUTO_BUF struct buf x = { 0 }, y = { 0 };

	render(a, &x);
	render(b, &y);
	return x.len == y.len && memcmp(x.s, y.s, x.len) == 0;
}

struct input manifest_input(struct manifest *m)
{
	return (struct input){ .read = read_text, .ctx = m };
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_digest(const char *hex, u8 ret_digest[SHA256_SIZE])
{
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		int high = hex_digit(hex[2 * i]), low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		ret_digest[i] = (u8)(high << 4 | low);
	}
	return true;
}

/* Absolute, without "//", "." and ".." parts: what we write ourselves. */
static bool clean_path(const char *p)
{
	if (*p != '/' || !p[1])
		return false;
	while (*p == '/') {
		size_t n = strcspn(++p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
	}
	return true;
}

/* "SHA256 SIZE /path" */
static int parse_file(struct manifest *m, const char *line, struct err *e)
{
	struct manifest_file *f = ARRAY_ADD(m->file, m->n_files, m->cap_files);
	char *end = NULL;

	f->path = xstrdup("");
	if (strlen(line) < 2 * SHA256_SIZE + 4 || !parse_digest(line, f->digest) || line[2 * SHA256_SIZE] != ' ')
		return fail(e, -EINVAL, "a digest in it cannot be read");
	line += 2 * SHA256_SIZE + 1;
	if (*line < '0' || *line > '9')
		return fail(e, -EINVAL, "a size in it cannot be read");
	errno = 0;
	f->size = strtoull(line, &end, 10);
	if (errno || *end != ' ' || !clean_path(end + 1))
		return fail(e, -EINVAL, "a size or path in it cannot be read");
	free(f->path);
	f->path = xstrdup(end + 1);
	return 0;
}

static int parse_line(struct manifest *m, char *line, struct err *e)
{
	char *value = strchr(line, ' ');

	if (!value)
		return fail(e, -EINVAL, "a line in it has no value");
	*value++ = '\0';
	if (strcmp(line, "file") == 0)
		return parse_file(m, value, e);
	manifest_set(m, line, value);
	return 0;
}

/* The last line is the digest of everything before it. */
static int check_end(const char *text, size_t len, size_t *ret_body, struct err *e)
{
	const size_t last = strlen("end ") + 2 * SHA256_SIZE + 1;
	u8 said[SHA256_SIZE], is[SHA256_SIZE];

	if (len < last || memchr(text, '\0', len) || memcmp(text + len - last, "end ", 4) != 0 ||
	    text[len - 1] != '\n' || !parse_digest(text + len - last + 4, said))
		return fail(e, -EINVAL, "manifest: is cut short or no manifest");
	sha256_of(text, len - last, is);
	if (memcmp(said, is, SHA256_SIZE) != 0)
		return fail(e, -EINVAL, "manifest: is damaged: its own digest differs");
	*ret_body = len - last;
	return 0;
}

int manifest_parse(const char *text, size_t len, struct manifest *ret, struct err *e)
{
	struct manifest m = { 0 };
	AUTO_FREE char *body = NULL;
	size_t body_len = 0;
	char *line, *next;
	int r = check_end(text, len, &body_len, e);

	if (r < 0)
		return r;
	body = xstrndup(text, body_len);
	for (line = body; r == 0 && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		r = parse_line(&m, line, e);
	}
	if (r == 0 && (!m.n_settings || strcmp(m.setting[0].key, first_line) != 0))
		r = fail(e, -EINVAL, "is no manifest");
	if (r == 0 && strtoul(m.setting[0].value, NULL, 10) != MANIFEST_FORMAT)
		r = fail(e, -EINVAL, "is of format %s, this livestick knows %d", m.setting[0].value, MANIFEST_FORMAT);
	if (r < 0) {
		manifest_free(&m);
		return fail(e, r, "manifest");
	}
	*ret = m;
	return 0;
}

void manifest_free(struct manifest *m)
{
	for (size_t i = 0; i < m->n_settings; i++) {
		free(m->setting[i].key);
		free(m->setting[i].value);
	}
	for (size_t i = 0; i < m->n_files; i++) {
		free(m->file[i].path);
		sha256_free(m->file[i].hash);
	}
	free(m->setting);
	free(m->file);
	buf_free(&m->text);
	*m = (struct manifest){ 0 };
}
