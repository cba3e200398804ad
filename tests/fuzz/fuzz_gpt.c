/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The input is a device with a GPT. Checksums are no hurdle for somebody who means harm: that of the header is put
 * right. */
#include <zlib.h>

#include "partition/gpt.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void set_checksum(struct device *d)
{
	AUTO_ERR struct err e = { 0 };
	u8 b[512];
	u32 len;

	if (device_read(d, 512, b, sizeof(b), &e) < 0)
		return;
	len = get_le32(b + 12);
	put_le32(b + 16, 0);
	if (len <= sizeof(b))
		put_le32(b + 16, (u32)crc32(0, b, len));
	if (device_write(d, 512, b, sizeof(b), &e) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_DEVICE struct device *d = device_new_memory("fuzz", align_up(size, 512), 512);
	AUTO_ERR struct err e = { 0 };
	struct gpt_report g = { 0 };

	if (device_write(d, 0, data, align_down(size, 512), &e) < 0)
		return 0;
	set_checksum(d);
	if (gpt_check(d, &g, &e) < 0 && !e.text)
		abort();
	gpt_report_free(&g);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
