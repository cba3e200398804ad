/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small texts: the input's first line says which reader gets the rest. "switch": switch.cfg of a stick, of which
 * nothing is taken that would be written otherwise. "ini": .treeinfo. "size": an option. "args": a kernel's command
 * line. "config": a kernel's configuration. For libFuzzer; with -DFUZZ_MAIN a program that does the same with each
 * file.
 */
#include "bootinst/menu.h"
#include "persist/kernel.h"
#include "src/base/args.h"
#include "src/base/ini.h"
#include "src/verb.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void read_switch(const char *text, size_t len)
{
	AUTO_ERR struct err e = { 0 };
	struct menu_switch s = { 0 }, again = { 0 };
	char sector[MENU_SWITCH_SIZE];

	if (menu_read_switch(text, len, &s, &e) < 0) {
		MUST(e.text && !s.slot);
		return;
	}
	MUST(!e.text && (s.slot == 'a' || s.slot == 'b'));
	MUST(s.previous == 0 || (s.previous != s.slot && (s.previous == 'a' || s.previous == 'b')));
	menu_write_switch(&s, sector);
	MUST(menu_read_switch(sector, sizeof(sector), &again, &e) == 0);
	MUST(strcmp(s.default_id, again.default_id) == 0 && s.slot == again.slot && s.previous == again.previous);
}

static void read_ini(const char *text, size_t len)
{
	AUTO_FREE char *section = xstrndup(text, strcspn(text, "\n"));
	const char *rest = text + strlen(section) + (text[strlen(section)] == '\n');
	AUTO_FREE char *key = xstrndup(rest, strcspn(rest, "\n"));
	AUTO_FREE char *value = ini_value(rest, section, key);
	AUTO_FREE char *version = ini_value(text, "release", "version");

	(void)len;
	MUST(!value || !strchr(value, '\n'));
	MUST(!version || !strchr(version, '\n'));
}

static void read_size(const char *text, size_t len)
{
	AUTO_ERR struct err e = { 0 };
	u64 bytes = 0;

	(void)len;
	if (parse_size("size", text, &bytes, &e) < 0)
		MUST(e.text && e.code == EXIT_USAGE && bytes == 0);
	else
		MUST(bytes >= 1 && bytes < INT64_MAX && *text >= '0' && *text <= '9');
}

static void read_args(const char *text, size_t len)
{
	static const char *const drop[] = { "toram", "boot=", "live-*" };
	AUTO_FREE char *value = args_value(text, "boot=");
	AUTO_BUF struct buf out = { 0 }, all = { 0 };

	(void)len;
	MUST(!value == !args_has(text, "boot="));
	args_without(text, drop, ARRAY_SIZE(drop), &out);
	MUST(!out.s || (!args_has(out.s, "toram") && !args_has(out.s, "boot=") && !args_has(out.s, "live-*")));
	args_without(text, NULL, 0, &all);
	args_add(&all, "added=1");
	MUST(args_has(all.s, "added=1"));
}

static void read_config(const char *text, size_t len)
{
	struct kernel k = { .name = xstrdup("kernel"), .version = xstrndup(text, strcspn(text, "\n")) };
	AUTO_FREE char *value = NULL;

	(void)len;
	if (kernel_set_config(&k, text, "/boot/config")) {
		MUST(k.config && k.config_from);
		MUST(kernel_option(&k, "CONFIG_EXT4_FS") != KERNEL_UNKNOWN);
		value = kernel_option_text(&k, "CONFIG_LOCALVERSION");
	} else {
		MUST(!k.config && kernel_option(&k, "CONFIG_EXT4_FS") == KERNEL_UNKNOWN);
	}
	(void)kernel_is_at_least(&k, 5, 4);
	kernel_free(&k);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const struct {
		const char *name;
		void (*read)(const char *text, size_t len);
	} readers[] = {
		{ "switch\n", read_switch }, { "ini\n", read_ini },       { "size\n", read_size },
		{ "args\n", read_args },     { "config\n", read_config },
	};
	AUTO_FREE char *text = xcalloc(1, size + 1);

	memcpy(text, data, size);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		size_t len = strlen(readers[i].name);

		if (size >= len && memcmp(text, readers[i].name, len) == 0)
			readers[i].read(text + len, size - len);
	}
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
