/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kernels that somebody made up. What was read must keep the promises of persist/kernel.h. For libFuzzer; with
 * -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include "persist/kernel.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *value = NULL;
	struct kernel k = { 0 };

	if (kernel_read(input_memory(data), size, "fuzz", &k, &e) < 0) {
		MUST(e.text && e.code == EXIT_SOURCE && !k.name);
		return 0;
	}
	MUST(!e.text && k.name && k.format);
	MUST(k.bits == 0 || k.bits == 32 || k.bits == 64);
	for (const char *p = k.version; p && *p; p++)
		MUST(*p > ' ' && *p < 0x7f && *p != '/');
	MUST(!k.version || (k.version[0] >= '0' && k.version[0] <= '9'));
	MUST(!k.config == !k.config_from);
	MUST((kernel_option(&k, "CONFIG_SQUASHFS") == KERNEL_UNKNOWN) == !k.config);
	value = kernel_option_text(&k, "CONFIG_LOCALVERSION");
	(void)kernel_is_at_least(&k, 4, 0);
	kernel_free(&k);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
