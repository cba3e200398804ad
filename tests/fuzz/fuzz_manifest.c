/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A manifest that somebody made up. The digest at the end is no hurdle for somebody who means harm, so it is put right
 * here: the input is what stands before it.
 */
#include "src/manifest.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct manifest m = { 0 };
	u8 digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];

	buf_add(&text, data, size);
	sha256_of(data, size, digest);
	sha256_hex(digest, hex);
	buf_addf(&text, "end %s\n", hex);
	if (manifest_parse(text.s, text.len, &m, &e) < 0)
		return 0;
	for (size_t i = 0; i < m.n_files; i++)
		if (m.file[i].path[0] != '/' || strstr(m.file[i].path, "/../"))
			abort();
	manifest_free(&m);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
