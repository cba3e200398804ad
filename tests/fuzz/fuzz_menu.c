/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boot menus that somebody made up. Input: the first file; lines of 0x01 NAME begin further ones, so that INCLUDE and
 * CONFIG have where to go. What was read must keep the promises of bootinst/menu.h, and be writable or refused.
 */
#include <errno.h>

#include "bootinst/menu.h"

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
	for (bool first = true; at; first = false) {
		const char *next = memchr(at, 1, (size_t)(end - at)), *stop = next ? next : end;
		const char *line = first ? at : memchr(at, '\n', (size_t)(stop - at));
		bool match = first ? strcmp(path, "/isolinux/isolinux.cfg") == 0
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

static void check_menu(const struct menu *m)
{
	size_t n_default = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct menu_entry *n = &m->entry[i];

		n_default += n->is_default;
		need(strlen(n->id) <= MENU_ID_MAX &&
		     strspn(n->id, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(n->id));
		need(!n->submenu || (*n->submenu && !strpbrk(n->submenu, "\r\n\x1b\x7f")));
		need(*n->id && strlen(n->args) <= MENU_ARGS_MAX && !strpbrk(n->title, "\r\n\x1b"));
		check_path(n->kernel);
		for (size_t k = 0; k < n->n_initrds; k++)
			check_path(n->initrds[k]);
	}
	need(n_default == (m->n > 0) && m->n <= 1000);
}

/* What is written for SYSLINUX is read as the same entries. */
static void check_written(const struct menu *m, const char *text, size_t len)
{
	struct files files = { text ? text : "", len };
	const struct menu_loader l = { load, &files };
	CLEANUP(menu_free) struct menu again = { 0 };
	AUTO_ERR struct err e = { 0 };

	if (len > MIB)
		return;
	need(menu_read_syslinux(&l, "/isolinux/isolinux.cfg", &again, &e) == 0 && again.n == m->n);
	check_menu(&again);
	for (size_t i = 0; i < m->n; i++) {
		size_t k = 0;

		while (k < again.n && strcmp(again.entry[k].id, m->entry[i].id) != 0)
			k++;
		need(k < again.n && strcmp(again.entry[k].args, m->entry[i].args) == 0 &&
		     strcmp(again.entry[k].kernel, m->entry[i].kernel) == 0 &&
		     again.entry[k].n_initrds == m->entry[i].n_initrds &&
		     !again.entry[k].submenu == (!m->entry[i].submenu || m->entry[i].is_default));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct files files = { (const char *)data, size };
	const struct menu_loader l = { load, &files };
	AUTO_BUF struct buf out = { 0 }, warnings = { 0 };
	AUTO_ERR struct err e = { 0 };
	CLEANUP(menu_free) struct menu m = { 0 };

	if (menu_read_syslinux(&l, "/isolinux/isolinux.cfg", &m, &e) < 0) {
		need(e.text && e.code == EXIT_SOURCE && m.n == 0);
		return 0;
	}
	need(!e.text);
	check_menu(&m);
	if (menu_write_syslinux(&m, &out, &e) < 0)
		need(e.text != NULL);
	else
		check_written(&m, out.s, out.len);
	err_clear(&e);
	buf_clear(&out);
	if (menu_write_grub(&m, &out, &warnings, &e) < 0)
		need(e.text != NULL);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
