/* SPDX-License-Identifier: GPL-3.0-or-later */
/* With -DFUZZ_MAIN a fuzz target runs on the files that are named, for a debugger. Included last. */
#ifndef LIVESTICK_TESTS_FUZZ_MAIN_H
#define LIVESTICK_TESTS_FUZZ_MAIN_H

#ifdef FUZZ_MAIN
#include <stdio.h>

#include "src/base/util.h"

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

#endif
