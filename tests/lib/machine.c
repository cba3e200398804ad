/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "src/base/buf.h"
#include "tests/lib/machine.h"

#define MACHINES "tests/fixtures/machines"

struct unpacker {
	struct machine *m;
	struct buf section; /* "" or "sys/block/sda/" */
	FILE *open;         /* the file whose lines come */
	struct names devices;
	const char *file;
	unsigned line;
};

static void give_up(const struct unpacker *u, const char *what)
{
	fprintf(stderr, "%s:%u: %s: %s\n", u->file, u->line, what, strerror(errno));
	exit(1);
}

static void make_dirs(const struct unpacker *u, char *path)
{
	for (char *slash = path + strlen(u->m->dir); (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			give_up(u, path);
		*slash = '/';
	}
}

/* A place below the temporary directory, with the directories above it. */
static char *place(const struct unpacker *u, const char *name)
{
	char *path = text_of("%s/%s%s", u->m->dir, u->section.s, name);

	make_dirs(u, path);
	return path;
}

static FILE *create(const struct unpacker *u, const char *name)
{
	AUTO_FREE char *path = place(u, name);
	FILE *f = fopen(path, "w");

	if (!f)
		give_up(u, path);
	return f;
}

static void put_text(FILE *f, const char *s)
{
	for (unsigned byte; *s; s++) {
		if (sscanf(s, "\\x%2x", &byte) == 1) {
			putc((int)byte, f);
			s += 3;
		} else {
			putc(*s, f);
		}
	}
	putc('\n', f);
}

static void end_file(struct unpacker *u)
{
	if (u->open && fclose(u->open) != 0)
		give_up(u, "fclose");
	u->open = NULL;
}

static void make_link(const struct unpacker *u, const char *name, const char *target)
{
	AUTO_FREE char *path = place(u, name);

	if (unlink(path) < 0 && errno != ENOENT)
		give_up(u, path);
	if (symlink(target, path) < 0)
		give_up(u, path);
}

static void make_file(struct unpacker *u, const char *name, const char *text)
{
	FILE *f = create(u, name);
	size_t len = strlen(name);

	put_text(f, text);
	if (fclose(f) != 0)
		give_up(u, name);
	if (len >= 3 && strcmp(name + len - 3, "dev") == 0 && (len == 3 || name[len - 4] == '/'))
		*ARRAY_ADD(u->devices.name, u->devices.n, u->devices.cap) =
		    text_of("%s%.*s", u->section.s, (int)(len - 3), name);
}

static void take_line(struct unpacker *u, char *line)
{
	char *cut;
	size_t len = strlen(line);

	if (u->open && line[0] == '\t') {
		put_text(u->open, line + 1);
		return;
	}
	end_file(u);
	if (!line[0] || line[0] == '#')
		return;
	if (line[0] == '[' && line[len - 1] == ']') {
		buf_clear(&u->section);
		buf_add(&u->section, line + 1, len - 2);
		buf_adds(&u->section, len > 2 ? "/" : "");
	} else if (strncmp(line, "expect ", 7) == 0) {
		*ARRAY_ADD(u->m->expect, u->m->n_expect, u->m->cap_expect) = xstrdup(line + 7);
	} else if ((cut = strstr(line, " = "))) {
		*cut = '\0';
		make_file(u, line, cut + 3);
	} else if ((cut = strstr(line, " -> "))) {
		*cut = '\0';
		make_link(u, line, cut + 4);
	} else if (line[len - 1] == '/') {
		free(place(u, line));
	} else if (line[len - 1] == ':') {
		line[len - 1] = '\0';
		u->open = create(u, line);
	} else {
		errno = EBADMSG;
		give_up(u, line);
	}
}

static void take_text(struct unpacker *u, char *text)
{
	char *end;

	for (u->line = 1; text && *text; text = end ? end + 1 : NULL, u->line++) {
		end = strchr(text, '\n');
		if (end)
			*end = '\0';
		take_line(u, text);
	}
	end_file(u);
	buf_clear(&u->section);
}

/* `dir` is below the temporary directory and ends in a slash: ".../block/sdb/". */
static void show_device(struct unpacker *u, char *dir)
{
	AUTO_FREE char *full = NULL;
	AUTO_FREE char *number = NULL;
	AUTO_FREE char *node = NULL;
	const char *name;

	dir[strlen(dir) - 1] = '\0';
	full = text_of("%s/%s", u->m->dir, dir);
	if (strncmp(dir, "sys/devices/", 12) != 0 || !sysfs_exists(full, "size"))
		return;
	name = strrchr(dir, '/') + 1;
	number = sysfs_text(full, "dev");
	for (size_t i = sysfs_exists(full, "partition") ? 1 : 0; i < 3; i++) {
		static const char *const where[] = { "sys/block", "sys/class/block", "sys/dev/block" };
		AUTO_FREE char *link = text_of("%s/%s", where[i], i == 2 ? number : name);

		make_link(u, link, full);
	}
	node = sysfs_dev_path(name);
	fclose(create(u, node + 1));
}

static char *read_machine(const char *path)
{
	struct buf b = { 0 };
	FILE *f = fopen(path, "r");
	char piece[4096];
	size_t n;

	if (!f) {
		fprintf(stderr, "%s: %s (tests run in the top directory)\n", path, strerror(errno));
		exit(1);
	}
	buf_adds(&b, "");
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&b, piece, n);
	fclose(f);
	return b.s;
}

/* Hundreds of small files, many times: in memory where that can be. */
static const char *temporary(void)
{
	const char *tmp = getenv("TMPDIR");

	if (tmp && *tmp)
		return tmp;
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

void machine_unpack(const char *name, const char *more, struct machine *ret)
{
	AUTO_FREE char *path = text_of(MACHINES "/%s.txt", name);
	AUTO_FREE char *text = read_machine(path);
	AUTO_FREE char *rest = xstrdup(more ? more : "");
	struct unpacker u = { .m = ret, .file = path };

	*ret = (struct machine){ .dir = text_of("%s/livestick-machine-XXXXXX", temporary()) };
	if (!mkdtemp(ret->dir))
		give_up(&u, ret->dir);
	ret->sys = text_of("%s/sys", ret->dir);
	ret->proc = text_of("%s/proc", ret->dir);
	ret->dev = text_of("%s/dev", ret->dir);
	ret->roots = (struct drives_roots){ ret->sys, ret->proc, ret->dev };
	buf_adds(&u.section, "");
	take_line(&u, (char[]){ "sys/devices/" });
	take_line(&u, (char[]){ "dev/" });
	take_text(&u, text);
	take_text(&u, rest);
	for (size_t i = 0; i < u.devices.n; i++)
		show_device(&u, u.devices.name[i]);
	names_free(&u.devices);
	buf_free(&u.section);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void machine_free(struct machine *m)
{
	if (m->dir)
		nftw(m->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (size_t i = 0; i < m->n_expect; i++)
		free(m->expect[i]);
	free(m->expect);
	free(m->dir);
	free(m->sys);
	free(m->proc);
	free(m->dev);
	*m = (struct machine){ 0 };
}
