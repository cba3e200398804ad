/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "src/least_power.h"
#include "src/media/guard.h"
#include "src/render.h"
#include "src/verb.h"

#define CELL_MAX 32 /* columns of a text that a drive tells of itself */

struct state {
	bool json, all;
};

static const struct verb_option options[] = {
	{ "json", NULL, "print one JSON object" },
	{ "all", NULL, "also name loop devices in use and what is not a drive of its own (device-mapper, RAID ...)" },
};

static int set(void *state, const char *option, const char *value, struct err *e)
{
	struct state *s = state;

	(void)value;
	(void)e;
	*(strcmp(option, "json") == 0 ? &s->json : &s->all) = true;
	return 0;
}

/* Without --all: real drives and CD drives, and a loop device only when it may be written. */
static bool is_shown(const struct state *s, const struct drive *d)
{
	bool is_loop = strcmp(d->transport, "loop") == 0;

	return s->all || !d->n_reasons || d->kind == DRIVE_CD || (d->kind == DRIVE_DISK && !is_loop);
}

static bool starts_character(char c)
{
	return (c & 0xc0) != 0x80;
}

/* Escaped, and cut after CELL_MAX characters, the last three of them then being dots. */
static char *cell_text(const char *s)
{
	AUTO_FREE char *safe = escaped(s);
	size_t columns = 0, keep = 0;

	for (size_t i = 0; safe[i]; i++) {
		if (starts_character(safe[i]) && columns++ == CELL_MAX - 3)
			keep = i;
	}
	if (columns > CELL_MAX)
		return text_of("%.*s...", (int)keep, safe);
	return TAKE(safe);
}

static size_t width_of(const char *s)
{
	size_t columns = 0;

	for (; *s; s++)
		columns += starts_character(*s);
	return columns;
}

static char *model_text(const struct drive *d)
{
	AUTO_FREE char *both = text_of("%s%s%s", d->vendor, *d->vendor && *d->model ? " " : "", d->model);

	return cell_text(both);
}

enum column { COLUMN_PATH, COLUMN_SIZE, COLUMN_MODEL, COLUMN_SERIAL, COLUMN_BUS, N_COLUMNS };

static void row_of(const struct drive *d, char *ret_row[N_COLUMNS])
{
	ret_row[COLUMN_PATH] = cell_text(d->path);
	ret_row[COLUMN_SIZE] = size_text(d->size);
	ret_row[COLUMN_MODEL] = model_text(d);
	ret_row[COLUMN_SERIAL] = cell_text(d->serial);
	ret_row[COLUMN_BUS] = xstrdup(d->transport);
}

/* `row`: n rows of cells, the first is the heading; they are freed. */
static void render_table(char *(*row)[N_COLUMNS], size_t n, struct buf *out)
{
	size_t width[N_COLUMNS] = { 0 };

	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < N_COLUMNS; c++)
			width[c] = MAX(width[c], width_of(row[i][c]));
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < N_COLUMNS; c++) {
			buf_adds(out, row[i][c]);
			if (c + 1 < N_COLUMNS)
				buf_addf(out, "%*s", (int)(width[c] - width_of(row[i][c]) + 2), "");
			free(row[i][c]);
		}
		buf_adds(out, "\n");
	}
}

static size_t render_offered(const struct state *s, const struct drives *all, struct buf *out)
{
	static const char *const heading[N_COLUMNS] = { "DRIVE", "SIZE", "MODEL", "SERIAL", "BUS" };
	AUTO_FREE char *(*row)[N_COLUMNS] = xcalloc(all->n + 1, sizeof(*row));
	size_t n = 1;

	for (size_t c = 0; c < N_COLUMNS; c++)
		row[0][c] = xstrdup(heading[c]);
	for (size_t i = 0; i < all->n; i++)
		if (is_shown(s, &all->drive[i]) && !all->drive[i].n_reasons)
			row_of(&all->drive[i], row[n++]);
	if (n > 1)
		render_table(row, n, out);
	else
		for (size_t c = 0; c < N_COLUMNS; c++)
			free(row[0][c]);
	return n - 1;
}

static void render_refused(const struct drive *d, struct buf *out)
{
	AUTO_FREE char *path = cell_text(d->path);
	AUTO_FREE char *model = model_text(d);

	buf_addf(out, "  %s (%s%s", path, model, *model ? ", " : "");
	buf_add_size(out, d->size);
	buf_adds(out, "): ");
	for (size_t i = 0; i < d->n_reasons; i++) {
		buf_adds(out, i ? "; " : "");
		buf_add_escaped(out, d->reasons[i]);
	}
	buf_adds(out, "\n");
}

static int print_text(const struct state *s, const struct drives *all, struct err *e)
{
	AUTO_BUF struct buf out = { 0 };
	size_t offered = render_offered(s, all, &out), refused = 0;

	for (size_t i = 0; i < all->n; i++) {
		if (!is_shown(s, &all->drive[i]) || !all->drive[i].n_reasons)
			continue;
		if (refused++ == 0)
			buf_addf(&out, "%snot offered:\n", offered ? "\n" : "");
		render_refused(&all->drive[i], &out);
	}
	if (out.s)
		fputs(out.s, stdout);
	if (!offered)
		fputs("There is no drive that may be written: plug in a USB stick.\n", stderr);
	return finish_stdout(e);
}

static struct json_object *drive_json(const struct drive *d)
{
	struct json_object *o = json_object_new_object(), *reasons = json_object_new_array();

	json_add_text(o, "path", d->path);
	json_add_bytes(o, "size", d->size);
	json_add_text(o, "vendor", d->vendor);
	json_add_text(o, "model", d->model);
	json_add_text(o, "serial", d->serial);
	json_add_text(o, "transport", d->transport);
	json_add_bool(o, "removable", d->removable);
	json_add_bytes(o, "sector_size", d->sector_size);
	json_add_bool(o, "writable", !d->n_reasons);
	for (size_t i = 0; i < d->n_reasons; i++) {
		AUTO_FREE char *safe = escaped(d->reasons[i]);

		json_object_array_add(reasons, json_object_new_string(safe));
	}
	json_object_object_add(o, "reasons", reasons);
	return o;
}

static int print_json(const struct state *s, const struct drives *all, struct err *e)
{
	struct json_object *o = json_result(), *list = json_object_new_array();

	for (size_t i = 0; i < all->n; i++)
		if (is_shown(s, &all->drive[i]))
			json_object_array_add(list, drive_json(&all->drive[i]));
	json_object_object_add(o, "drives", list);
	return json_print(o, e);
}

/* LIVESTICK_SYSROOT names a directory with sys, proc and dev of another machine. Nothing but this verb looks at it. */
static int run(void *state, int argc, char **argv, struct err *e)
{
	const struct state *s = state;
	const char *root = getenv("LIVESTICK_SYSROOT");
	AUTO_FREE char *sys = text_of("%s/sys", root ? root : "");
	AUTO_FREE char *proc = text_of("%s/proc", root ? root : "");
	AUTO_FREE char *dev = text_of("%s/dev", root ? root : "");
	const struct drives_roots roots = { sys, proc, dev };
	const struct least_power_request limits = { .plan = { .source = root } };
	struct least_power power = { 0 };
	AUTO_DRIVES struct drives all = { 0 };
	int r = least_power_begin(&limits, &power, e);

	(void)argc;
	(void)argv;
	if (r == 0)
		r = guard_list(&roots, &all, e);
	if (r == 0)
		r = s->json ? print_json(s, &all, e) : print_text(s, &all, e);
	least_power_end(&power);
	return r;
}

const struct verb verb_list = {
	.name = "list",
	.args = "",
	.help = "show the drives that may be written, and why the others may not",
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
