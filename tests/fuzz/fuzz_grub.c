/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GRUB configurations and boot entries that somebody made up. Input: the first file; lines of 0x01 NAME begin further
 * ones, so that source and configfile have where to go. The same input is read once more as a boot entry and as
 * loader.conf. What was read must keep the promises of bootinst/menu.h, and what is written for GRUB and read again
 * must be the same.
 *
 *	clang -fsanitize=fuzzer,address,undefined ... tests/fuzz/fuzz_grub.c      or with -DFUZZ_MAIN: runs the named
 *files
 */
#include <errno.h>
#include <stdio.h>

#include "bootinst/menu.h"

#define FIRST "/boot/grub/grub.cfg"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct files {
	const char *data;
	size_t size;
};

static int load(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	const struct files *f = ctx;
	const char *at = f->data, *end = f->data + f->size;

	(void)e;
	if (strcmp(path, "/boot") == 0)
		return -EISDIR;
	for (bool first = true; at; first = false) {
		const char *next = memchr(at, 1, (size_t)(end - at)), *stop = next ? next : end;
		const char *line = first ? at : memchr(at, '\n', (size_t)(stop - at));
		bool match = first ? strcmp(path, FIRST) == 0
		                   : line && (size_t)(line - at) == strlen(path) && memcmp(at, path, strlen(path)) == 0;

		if (match) {
			*ret_len = (size_t)(stop - line);
			*ret_text = xcalloc(1, *ret_len + 1);
			memcpy(*ret_text, line, *ret_len);
			return 0;
		}
		at = next ? next + 1 : NULL;
	}
	return -ENOENT;
}

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void check_path(const char *path)
{
	need(path[0] == '/' && !strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
}

static bool same_files_and_args(const struct menu_entry *a, const struct menu_entry *b)
{
	if (strcmp(a->kernel, b->kernel) != 0 || strcmp(a->args, b->args) != 0 || a->n_initrds != b->n_initrds)
		return false;
	for (size_t i = 0; i < a->n_initrds; i++)
		if (strcmp(a->initrds[i], b->initrds[i]) != 0)
			return false;
	return true;
}

static void check_menu(const struct menu *m)
{
	size_t n_default = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct menu_entry *n = &m->entry[i];

		n_default += n->is_default;
		need(*n->id && strlen(n->id) <= MENU_ID_MAX &&
		     strspn(n->id, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(n->id));
		need(*n->title && strlen(n->args) <= MENU_ARGS_MAX && !strpbrk(n->title, "\r\n\x1b\x7f"));
		need(!n->submenu || (*n->submenu && !strpbrk(n->submenu, "\r\n\x1b\x7f")));
		check_path(n->kernel);
		for (size_t k = 0; k < n->n_initrds; k++)
			check_path(n->initrds[k]);
		for (size_t k = 0; k < i && i < 50; k++)
			need(strcmp(n->id, m->entry[k].id) != 0 && !same_files_and_args(n, &m->entry[k]));
	}
	need(n_default == (m->n > 0) && m->n <= 1000 && m->timeout_ds <= 36000);
}

/* ---- written and read again */

struct stick {
	struct buf top, slot;
	char sector[MENU_SWITCH_SIZE];
};

static int load_stick(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	struct stick *s = ctx;
	const struct {
		const char *path, *text;
		size_t len;
	} file[] = {
		{ "/livestick/grub.cfg", s->top.s, s->top.len },
		{ "/livestick/a.grub", s->slot.s, s->slot.len },
		{ "/livestick/switch.cfg", s->sector, sizeof(s->sector) },
	};

	(void)e;
	for (size_t i = 0; i < ARRAY_SIZE(file); i++) {
		if (strcmp(file[i].path, path) == 0) {
			*ret_len = file[i].len;
			*ret_text = xstrndup(file[i].text, file[i].len);
			return 0;
		}
	}
	return -ENOENT;
}

static int write_stick(const struct menu *m, struct stick *s, struct buf *warnings, struct err *e)
{
	struct menu_switch which = { .slot = 'a' };

	menu_write_grub_top(m->timeout_ds, "linux", &s->top);
	for (size_t i = 0; i < m->n; i++)
		if (m->entry[i].is_default)
			snprintf(which.default_id, sizeof(which.default_id), "%s", m->entry[i].id);
	menu_write_switch(&which, s->sector);
	return menu_write_grub(m, &s->slot, warnings, e);
}

static void check_written(const struct menu *m)
{
	struct stick first = { 0 }, second = { 0 };
	const struct menu_loader l = { load_stick, &first };
	CLEANUP(menu_free) struct menu again = { 0 };
	AUTO_BUF struct buf warnings = { 0 }, more = { 0 };
	AUTO_ERR struct err e = { 0 };
	int r = m->n ? write_stick(m, &first, &warnings, &e) : -EINVAL;

	need(r == 0 || !m->n || e.text);
	if (r == 0 && first.slot.len <= MIB) {
		need(menu_read_grub(&l, "/livestick/grub.cfg", &again, &e) == 0);
		check_menu(&again);
		if (!warnings.len)
			need(again.n == m->n && write_stick(&again, &second, &more, &e) == 0 &&
			     strcmp(first.slot.s, second.slot.s) == 0);
	}
	buf_free(&first.top);
	buf_free(&first.slot);
	buf_free(&second.top);
	buf_free(&second.slot);
}

static void check(int r, const struct menu *m, struct err *e)
{
	if (r < 0)
		need(e->text && e->code == EXIT_SOURCE && m->n == 0);
	else
		need(!e->text);
	check_menu(m);
	err_clear(e);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct files files = { (const char *)data, size };
	const struct menu_loader l = { load, &files };
	const char *const entries[] = { FIRST, "/a", FIRST };
	CLEANUP(menu_free) struct menu grub = { 0 }, bls = { 0 };
	AUTO_FREE char *default_name = NULL;
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };
	unsigned timeout_ds = 0;

	check(menu_read_grub(&l, FIRST, &grub, &e), &grub, &e);
	menu_write_syslinux_top(grub.timeout_ds, true, &out);
	if (menu_write_syslinux(&grub, &out, &e) < 0)
		need(e.text != NULL);
	err_clear(&e);
	check_written(&grub);
	if (menu_read_loader_conf(&l, FIRST, &default_name, &timeout_ds, &e) < 0)
		need(e.text && e.code == EXIT_SOURCE && !default_name);
	err_clear(&e);
	need(timeout_ds <= 36000);
	check(menu_read_bls(&l, entries, strstr(default_name ? default_name : "", "a") ? 3 : 1, default_name, &bls, &e),
	      &bls, &e);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
