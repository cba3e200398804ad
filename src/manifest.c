/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/manifest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char first_line[] = "livestick-manifest";

static struct manifest_setting *find_setting(const struct manifest *m, const char *key)
{
	for (size_t i = 0; i < m->n_settings; i++)
		if (strcmp(m->setting[i].key, key) == 0)
			return &m->setting[i];
	return NULL;
}

void manifest_set(struct manifest *m, const char *key, const char *value)
{
	struct manifest_setting *s = find_setting(m, key);
	char *one_line = xstrdup(value);

	for (char *p = one_line; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	if (!s) {
		s = ARRAY_ADD(m->setting, m->n_settings, m->cap_settings);
		s->key = xstrdup(key);
	}
	free(s->value);
	s->value = one_line;
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
	const struct manifest_setting *s = find_setting(m, key);

	return s ? s->value : NULL;
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

	f->path = path;
	f->size = size;
	f->hash = pool_alloc(&m->pool, sizeof(*f->hash));
	sha256_begin(f->hash, size);
	return f->hash;
}

void manifest_add_same(struct manifest *m, const char *path, size_t first)
{
	struct manifest_file *f = ARRAY_ADD(m->file, m->n_files, m->cap_files);

	f->path = path;
	f->size = m->file[first].size;
	f->hash = m->file[first].hash;
}

/* The line as it would be in the other slot; nothing of our own files. */
static void add_content(struct sha256 *content, const struct manifest_file *f, const char *hex)
{
	static const char slot_b[] = "/slot-b/";
	const char *path = strncmp(f->path, slot_b, strlen(slot_b)) == 0 ? f->path + strlen(slot_b) - 1 : f->path;
	AUTO_BUF struct buf line = { 0 };

	if (strncmp(f->path, "/livestick/", 11) == 0)
		return;
	buf_addf(&line, "file %s %llu %s\n", hex, (unsigned long long)f->size, path);
	sha256_add(content, line.s, line.len);
}

/* The text form is made line by line: of a hundred thousand files it would be as large as all else that is known of
 * them. */
struct text_maker {
	const struct manifest *m;
	size_t line; /* the next one */
	struct sha256 *content, *all;
};

static size_t n_lines(const struct manifest *m)
{
	return 1 + m->n_settings + m->n_files + 2;
}

static void start_text(struct text_maker *t, const struct manifest *m)
{
	*t = (struct text_maker){ .m = m, .content = sha256_new(), .all = sha256_new() };
}

static void stop_text(struct text_maker *t)
{
	sha256_free(t->content);
	sha256_free(t->all);
	*t = (struct text_maker){ 0 };
}

static void add_digest_line(struct buf *out, const char *key, struct sha256 *of)
{
	char hex[SHA256_HEX_SIZE];
	u8 digest[SHA256_SIZE];

	sha256_end(of, digest);
	sha256_hex(digest, hex);
	buf_addf(out, "%s %s\n", key, hex);
}

static void add_file_line(struct text_maker *t, const struct manifest_file *f, struct buf *out)
{
	char hex[SHA256_HEX_SIZE];

	sha256_hex(f->hash->digest, hex);
	buf_addf(out, "file %s %llu %s\n", hex, (unsigned long long)f->size, f->path);
	add_content(t->content, f, hex);
}

/* Adds the next line; false: there is none left. */
static bool add_line(struct text_maker *t, struct buf *out)
{
	const struct manifest *m = t->m;
	size_t i = t->line++, before = out->len, n = n_lines(m);

	if (i >= n)
		return false;
	if (i == n - 1) {
		add_digest_line(out, "end", TAKE(t->all));
		return true;
	}
	if (i == 0)
		buf_addf(out, "%s %d\n", first_line, MANIFEST_FORMAT);
	else if (i <= m->n_settings)
		buf_addf(out, "%s %s\n", m->setting[i - 1].key, m->setting[i - 1].value);
	else if (i <= m->n_settings + m->n_files)
		add_file_line(t, &m->file[i - 1 - m->n_settings], out);
	else
		add_digest_line(out, "content", TAKE(t->content));
	sha256_add(t->all, out->s + before, out->len - before);
	return true;
}

static void render(const struct manifest *m, struct buf *out)
{
	struct text_maker t;

	start_text(&t, m);
	while (add_line(&t, out))
		;
	stop_text(&t);
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

void manifest_finish(struct manifest *m)
{
	for (size_t i = 0; i < m->n_files; i++)
		sha256_finish(m->file[i].hash);
}

void manifest_content(const struct manifest *m, char ret_hex[SHA256_HEX_SIZE])
{
	struct sha256 *content = sha256_new();
	u8 digest[SHA256_SIZE];

	for (size_t i = 0; i < m->n_files; i++) {
		sha256_hex(m->file[i].hash->digest, ret_hex);
		add_content(content, &m->file[i], ret_hex);
	}
	sha256_end(content, digest);
	sha256_hex(digest, ret_hex);
}

struct buf *manifest_text(struct manifest *m)
{
	manifest_finish(m);
	if (!m->text.len)
		render(m, &m->text);
	return &m->text;
}

/* Where a reading of the text form is. */
struct manifest_reading {
	struct text_maker maker;
	u64 off; /* of `lines` in the text */
	struct buf lines;
};

static void reading_free(struct manifest_reading *rd)
{
	if (!rd)
		return;
	stop_text(&rd->maker);
	buf_free(&rd->lines);
	free(rd);
}

/* From the start again, at the first time and when somebody goes back. */
static struct manifest_reading *reading_from(struct manifest *m, u64 off)
{
	if (m->reading && off >= m->reading->off)
		return m->reading;
	manifest_finish(m);
	reading_free(m->reading);
	m->reading = xcalloc(1, sizeof(*m->reading));
	start_text(&m->reading->maker, m);
	return m->reading;
}

static void forget_before(struct manifest_reading *rd, u64 off)
{
	size_t n = (size_t)MIN(off - rd->off, rd->lines.len);

	if (n)
		memmove(rd->lines.s, rd->lines.s + n, rd->lines.len - n);
	rd->lines.len -= n;
	rd->off += n;
}

static int read_text(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct manifest_reading *rd = reading_from(ctx, off);

	forget_before(rd, off);
	while (off + len > rd->off + rd->lines.len) {
		if (!add_line(&rd->maker, &rd->lines))
			return fail(e, -EIO, "manifest: is not as long as was planned");
		forget_before(rd, off);
	}
	memcpy(buf, rd->lines.s + (off - rd->off), len);
	return 0;
}

/* A file whose digest is known. */
static void add_known(struct manifest *m, const char *path, u64 size, const u8 digest[SHA256_SIZE])
{
	struct sha256 *hash = manifest_add_file(m, pool_strdup(&m->pool, path), size);

	memcpy(hash->digest, digest, SHA256_SIZE);
	hash->is_done = true;
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
		const struct manifest_file *f = &from->file[i];
		const char *path = f->path;
		u64 size = f->size;
		const u8 *digest = f->hash->digest;

		for (size_t k = 0; k < n; k++) {
			if (strcmp(change[k].path, f->path) != 0)
				continue;
			size = change[k].size;
			digest = change[k].digest;
			path = change[k].new_path ? change[k].new_path : path;
		}
		add_known(ret, path, size, digest);
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
	u8 digest[SHA256_SIZE];
	char *end = NULL;
	u64 size;

	if (strlen(line) < 2 * SHA256_SIZE + 4 || !parse_digest(line, digest) || line[2 * SHA256_SIZE] != ' ')
		return fail(e, -EINVAL, "a digest in it cannot be read");
	line += 2 * SHA256_SIZE + 1;
	if (*line < '0' || *line > '9')
		return fail(e, -EINVAL, "a size in it cannot be read");
	errno = 0;
	size = strtoull(line, &end, 10);
	if (errno || *end != ' ' || !clean_path(end + 1))
		return fail(e, -EINVAL, "a size or path in it cannot be read");
	add_known(m, end + 1, size, digest);
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
	AUTO_BUF struct buf line = { 0 };
	const char *end, *next;
	size_t body_len = 0;
	int r = check_end(text, len, &body_len, e);

	if (r < 0)
		return r;
	end = text + body_len;
	for (const char *p = text; r == 0 && p < end; p = next) {
		const char *feed = memchr(p, '\n', (size_t)(end - p));

		next = feed ? feed + 1 : end;
		buf_clear(&line);
		buf_add(&line, p, (size_t)((feed ? feed : end) - p));
		r = parse_line(&m, line.s, e);
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
	for (size_t i = 0; i < m->n_files; i++)
		sha256_stop(m->file[i].hash);
	free(m->setting);
	free(m->file);
	pool_free(&m->pool);
	buf_free(&m->text);
	reading_free(m->reading);
	*m = (struct manifest){ 0 };
}
