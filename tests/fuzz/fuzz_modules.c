/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The modules of a kernel in an initrd that somebody made up: modules.dep, modules.alias, modules.softdep,
 * modules.builtin, and the modules themselves. What is chosen must keep the promises of persist/own_modules.h and
 * shelf.h. Input: the initrd, a cpio archive; its lib/modules/6.1 is that of the kernel. For libFuzzer; with
 * -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include <errno.h>

#include "persist/modinfo.h"
#include "persist/own_modules.h"
#include "persist/shelf.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct asked {
	struct shelves *s;
	unsigned n;
};

static int check_related(void *ctx, const char *name, struct err *e)
{
	struct asked *a = ctx;
	const struct shelf_module *m = shelves_find(a->s, name);

	(void)e;
	MUST(*name);
	MUST(!m || (m->name && m->path && m->file));
	return ++a->n > 1000 ? -ECANCELED : 0;
}

static void check_shelves(const struct own_initrd_file *file)
{
	static const char *const names[] = { "ext4", "usb_storage", "crc32c" };
	struct asked a = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct image_stack none = { 0 };

	if (shelves_open(&none, file, 1, NULL, &a.s, &e) < 0) {
		MUST(e.text && e.code == EXIT_SOURCE && !a.s);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct shelf_module *m = shelves_find(a.s, names[i]);

		shelves_is_built_in(a.s, names[i]);
		for (int relation = SHELF_DEPENDENCIES; m && relation <= SHELF_SOFT_BEHIND; relation++)
			if (shelves_each_related(a.s, m, relation, check_related, &a, &e) < 0)
				err_clear(&e);
		if (shelves_each_alias(a.s, names[i], check_related, &a, &e) < 0)
			err_clear(&e);
	}
	shelves_free(a.s);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const struct image_kind squashfs = { .type = "squashfs", .compressor = "xz" };
	const struct own_initrd_file file = { input_memory(data), size, "/initrd" };
	struct kernel k = { .name = xstrdup("/vmlinuz"), .format = "bzImage", .version = xstrdup("6.1"), .bits = 64 };
	const struct own_modules_request q = {
		.kernel = &k, .kinds = &squashfs, .n_kinds = 1, .initrds = &file, .n_initrds = 1
	};
	struct own_modules m = { 0 };
	AUTO_ERR struct err e = { 0 };

	check_shelves(&file);
	if (own_modules_choose(&q, &m, &e) < 0) {
		MUST(e.text && e.code == EXIT_SOURCE && !m.module);
	} else {
		MUST(!e.text);
		for (size_t i = 0; i < m.n; i++)
			MUST(m.module[i].name && modinfo_is_elf(m.module[i].data, m.module[i].len));
		own_modules_free(&m);
	}
	kernel_free(&k);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
