/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/prove_menu.h"

#include <ctype.h>
#include <errno.h>
#include <time.h>

#include "src/base/args.h"
#include "src/fs/ext4_update.h"
#include "src/fs/fat_update.h"
#include "src/fs/reader.h"

#define CONSOLE "console=tty0 console=ttyS0,115200"

#define PARTS_MAX  8           /* partitions that are looked at */
#define FILES_MAX  64          /* menus that are changed on one of them */
#define MENU_BYTES (256 * KIB) /* no menu is larger */
#define DEPTH_MAX  5           /* directories above a menu */

/* ---- the text */

enum dialect { NONE, SYSLINUX, GRUB, BLS };

static bool ends_in(const char *path, const char *end)
{
	size_t len = strlen(path), n = strlen(end);

	return len >= n && strcasecmp(path + len - n, end) == 0;
}

static enum dialect dialect_of(const char *path)
{
	if (ends_in(path, ".grub") || (strcasestr(path, "grub") && ends_in(path, ".cfg")))
		return GRUB;
	if (strcasestr(path, "/loader/entries/") && ends_in(path, ".conf"))
		return BLS;
	/* Debian's media have their GRUB menu in files of other names too, which are in a directory called grub. */
	return ends_in(path, ".cfg") || ends_in(path, "linux.conf") ? SYSLINUX : NONE;
}

/* One line: blanks in front, the first word, all that follows it. */
struct line {
	const char *text;
	size_t indent, word, len; /* where the word begins, where it ends, where the line does */
};

static struct line split(const char *text)
{
	struct line l = { .text = text, .len = strcspn(text, "\n") };

	while (l.indent < l.len && (text[l.indent] == ' ' || text[l.indent] == '\t'))
		l.indent++;
	l.word = l.indent;
	while (l.word < l.len && !isspace((unsigned char)text[l.word]))
		l.word++;
	return l;
}

static bool word_is(const struct line *l, const char *word)
{
	size_t len = l->word - l->indent;

	return len == strlen(word) && strncasecmp(l->text + l->indent, word, len) == 0;
}

/* What follows on the line from `at` on: kernel arguments, changed. */
static void add_args(const struct line *l, size_t at, struct buf *out)
{
	static const char *const drop[] = { "quiet",     "splash",   "splash=",   "rhgb",
		                            "silent",    "console=", "loglevel=", "systemd.show_status=",
		                            "plymouth.*" };
	AUTO_FREE char *args = xstrndup(l->text + at, l->len - at);
	AUTO_BUF struct buf changed = { 0 };

	args_without(args, drop, ARRAY_SIZE(drop), &changed);
	args_add(&changed, CONSOLE);
	buf_add(out, l->text, at);
	buf_addf(out, " %s", changed.s);
}

/* Where the word behind the first one ends: the kernel's path. */
static size_t behind_second(const struct line *l)
{
	size_t at = l->word;

	while (at < l->len && isspace((unsigned char)l->text[at]))
		at++;
	while (at < l->len && !isspace((unsigned char)l->text[at]))
		at++;
	return at;
}

static bool grub_loads_linux(const struct line *l)
{
	static const char *const words[] = { "linux", "linuxefi", "linux16", "$linux", "${linux}", "\"$linux\"" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (word_is(l, words[i]))
			/* a line that goes on in the next one is left alone */
			return l->text[l->len - 1] != '\\';
	return false;
}

struct edit {
	enum dialect dialect;
	bool timeout_done; /* of SYSLINUX, whose submenus have others */
	bool has_console;
};

static bool grub_timeout(const struct line *l)
{
	size_t at = l->word;

	if (!word_is(l, "set"))
		return strncmp(l->text + l->indent, "timeout=", MIN(strlen("timeout="), l->len - l->indent)) == 0 &&
		       l->len - l->indent > strlen("timeout=");
	while (at < l->len && isspace((unsigned char)l->text[at]))
		at++;
	return l->len - at > strlen("timeout=") && strncmp(l->text + at, "timeout=", strlen("timeout=")) == 0;
}

/* False: the line stays as it is. */
static bool edit_line(struct edit *t, const struct line *l, struct buf *out)
{
	switch (t->dialect) {
	case GRUB:
		if (grub_loads_linux(l)) {
			add_args(l, behind_second(l), out);
			t->has_console = true;
			return true;
		}
		if (grub_timeout(l)) {
			buf_add(out, l->text, l->indent);
			buf_adds(out, "set timeout=1");
			return true;
		}
		return false;
	case BLS:
		if (!word_is(l, "options"))
			return false;
		add_args(l, l->word, out);
		t->has_console = true;
		return true;
	case SYSLINUX:
		if (word_is(l, "append") && l->text[l->len - 1] != '-') {
			add_args(l, l->word, out);
			t->has_console = true;
			return true;
		}
		if (!word_is(l, "timeout") || t->timeout_done)
			return false;
		t->timeout_done = true;
		buf_adds(out, "TIMEOUT 10");
		return true;
	default:
		return false;
	}
}

bool prove_edit_menu(const char *path, const char *text, struct buf *out, bool *console)
{
	struct edit t = { .dialect = dialect_of(path) };
	bool changed = false;

	if (t.dialect == NONE)
		return false;
	buf_clear(out);
	for (const char *at = text; *at;) {
		struct line l = split(at);

		if (edit_line(&t, &l, out))
			changed = true;
		else
			buf_add(out, l.text, l.len);
		at += l.len;
		if (*at == '\n') {
			buf_adds(out, "\n");
			at++;
		}
	}
	*console = *console || t.has_console;
	return changed;
}

/* ---- the files */

struct found {
	char *path[FILES_MAX];
	size_t n;
};

static int note_menu(void *ctx, const struct reader_entry *entry)
{
	struct found *f = ctx;
	unsigned depth = 0;

	for (const char *c = entry->path; *c; c++)
		depth += *c == '/';
	if (entry->is_file && entry->size && entry->size <= MENU_BYTES && depth <= DEPTH_MAX &&
	    dialect_of(entry->path) != NONE)
		f->path[f->n++] = xstrdup(entry->path);
	return f->n == FILES_MAX;
}

/* The changed menus, as files to be put. */
static int edit_menus(struct reader *v, struct volume_files *put, bool *console, struct err *e)
{
	struct found f = { 0 };
	int r = reader_each(v, note_menu, &f, e);

	for (size_t i = 0; i < f.n; i++) {
		AUTO_FREE char *text = NULL;
		struct buf out = { 0 };
		size_t len = 0;

		if (r >= 0)
			r = reader_load(v, f.path[i], MENU_BYTES, &text, &len, e);
		if (r >= 0 && prove_edit_menu(f.path[i], text, &out, console)) {
			volume_add_owned(put, f.path[i], out.s, out.len, time(NULL));
			out = (struct buf){ 0 };
		}
		buf_free(&out);
		free(f.path[i]);
	}
	return MIN(r, 0);
}

static int put_menus(struct device *overlay, const struct scan_part *part, const char *kind, struct volume_files *put,
                     struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	struct volume_update wanted = { .put = *put };
	int r =
	    (strcmp(kind, "FAT") == 0 ? fat_update_open : ext4_update_open)(overlay, part->start, part->size, &u, e);

	if (r == 0)
		r = update_plan(u, &wanted, e);
	if (r == 0)
		r = update_run(u, overlay, NULL, e);
	*put = wanted.put;
	return r;
}

static int change_partition(struct device *overlay, const struct scan_part *part, bool *ret_console, struct err *e)
{
	AUTO_DEVICE struct device *window = device_new_window(overlay, "partition", part->start, part->size);
	AUTO_READER struct reader *v = NULL;
	struct volume_files put = { 0 };
	bool console = false;
	int r = reader_open(window, &v, e);

	if (r == 0)
		r = edit_menus(v, &put, &console, e);
	if (r == 0 && put.n)
		r = put_menus(overlay, part, v->kind, &put, e);
	if (r == 0 && console)
		*ret_console = true;
	volume_files_free(&put);
	return r;
}

int prove_add_console(struct device *overlay, const struct stick *s, char **ret_why_not, struct err *e)
{
	AUTO_FREE char *why = NULL;
	bool console = false;

	for (size_t i = 0; i < MIN(s->scan.n_parts, PARTS_MAX); i++) {
		const struct scan_part *part = &s->scan.part[i];
		AUTO_ERR struct err other = { 0 };
		int r;

		if (s->is_ours && part->start != s->boot_start)
			continue;
		r = change_partition(overlay, part, &console, &other);
		if (r == -EINTR)
			return fail(e, r, "interrupted");
		/* What is no file system of ours to read has no menu that we could change. */
		if (r < 0 && r != -EINVAL && !why && other.text)
			why = xstrdup(other.text);
	}
	*ret_why_not = console ? NULL : why ? TAKE(why) : xstrdup("no menu with an entry for Linux was found");
	return 0;
}
