/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The input is an ext volume whose metadata are found, as for a check and as for a replay. */
#include "src/fs/ext4_metadata.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct bounds {
	u64 size, told;
};

static int check_stretch(void *ctx, u64 off, u64 len)
{
	struct bounds *b = ctx;

	if (len == 0 || off > b->size || len > b->size - off)
		abort();
	b->told += len;
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_DEVICE struct device *d = device_new_memory("fuzz", align_up(size, 4096), 512);
	AUTO_ERR struct err e = { 0 };
	struct bounds b = { .size = d->size };

	if (device_write(d, 0, data, size, &e) < 0)
		return 0;
	for (int what = EXT4_METADATA_ALL; what <= EXT4_METADATA_REPLAY; what++) {
		if (ext4_each_metadata(d, what, check_stretch, &b, &e) < 0 && !e.text)
			abort();
		err_clear(&e);
	}
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
