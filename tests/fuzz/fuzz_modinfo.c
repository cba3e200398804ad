/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kernel modules that somebody made up. What was found must keep the promises of persist/modinfo.h. For libFuzzer; with
 * -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include "persist/modinfo.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const char *const keys[] = { "vermagic", "depends", "softdep", "alias", "" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = NULL;
		size_t n = 0;

		while ((value = modinfo_find(data, size, keys[i], value))) {
			MUST(modinfo_is_elf(data, size));
			MUST((const u8 *)value >= data && (const u8 *)value < data + size);
			MUST(memchr(value, '\0', size - (size_t)((const u8 *)value - data)));
			MUST(++n <= size);
		}
	}
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
