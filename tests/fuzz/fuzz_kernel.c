/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kernels that somebody made up. What was read must keep the promises of persist/kernel.h. For libFuzzer; with
 * -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include <stdio.h>

#include "persist/kernel.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : (fprintf(stderr, "broken promise: %s\n", #cond), abort()))

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

#ifdef FUZZ_MAIN
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		AUTO_FREE u8 *data = NULL;
		FILE *f = fopen(argv[i], "rb");
		long size;

		if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) < 0) {
			perror(argv[i]);
			return 1;
		}
		data = xcalloc(1, (size_t)size);
		if (fread(data, 1, (size_t)size, f) != (size_t)size)
			return 1;
		fclose(f);
		LLVMFuzzerTestOneInput(data, (size_t)size);
	}
	return 0;
}
#endif
